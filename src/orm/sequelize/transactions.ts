import type { Transaction } from 'sequelize';
import { CommitQueue, runAll } from '../commit-queue.ts';

/**
 * What waits for the commit of this transaction, or of the savepoint that a nested one is; an empty queue outside of
 * one.
 */
export function queueOf(transaction: Transaction | null | undefined): CommitQueue {
  if (transaction === null || transaction === undefined) return OUTSIDE;
  let queue = queues.get(transaction);
  if (queue === undefined) queues.set(transaction, (queue = watch(transaction)));
  return queue;
}

const OUTSIDE = new CommitQueue();
const queues = new WeakMap<Transaction, CommitQueue>();

/**
 * Sequelize calls `afterCommit()` of a nested transaction while the outer one is open, and calls it when COMMIT has
 * failed. So the transaction's own methods are wrapped: what waited in a savepoint goes to the transaction around it,
 * and runs when that has committed and its connection is free again.
 */
function watch(transaction: Transaction): CommitQueue {
  const queue = new CommitQueue();
  queue.begin();
  const commit = transaction.commit.bind(transaction);
  const rollback = transaction.rollback.bind(transaction);
  const { parent } = transaction as { parent?: Transaction | null };
  transaction.commit = async () => {
    await commit();
    const waiting = queue.commit();
    if (parent === null || parent === undefined) await runAll(waiting);
    else queueOf(parent).adopt(waiting);
  };
  transaction.rollback = async () => {
    queue.rollback();
    await rollback();
  };
  return queue;
}
