/** What a write is told of its transaction is what the database has done, in whatever order statements reach it. */
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'libsql';
import { DataSource, type DataSourceOptions, EntitySchema } from 'typeorm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import { attachSignals, postSave, preSave } from '../../src/typeorm.ts';
import { availableEngines, type Engine, type FreshDatabase, freshDatabase } from '../support/databases.ts';

class Item {
  id!: number;
}
const schema = { name: 'Item', tableName: 'items', target: Item, columns: { id: { type: Number, primary: true } } };
const versions = {
  TypeORM: { DataSource, EntitySchema },
  'TypeORM 0.3': (await import('typeorm-0.3')) as unknown as {
    DataSource: typeof DataSource;
    EntitySchema: typeof EntitySchema;
  },
};

/** Of one connection, so that whoever comes next is given that of the one before. */
function connection(engine: Engine, url: string): DataSourceOptions {
  if (engine === 'sqlite') return { type: 'better-sqlite3', driver: Sqlite, database: url };
  if (engine === 'postgres') return { type: 'postgres', url, extra: { max: 1 } };
  return { type: 'mysql', url, extra: { connectionLimit: 1 } };
}

let database: FreshDatabase;
let dataSource: DataSource;
let attachment: Disposable;
let owner = {};
let log: string[] = [];
let held: (() => Promise<void>) | undefined;

/** The next INSERT waits in a subscriber of the app, after TypeORM has told of it and before it is sent. */
function hold(): () => void {
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  held = () => gate;
  return open;
}
function listen(): void {
  postSave.connect(
    (_sender, { instance, onCommit, onRollback }) => {
      onCommit(() => log.push(`committed ${String(instance.id)}`));
      onRollback(() => log.push(`rolledBack ${String(instance.id)}`));
    },
    { sender: Item, owner },
  );
}
const ids = async (): Promise<number[]> => (await dataSource.manager.find(Item)).map(({ id }) => id).sort();
const told = (id: number): string[] => log.filter((line) => line.endsWith(` ${String(id)}`)).sort();

const cases = availableEngines('sqlite', 'postgres', 'mariadb').flatMap((engine) =>
  Object.entries(versions).map(([version, classes]) => ({ engine, version, classes })),
);

