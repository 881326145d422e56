import type { ClientSession, Mongoose } from 'mongoose';
import { TransactionNode } from '../transaction.ts';

interface Ambient {
  getStore(): { session?: ClientSession } | undefined;
  run<T>(store: undefined, work: () => T): T;
}

/** What Mongoose has for `transactionAsyncLocalStorage`; not in its declared types. */
function ambientOf(base: Mongoose): Ambient | undefined {
  return (base as { transactionAsyncLocalStorage?: Ambient }).transactionAsyncLocalStorage;
}

/**
 * The session that Mongoose uses for an operation: the one that it was given; that of `connection.transaction()`, where
 * Mongoose passes it on; and none if the options say `session: null`.
 */
export function sessionIn(
  given: ClientSession | null | undefined,
  options: object | null | undefined,
  base: Mongoose,
): ClientSession | undefined {
  if (given !== null && given !== undefined) return given;
  if (options !== null && options !== undefined && Object.hasOwn(options, 'session')) return undefined;
  return ambientOf(base)?.getStore()?.session;
}

/** Run where Mongoose passes no session on: that of a transaction that is over has ended, or soon will. */
export function leaveTransaction<T>(base: Mongoose, work: () => T): T {
  const ambient = ambientOf(base);
  return ambient === undefined ? work() : ambient.run(undefined, work);
}

/** The driver makes a new object for each transaction of a session; not in its declared types. */
function driverTransaction(session: ClientSession): object {
  return (session as unknown as { transaction: object }).transaction;
}

const nodes = new WeakMap<object, TransactionNode>();
const watched = new WeakSet<ClientSession>();

/** The transaction of this session; undefined outside of one. */
export function transactionOf(session: ClientSession | undefined): TransactionNode | undefined {
  if (session?.inTransaction() !== true) return undefined;
  if (!watched.has(session)) watchSession(session);
  let node = nodes.get(driverTransaction(session));
  if (node === undefined) nodes.set(driverTransaction(session), (node = TransactionNode.begin()));
  return node;
}

/**
 * The driver tells nobody of a commit, so that the session's own methods are wrapped. `withTransaction()` calls them,
 * too: a try that fails is a transaction that was rolled back.
 */
function watchSession(session: ClientSession): void {
  watched.add(session);
  const start = session.startTransaction.bind(session);
  const commit = session.commitTransaction.bind(session);
  const abort = session.abortTransaction.bind(session);
  const current = (): TransactionNode | undefined => nodes.get(driverTransaction(session));
  const rollBack = async (node: TransactionNode | undefined): Promise<void> => {
    if (node?.state === 'open') node.rollback();
    await node?.settle();
  };
  replace(session, 'startTransaction', (...args) => {
    const previous = current();
    start(...args);
    void rollBack(previous);
  });
  replace(session, 'commitTransaction', async (...args) => {
    const node = current();
    try {
      await commit(...args);
    } catch (error) {
      if (isRefusal(error)) await rollBack(node);
      throw error;
    }
    node?.commit();
    await node?.settle();
  });
  replace(session, 'abortTransaction', async (...args) => {
    const node = current();
    if (node?.state === 'open') node.rollback();
    try {
      await abort(...args);
    } finally {
      await rollBack(node);
    }
  });
  session.once('ended', () => {
    void rollBack(current());
  });
}

/** Whether the server has refused a commit. After other errors it may have been done, and is tried again. */
function isRefusal(error: unknown): boolean {
  const { code, errorLabels } = Object(error) as { code?: unknown; errorLabels?: unknown };
  return (
    typeof code === 'number' && !(Array.isArray(errorLabels) && errorLabels.includes('UnknownTransactionCommitResult'))
  );
}

type Method = 'startTransaction' | 'commitTransaction' | 'abortTransaction';

function replace<TName extends Method>(session: ClientSession, name: TName, value: ClientSession[TName]): void {
  Object.defineProperty(session, name, { value, writable: true, configurable: true });
}
