import type { ClientSession, Document } from 'mongoose';
import { type AnyModel, hearsDeletes, hearsSaves, type MongooseAdapter } from './adapter.ts';
import { modelOf } from './documents.ts';
import { inTransaction } from './in-transaction.ts';
import { type AnyQuery, sessionOfQuery } from './query.ts';
import { sessionIn } from './sessions.ts';
import { isAboutToBeSaved } from './tracked.ts';
import { skipsHooks, type WriteOptions } from './write-options.ts';

/** With `atomic`, a save that has receivers and no transaction gets one. */
export function saveAtomically(
  adapter: MongooseAdapter,
  document: Document,
  options: WriteOptions | undefined,
  save: (options: WriteOptions | undefined) => Promise<unknown>,
): Promise<unknown> {
  const model = modelOf(document);
  const session = sessionIn(options?.session ?? document.$session(), options, model.base);
  const isOpen = session !== undefined || options?.session === null;
  const saveIn = (where: ClientSession | undefined, given: WriteOptions | undefined): Promise<unknown> => {
    if (adapter.isGlobal) isAboutToBeSaved(model.base, where, document);
    return save(given);
  };
  if (!adapter.active || isOpen || skipsHooks(options) || !hearsSaves(model)) return saveIn(session, options);
  return inTransaction(model, [document], (own) => saveIn(own, { ...options, session: own }));
}

/** The documents of one `create()` are in one transaction, for which Mongoose wants them in order. */
export function createAtomically(
  adapter: MongooseAdapter,
  model: AnyModel,
  args: readonly unknown[],
  create: (...args: unknown[]) => Promise<unknown>,
): Promise<unknown> {
  const [first, given] = args;
  const listed = Array.isArray(first);
  const documents: readonly unknown[] = listed ? first : args.at(-1) ? args : args.slice(0, -1);
  const options = (listed ? (given ?? undefined) : undefined) as WriteOptions | undefined;
  const session = sessionIn(options?.session, options, model.base);
  if (
    !adapter.active ||
    session !== undefined ||
    options?.session === null ||
    options?.aggregateErrors === true ||
    skipsHooks(options) ||
    documents.length < 2 ||
    !hearsSaves(model)
  ) {
    return create(...args);
  }
  return inTransaction(model, documents, (own) => create(documents, { ...options, ordered: true, session: own }));
}

/** With `atomic`, the query of `document.deleteOne()` gets a transaction when it is executed, if it is in none. */
export function deleteAtomically(adapter: MongooseAdapter, document: Document, query: AnyQuery): void {
  const model = modelOf(document);
  const whole: (operation?: never) => Promise<unknown> = query.exec.bind(query);
  const execute = async function exec(operation?: never): Promise<unknown> {
    const options = query.getOptions();
    const isOpen =
      sessionOfQuery(query) !== undefined || (Object.hasOwn(options, 'session') && options.session === null);
    if (!adapter.active || isOpen || document.$isDeleted() || !hearsDeletes(model)) return whole(operation);
    let attempts = 0;
    return inTransaction(model, [document], (own) => {
      query.setOptions({ session: own });
      // A query is executed once, and may have to be tried again.
      if (attempts++ > 0) Object.assign(query, { _execCount: 0, _executionStack: null });
      return whole(operation);
    });
  };
  Object.defineProperty(query, 'exec', { value: execute, writable: true, configurable: true });
}
