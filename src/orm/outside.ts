import { callSite } from '../core/origin.ts';
import type { OutsidePolicy } from './adapter-options.ts';
import { type CausalContext, currentCause } from './causal-context.ts';
import type { TransactionNode } from './transaction.ts';
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
}

/** The receiver in whose open transaction the current code runs, if a write in `transaction` is not part of that. */
function causeOutside(database: object, transaction: TransactionNode | undefined): CausalContext | undefined {
  for (let cause = currentCause(); cause !== undefined; cause = cause.parent) {
    if (cause.ended || cause.database !== database || cause.transaction?.state !== 'open') continue;
    if (cause.transaction.root === transaction?.root) return undefined;
    return cause;
  }
  return undefined;
}
