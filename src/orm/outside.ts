import { callSite } from '../core/origin.ts';
import type { OutsidePolicy } from './adapter-options.ts';
import { type CausalContext, currentCause } from './causal-context.ts';
import type { TransactionNode } from './transaction.ts';
import { PATIENCE_MS } from './turns.ts';
import { warnOnce, type WarnedSites } from './warning.ts';

/** A write that is about to be made. */
export interface PendingWrite {
  /** The database that it goes to: what `WriteContext` says of it. */
  readonly database: object;
  /** The transaction that it is part of; undefined for a write on a connection of its own. */
  readonly transaction: TransactionNode | undefined;
  /** What it is, for people: `save() of Log`. */
  readonly description: string;
  /** Whether every connection of the pool is taken; undefined where the adapter cannot tell. */
  readonly poolIsFull?: (() => boolean) | undefined;
  /** The line that asked for it, if the ORM only begins when that call has returned; a function if that is slow. */
  readonly site?: string | (() => string) | undefined;
}

/**
 * Notices a receiver that writes through the app's handle while the transaction that it runs in is open. Such a write
 * does not see the row, survives a rollback, and needs a second connection while the first is held: when every
 * connection of the pool is held by a transaction whose receiver waits for another, all of them wait for ever.
 */
export class OutsideGuard {
  readonly policy: OutsidePolicy;
  private readonly warned: WarnedSites = new Set();

  constructor(policy: OutsidePolicy) {
    this.policy = policy;
  }

  /**
   * To be called at the start of every write, in the call of the app, before a connection is asked for.
   *
   * @throws Error with `outside: 'throw'`, and with `'warn'` when the write would wait for a connection.
   */
  check({ database, transaction, description, poolIsFull, site }: PendingWrite): void {
    if (this.policy === 'ignore') return;
    const cause = causeOutside(database, transaction);
    if (cause === undefined) return;
    const what = `The receiver in ${cause.label} writes outside the transaction that it runs in (${description}).`;
    const why = 'The write does not see the row, outlives a rollback, and needs a second connection.';
    const fix = 'Write through the `tx` of the payload, or connect the receiver with `afterCommit: true`.';
    if (this.policy === 'throw') throw new Error(`${what} It is refused (outside: 'throw'). ${fix}`);
    if (poolIsFull?.() === true) {
      throw new Error(
        `${what} It is refused, for every connection of the pool is taken, and its own transaction, which holds one, ` +
          `would wait for it: both could wait for ever. ${fix}`,
      );
    }
    const where = typeof site === 'function' ? site() : (site ?? callSite());
    warnOnce(this.warned, 'TOCSIN_OUTSIDE', where, '', (at) => `${what}${at} ${why} ${fix}`);
  }

  /**
   * Wait for a connection, where the adapter cannot tell whether the pool is full. When every connection of it is held
   * by a transaction whose receiver waits here for another, none would ever be free: so a receiver waits for some
   * seconds only, while its own transaction is open.
   *
   * @param connect - calls `begin` when it has the connection; that throws if nobody waits for it any more
   * @throws Error naming the receiver, if it has waited too long.
   */
  async acquire<T>(
    { database, transaction, description }: PendingWrite,
    connect: (begin: () => void) => Promise<T>,
  ): Promise<T> {
    const cause = this.policy === 'ignore' ? undefined : causeOutside(database, transaction);
    if (cause === undefined) return connect(() => undefined);
    let refusal: Error | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        if (cause.ended || cause.transaction?.state !== 'open') return;
        refusal = new Error(
          `The receiver in ${cause.label} has waited ${String(PATIENCE_MS / 1000)} seconds for a connection ` +
            `(${description}), while its own transaction holds one, for which others may wait in turn: neither would ` +
            `ever end. ${FIX}`,
        );
        reject(refusal);
      }, PATIENCE_MS);
    });
    const connected = connect(() => {
      clearTimeout(timer);
      if (refusal !== undefined) throw refusal;
    });
    try {
      return await Promise.race([connected, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }
}

const FIX = 'Use the `tx` of the payload, or connect the receiver with `afterCommit: true`.';

/** The receiver in whose open transaction the current code runs, if a write in `transaction` is not part of that. */
function causeOutside(database: object, transaction: TransactionNode | undefined): CausalContext | undefined {
  for (let cause = currentCause(); cause !== undefined; cause = cause.parent) {
    if (cause.ended || cause.database !== database || cause.transaction?.state !== 'open') continue;
    if (cause.transaction.root === transaction?.root) return undefined;
    return cause;
  }
  return undefined;
}
