import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { Signal } from '../../src/index.ts';
import { sendModelSignal } from '../../src/orm/send-model-signal.ts';
import { TransactionNode } from '../../src/orm/transaction.ts';

interface Hooks {
  onCommit(callback: () => unknown): void;
  onRollback(callback: () => unknown): void;
}
/** The payload of a write in that transaction, and what became of it. */
async function written(transaction: TransactionNode | undefined): Promise<{ payload: Hooks; outcomes: string[] }> {
  const signal = new Signal<Hooks>('postSave');
  const outcomes: string[] = [];
  let payload: Hooks | undefined;
  signal.connect((_sender, args) => {
    payload = args;
    args.onCommit(() => outcomes.push('committed'));
    args.onRollback(() => outcomes.push('rolled back'));
  });
  await sendModelSignal(signal, 'User', {}, { database: {}, using: 'default', tx: undefined, transaction });
  return { payload: payload as Hooks, outcomes };
}

describe('what waits for the end of a transaction', () => {
  test('runs when the transaction has ended and is settled, by how it ended', async () => {
    for (const [end, outcome] of [
      ['commit', 'committed'],
      ['rollback', 'rolled back'],
    ] as const) {
      const transaction = TransactionNode.begin();
      const { outcomes } = await written(transaction);
      transaction[end]();
      expect(outcomes).toEqual([]);
      await transaction.settle();
      await transaction.settle();
      expect(outcomes).toEqual([outcome]);
    }
  });

  test('outside a transaction, onCommit runs at once and onRollback never', async () => {
    const { outcomes } = await written(undefined);
    expect(outcomes).toEqual(['committed']);
  });

  test('a rolled back savepoint takes along what lies in it, whoever opened it, and nothing else', async () => {
    const transaction = TransactionNode.begin();
    const before = await written(transaction.innermost);
    const outer = transaction.savepoint();
    const released = transaction.savepoint();
    const inReleased = await written(transaction.innermost);
    released.release();
    outer.rollback();
    const after = await written(transaction.innermost);
    transaction.commit();
    await transaction.settle();
    expect([before.outcomes, inReleased.outcomes, after.outcomes]).toEqual([
      ['committed'],
      ['rolled back'],
      ['committed'],
    ]);
  });

  test('a savepoint that nobody ended is committed with its transaction', async () => {
    const transaction = TransactionNode.begin();
    transaction.savepoint();
    const { outcomes } = await written(transaction.innermost);
    transaction.commit();
    await transaction.settle();
    expect(outcomes).toEqual(['committed']);
  });

  test.each(['commit', 'rollback'] as const)('a callback given late, after %s, is run or dropped soon', async (end) => {
    const transaction = TransactionNode.begin();
    const { payload } = await written(transaction);
    transaction[end]();
    await transaction.settle();
    const late: string[] = [];
    payload.onCommit(() => late.push('committed'));
    payload.onRollback(() => late.push('rolled back'));
    expect(late).toEqual([]);
    await new Promise(setImmediate);
    expect(late).toEqual([end === 'commit' ? 'committed' : 'rolled back']);
  });

  test('a callback given in a savepoint belongs to it, whichever payload it is given to', async () => {
    const transaction = TransactionNode.begin();
    const { payload, outcomes } = await written(transaction);
    const savepoint = transaction.savepoint();
    savepoint.run(() => {
      payload.onCommit(() => outcomes.push('given inside'));
    });
    savepoint.rollback();
    transaction.commit();
    await transaction.settle();
    expect(outcomes).toEqual(['committed']);
  });

  test('runs in the async context of whoever asked for it, one after the other, also 200,000 of them', async () => {
    const request = new AsyncLocalStorage<string>();
    const transaction = TransactionNode.begin();
    const { payload } = await written(transaction);
    const seen: unknown[] = [];
    request.run('a', () => {
      payload.onCommit(async () => {
        await new Promise(setImmediate);
        seen.push(request.getStore());
      });
    });
    payload.onCommit(() => seen.push(request.getStore()));
    let many = 0;
    for (let count = 0; count < 200_000; count++) payload.onCommit(() => many++);
    transaction.commit();
    await request.run('the commit', () => transaction.settle());
    expect(seen).toEqual(['a', undefined]);
    expect(many).toBe(200_000);
  });

  test('no receiver is called any more when the transaction was rolled back meanwhile', async () => {
    const called: string[] = [];
    for (const name of ['preSave', 'postSave']) {
      const transaction = TransactionNode.begin();
      const signal = new Signal(name);
      signal.connect(() => {
        transaction.rollback();
      });
      signal.connect(() => called.push(name));
      const sent = sendModelSignal(signal, 'User', {}, { database: {}, using: '', tx: undefined, transaction });
      if (name === 'preSave') await expect(sent).rejects.toThrow(/preSave User was stopped: .*Await every write/);
      else await sent;
    }
    expect(called).toEqual([]);
  });
});
