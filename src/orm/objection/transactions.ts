import type { Knex } from 'knex';
import { CommitQueue, runAll } from '../commit-queue.ts';

/** What is used of knex that its types do not tell. */
interface Funnel {
  /**
   * Every transaction and savepoint is made by this. Without a container it resolves to a transaction that is ended by
   * hand.
   */
  _transaction(
    container: ((transaction: Knex.Transaction) => unknown) | null | undefined,
    config: unknown,
    outer?: unknown,
  ): Pending;
}
/** How a transaction ends; knex's types say that this gives query builders. */
interface Ends {
  commit(value?: unknown): Promise<unknown>;
  rollback(error?: unknown): Promise<unknown>;
}
type Pending = Promise<unknown> & {
  /** What `then()` is called on. */
  _promise?: Promise<unknown>;
};

const queues = new WeakMap<object, CommitQueue>();
const watched = new WeakSet();
const OUTSIDE = new CommitQueue();

/**
 * What waits for the commit of this transaction, or of the savepoint that a nested one is; an empty queue outside of
 * one.
 */
export function queueOf(knex: Knex | Knex.Transaction): CommitQueue {
  return isTransaction(knex) ? (queues.get(knex) ?? adopt(knex)) : OUTSIDE;
}

export function isTransaction(knex: Knex | Knex.Transaction): knex is Knex.Transaction {
  return (knex as { isTransaction?: boolean }).isTransaction === true;
}

/**
 * knex tells nobody of a commit. So its transactions are watched from where they are made: whoever waits for one also
 * waits for what runs after its commit, when its connection is free again.
 */
export function watch(knex: Knex): void {
  if (watched.has(knex)) return;
  watched.add(knex);
  const { context } = knex as unknown as { context: Funnel };
  const begin = context._transaction.bind(context);
  context._transaction = (container, config, outer) => {
    let rolledBack = false;
    const queue = isTransaction(knex) ? queueOf(knex) : new CommitQueue();
    const enter = (transaction: Knex.Transaction): void => {
      queue.begin();
      queues.set(transaction, queue);
      watch(transaction);
      const ends = transaction as unknown as Ends;
      const commit = ends.commit.bind(ends);
      const rollback = ends.rollback.bind(ends);
      // for one that is ended by hand
      ends.commit = async (value) => {
        const result = await commit(value);
        await ended.catch(() => undefined);
        return result;
      };
      ends.rollback = (error) => {
        rolledBack = true;
        return rollback(error);
      };
    };
    const leave = async (): Promise<void> => {
      if (rolledBack) queue.rollback();
      else await runAll(queue.commit());
    };
    const watchEnd = (pending: Pending): Promise<unknown> =>
      (pending._promise ?? pending).then(
        async (value) => {
          await leave();
          return value;
        },
        (error: unknown) => {
          if (queue.depth > 0) queue.rollback();
          throw error;
        },
      );
    let ended: Promise<unknown>;
    if (typeof container === 'function') {
      const pending = begin(
        (transaction) => {
          enter(transaction);
          return container(transaction);
        },
        config,
        outer,
      );
      ended = watchEnd(pending);
      // knex's own object goes on being what the caller gets: it also emits events
      pending._promise = ended;
      return pending;
    }
    return new Promise((resolve, reject) => {
      ended = watchEnd(
        begin(
          (transaction) => {
            enter(transaction);
            resolve(transaction);
          },
          config,
          outer,
        ),
      );
      ended.catch(reject);
    });
  };
}

/** A transaction that was begun before its knex was known here: what runs after it is not waited for. */
function adopt(transaction: Knex.Transaction): CommitQueue {
  const { parentTransaction } = transaction as { parentTransaction?: Knex.Transaction };
  const queue = parentTransaction === undefined ? new CommitQueue() : queueOf(parentTransaction);
  queue.begin();
  queues.set(transaction, queue);
  watch(transaction);
  void transaction.executionPromise.then(
    () => runAll(queue.commit()),
    () => {
      queue.rollback();
    },
  );
  return queue;
}
