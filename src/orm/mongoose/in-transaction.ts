import type { ClientSession, Document } from 'mongoose';
import type { AnyModel } from './adapter.ts';
import { unmarkAsOutside } from './tracked.ts';
import { type Internals, isNew, versionOf } from './written.ts';

/** What a document says of itself before it is written. */
interface State {
  readonly isNew: boolean;
  readonly isDeleted: boolean;
  readonly version: unknown;
  readonly modified: readonly string[];
}

/** The documents that are written in a transaction of the adapter's own. */
const written = new WeakMap<ClientSession, Map<Document, State>>();

/**
 * Run in a transaction of the adapter's own, which MongoDB may want to be tried again.
 *
 * Mongoose sets back all documents of a transaction that fails, and so marks paths as changed that are not: what has
 * failed before anything was written is what it would be without a transaction, and keeps that state.
 *
 * @param given - the documents of the app, if any. Like those that the call makes they forget the session.
 */
export async function inTransaction<T>(
  model: AnyModel,
  given: readonly unknown[],
  work: (session: ClientSession) => Promise<T>,
): Promise<T> {
  const documents = new Map<Document, State>();
  let session: ClientSession | undefined;
  let failure: { readonly error: unknown } | undefined;
  let endFirstTry: (() => void) | undefined;
  let isDone = false;
  try {
    const result = await model.db.transaction(async (own) => {
      session = own;
      written.set(own, documents);
      if (endFirstTry === undefined) endFirstTry = unmarkAsOutside(model.base, own);
      else endFirstTry();
      // Mongoose sets documents back if this fails, and not if the commit does.
      if (isDone) {
        isDone = false;
        throw toBeTriedAgain(model);
      }
      try {
        const done = await work(own);
        isDone = true;
        return done;
      } catch (error) {
        const isChanged = [...documents].some(([document, state]) => hasChanged(document, state));
        if (isChanged || isTransient(error) || !own.inTransaction()) throw error;
        failure = { error };
        await own.abortTransaction();
        return undefined;
      }
    });
    if (failure !== undefined) throw failure.error;
    return result as T;
  } finally {
    for (const each of new Set([...given, ...documents.keys()])) forgetSession(each, session);
  }
}

/** Remember that the document will be written in this session. */
export function isWrittenIn(session: ClientSession, document: Document): void {
  const documents = written.get(session);
  if (documents === undefined || documents.has(document)) return;
  documents.set(document, stateOf(document));
}

function stateOf(document: Document): State {
  return {
    isNew: isNew(document),
    isDeleted: document.$isDeleted(),
    version: versionOf(document),
    modified: document.directModifiedPaths(),
  };
}

/** Whether the document tells of itself that it was written. */
function hasChanged(document: Document, before: State): boolean {
  const now = stateOf(document);
  if (now.isNew !== before.isNew || now.isDeleted !== before.isDeleted) return true;
  // What is new is written whole the next time.
  if (now.isNew) return false;
  return now.version !== before.version || before.modified.some((path) => !now.modified.includes(path));
}

function toBeTriedAgain({ base }: AnyModel): Error {
  const error = new base.mongo.MongoError('The commit has failed, and the transaction is tried again.');
  error.addErrorLabel('TransientTransactionError');
  return error;
}

/** Whether the driver will try the transaction again. */
function isTransient(error: unknown): boolean {
  const { errorLabels } = Object(error) as { errorLabels?: unknown };
  return Array.isArray(errorLabels) && errorLabels.includes('TransientTransactionError');
}

/** Mongoose keeps the session in each document, for what is written next. */
function forgetSession(document: unknown, session: ClientSession | undefined): void {
  const { $__: cache } = Object(document) as Partial<Internals>;
  if (cache?.session === undefined || cache.session !== session) return;
  for (const each of [document, ...(document as Document).$getAllSubdocs()]) {
    Reflect.deleteProperty((each as Internals).$__, 'session');
  }
}
