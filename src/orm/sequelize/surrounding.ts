import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from 'sequelize';
import { currentCause } from '../causal-context.ts';
import { nodeOf, transactionOf } from './transactions.ts';

/** A transaction in whose work the current code runs, whether it is given to its writes or not. */
interface Surrounding {
  /** As `WriteContext` says of it. */
  readonly database: object;
  readonly transaction: Transaction;
  readonly outer: Surrounding | undefined;
}

const surroundings = new AsyncLocalStorage<Surrounding>();

/** Run the work of a transaction. */
export function surroundedBy<T>(database: object, transaction: Transaction, work: () => T): T {
  return surroundings.run({ database, transaction, outer: surroundings.getStore() }, work);
}

/** The open transaction that waits for the current code: which is part of its work, or of a receiver in it. */
export function surroundingOf(database: object): Transaction | undefined {
  for (let each = surroundings.getStore(); each !== undefined; each = each.outer) {
    const node = each.database === database ? nodeOf(each.transaction) : undefined;
    if (node?.root.state === 'open') return transactionOf(node);
  }
  for (let cause = currentCause(); cause !== undefined; cause = cause.parent) {
    const node = cause.database === database && !cause.ended ? cause.transaction : undefined;
    if (node?.root.state === 'open') return transactionOf(node);
  }
  return undefined;
}
