import type { ClientSession, Document, Mongoose } from 'mongoose';
import { CommitQueue, runAll } from '../commit-queue.ts';

/**
 * The session that an operation runs in: the one it was given, or that of `connection.transaction()` where Mongoose
 * passes it on.
 */
export function sessionIn(given: ClientSession | null | undefined, base: Mongoose): ClientSession | undefined {
  // not in its declared types
  const { transactionAsyncLocalStorage } = base as {
    transactionAsyncLocalStorage?: { getStore(): { session?: ClientSession } | undefined };
  };
  return given ?? transactionAsyncLocalStorage?.getStore()?.session ?? undefined;
}

/** The session of a document. */
export function sessionOf(document: Document): ClientSession | undefined {
  return sessionIn(document.$session(), document.db.base);
}

/** What waits for the commit of this session's transaction; an empty queue outside of one. */
export function queueOf(session: ClientSession | undefined): CommitQueue {
  if (session?.inTransaction() !== true) return OUTSIDE;
  let queue = queues.get(session);
  if (queue === undefined) queues.set(session, (queue = watch(session)));
  if (queue.depth === 0) queue.begin();
  return queue;
}

const OUTSIDE = new CommitQueue();
const queues = new WeakMap<ClientSession, CommitQueue>();

/**
 * The driver tells nobody of a commit, so that the session's own methods are wrapped. A transaction that is tried again
 * after an error of the network starts anew, and so does its queue; a commit that is tried again finds its queue as it
 * was.
 */
function watch(session: ClientSession): CommitQueue {
  const queue = new CommitQueue();
  const start = session.startTransaction.bind(session);
  const commit = session.commitTransaction.bind(session);
  const abort = session.abortTransaction.bind(session);
  session.startTransaction = (...args) => {
    queue.clear();
    start(...args);
  };
  session.commitTransaction = async (...args) => {
    await commit(...args);
    await runAll(queue.commit());
  };
  session.abortTransaction = async (...args) => {
    queue.clear();
    await abort(...args);
  };
  return queue;
}