describe.each(cases)('$version on $engine', ({ engine, version, classes }) => {
  // Where TypeORM does not wait for a subscriber before it sends.
  const isNeverHeld = engine === 'sqlite' && version === 'TypeORM 0.3';

  beforeEach(async () => {
    database = await freshDatabase(engine, 'typeorm_transactions');
    const entities = [new classes.EntitySchema<Item>(schema)];
    const options = { ...connection(engine, database.url), entities, synchronize: true } as DataSourceOptions;
    dataSource = await new classes.DataSource(options).initialize();
    attachment = attachSignals(dataSource);
    dataSource.subscribers.push({
      beforeQuery: ({ query }) => {
        const wait = /^insert/i.test(query) ? held : undefined;
        if (wait !== undefined) held = undefined;
        return wait?.();
      },
    });
    listen();
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    attachment[Symbol.dispose]();
    if (dataSource.isInitialized) await dataSource.destroy();
    await database.drop();
    owner = {};
    log = [];
  });

  describe.each([
    ['the call', 'has begun'],
    ['the statement', 'was issued'],
  ])('who listens only since %s of a write %s', (part) => {
    test('is told of the rollback that is on its way', async () => {
      const runner = dataSource.createQueryRunner();
      if (part === 'the statement') disconnectReceivers(owner);
      await runner.startTransaction();
      disconnectReceivers(owner);
      let rollingBack: Promise<void> | undefined;
      dataSource.subscribers.push({
        beforeQuery({ query }) {
          if (part === 'the statement' && /^insert/i.test(query)) listen();
        },
        afterQuery({ query }) {
          if (/^insert/i.test(query)) rollingBack ??= runner.rollbackTransaction();
          // The event of the write comes when TypeORM has sent the rollback.
          return /^insert/i.test(query) ? sleep(1) : undefined;
        },
      });
      const saved = runner.manager.save(Object.assign(new Item(), { id: 1 }));
      if (part === 'the call') listen();
      await saved;
      await rollingBack;
      await runner.release();
      await sleep(5);
      expect(await ids()).toEqual([]);
      expect(told(1)).not.toContain('committed 1');
    });
  });

  /** A write of a transaction that fails before the write is sent. */
  async function stray(id: number): Promise<{ send: () => void; written: Promise<unknown> }> {
    const send = hold();
    let written: Promise<unknown> = Promise.resolve();
    const failing = dataSource.transaction(async (tx) => {
      written = tx.insert(Item, { id });
      await sleep(5);
      throw new Error('fails');
    });
    await expect(failing).rejects.toThrow('fails');
    return { send, written };
  }

  test.skipIf(isNeverHeld)(
    'a write that is sent after the rollback is told what becomes of it: it is there',
    async () => {
      const { send, written } = await stray(1);
      send();
      await written;
      expect(await ids()).toEqual([1]);
      expect(told(1)).toEqual(['committed 1']);
    },
  );

  test.skipIf(isNeverHeld).each([false, true])(
    'a write that falls into the next transaction is told of that (it fails: %s)',
    async (fails) => {
      const { send, written } = await stray(1);
      const next = dataSource.transaction(async (tx) => {
        await tx.insert(Item, { id: 2 });
        send();
        await written;
        expect(told(1)).toEqual([]);
        if (fails) throw new Error('fails');
      });
      await (fails ? expect(next).rejects.toThrow('fails') : next);
      const there = await ids();
      expect(there).toEqual(fails ? [] : [1, 2]);
      const what = fails ? 'rolledBack' : 'committed';
      await expect.poll(() => [told(1), told(2)]).toEqual([[`${what} 1`], [`${what} 2`]]);
    },
  );

  test('a write whose transaction was rolled back after its preSave receivers ran is not sent', async () => {
    preSave.connect((_sender, { onRollback }) => onRollback(() => log.push('preSave 1')), { sender: Item, owner });
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const reached = new Promise<void>((resolve) => {
      dataSource.subscribers.push({
        beforeInsert: () => {
          resolve();
          return gate;
        },
      });
    });
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    const saved = runner.manager.save(Object.assign(new Item(), { id: 1 }));
    const refused = expect(saved).rejects.toThrow(/^save\(\) was stopped: its transaction has been rolled back while/);
    await reached;
    await sleep(5);
    await runner.rollbackTransaction();
    open();
    await refused;
    await runner.release();
    expect(await ids()).toEqual([]);
    await expect.poll(() => told(1)).toEqual(['preSave 1']);
  });

  describe.skipIf(engine === 'sqlite')('a transaction that a query runner leaves open when it is released', () => {
    async function leaveOpen(id: number): Promise<void> {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.insert(Item, { id });
      await runner.release();
      await sleep(5);
      expect(told(id)).toEqual([]);
    }

    test('is told when whoever is given the connection next commits', async () => {
      await leaveOpen(1);
      await dataSource.transaction((tx) => tx.insert(Item, { id: 2 }));
      expect(await ids()).toEqual([1, 2]);
      await expect.poll(() => [told(1), told(2)]).toEqual([['committed 1'], ['committed 2']]);
    });

    test('is told what that one rolls back, if its BEGIN has not committed it', async () => {
      await leaveOpen(1);
      const next = dataSource.transaction(async (tx) => {
        await tx.insert(Item, { id: 2 });
        throw new Error('fails');
      });
      await expect(next).rejects.toThrow('fails');
      const isThere = (await ids()).includes(1);
      expect(isThere).toBe(engine === 'mariadb');
      await expect.poll(() => told(1)).toEqual([isThere ? 'committed 1' : 'rolledBack 1']);
      await expect.poll(() => told(2)).toEqual(['rolledBack 2']);
    });

    test('is rolled back with its connection', async () => {
      await leaveOpen(1);
      await dataSource.destroy();
      await expect.poll(() => told(1)).toEqual(['rolledBack 1']);
      await dataSource.initialize();
      expect(await ids()).toEqual([]);
    });
  });

  test.runIf(engine === 'mariadb')(
    'what MySQL commits by itself is told as committed, whatever comes after',
    async () => {
      await dataSource.query('create table other (id int)');
      const failing = dataSource.transaction(async (tx) => {
        await tx.insert(Item, { id: 1 });
        await tx.query('truncate table other');
        await tx.insert(Item, { id: 2 });
        throw new Error('fails');
      });
      await expect(failing).rejects.toThrow('fails');
      expect(await ids()).toEqual([1, 2]);
      expect([told(1), told(2)]).toEqual([['committed 1'], ['committed 2']]);
    },
  );
});
