import { AsyncLocalStorage } from 'node:async_hooks';
import type { Transaction } from 'sequelize';
import { currentCause } from '../causal-context.ts';
import type { SequelizeAdapter } from './adapter.ts';
import { nodeOf, transactionOf } from './transactions.ts';

/** A transaction in whose work the current code runs, whether it is given to its writes or not. */
interface Surrounding {
  readonly adapter: SequelizeAdapter;
  readonly transaction: Transaction;
  readonly outer: Surrounding | undefined;
}

const surroundings = new AsyncLocalStorage<Surrounding>();

/** Run the work of a transaction. */
export function surroundedBy<T>(adapter: SequelizeAdapter, transaction: Transaction, work: () => T): T {
  return surroundings.run({ adapter, transaction, outer: surroundings.getStore() }, work);
}

/** The open transaction that waits for the current code: which is part of its work, or of a receiver in it. */
export function surroundingOf(adapter: SequelizeAdapter): Transaction | undefined {
  for (let each = surroundings.getStore(); each !== undefined; each = each.outer) {
    const node = each.adapter === adapter ? nodeOf(each.transaction) : undefined;
    if (node?.root.state === 'open') return transactionOf(node);
  }
  for (let cause = currentCause(); cause !== undefined; cause = cause.parent) {
    const node = cause.database === adapter && !cause.ended ? cause.transaction : undefined;
    if (node?.root.state === 'open') return transactionOf(node);
  }
  return undefined;
}
