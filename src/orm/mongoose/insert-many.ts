import type { ClientSession, Document } from 'mongoose';
import { report } from '../../core/report.ts';
import { postBulk, postSave, preSave } from '../../models.ts';
import { WriteCall } from '../causal-context.ts';
import { INSERTED } from '../inserted.ts';
import { type AnyModel, hearsSaves, type MongooseAdapter } from './adapter.ts';
import { runInsertMany } from './calls.ts';
import { modelOf, rolledBackError } from './documents.ts';
import { inTransaction, isWrittenIn } from './in-transaction.ts';
import { sessionIn } from './sessions.ts';
import { isNew } from './written.ts';

export interface InsertManyOptions {
  readonly session?: ClientSession | null;
  readonly lean?: boolean;
  readonly ordered?: boolean;
  readonly rawResult?: boolean;
  readonly throwOnValidationError?: boolean;
}
type InsertMany = (documents: unknown, options?: InsertManyOptions) => Promise<unknown>;

/**
 * `insertMany()` is a save of each document. Mongoose makes the documents, validates them and writes them in one go, so
 * that `preSave` is sent where each has been validated.
 */
export async function insertEach(
  adapter: MongooseAdapter,
  model: AnyModel,
  insertMany: InsertMany,
  given: unknown,
  options: InsertManyOptions | undefined,
): Promise<unknown> {
  if (!adapter.active) return insertMany(given, options);
  const session = sessionIn(options?.session, options, model.base);
  adapter.checkOutside(model, session, 'insertMany()');
  if (options?.lean === true) return insertLean(adapter, model, () => insertMany(given, options), given, session);
  if (!hearsSaves(model)) return insertMany(given, options);
  // `ordered: false` wants what can be written, and a transaction would undo it.
  const isOpen = session !== undefined || options?.session === null;
  if (!adapter.options.atomic || isOpen || options?.ordered === false)
    return insertIn(adapter, model, insertMany, given, options, session);
  const documents: readonly unknown[] = Array.isArray(given) ? given : [given];
  return inTransaction(model, documents, (own) =>
    insertIn(adapter, model, insertMany, given, { ...options, session: own }, own),
  );
}

async function insertIn(
  adapter: MongooseAdapter,
  model: AnyModel,
  insertMany: InsertMany,
  given: unknown,
  options: InsertManyOptions | undefined,
  session: ClientSession | undefined,
): Promise<unknown> {
  const unordered = options?.ordered === false;
  const call = new WriteCall();
  const context = adapter.context(model, session, call);
  const documents: Document[] = [];
  let refusal: { readonly error: unknown } | undefined;
  let before: Promise<unknown> = Promise.resolve();
  /** Mongoose leaves the documents alone that it was validating when another could not be made: nobody awaits them. */
  let hasEnded = false;
  const send = async (instance: Document): Promise<void> => {
    // Of unordered documents one does not stop the others.
    const own = unordered ? { ...context, call: undefined } : context;
    await adapter.send(preSave, modelOf(instance), own, { instance, ...INSERTED });
    if (context.transaction?.state === 'rolledBack') throw rolledBackError(model);
  };
  const validated = async (instance: Document): Promise<void> => {
    documents.push(instance);
    if (session !== undefined) isWrittenIn(session, instance);
    const turn = before.then(() => (hasEnded ? undefined : send(instance)));
    before = turn.catch((error: unknown) => {
      refusal ??= { error };
    });
    try {
      await turn;
    } catch (error) {
      if (!hasEnded) throw error;
    }
  };
  const written = async (): Promise<void> => {
    for (const instance of documents) {
      if (!isNew(instance)) await adapter.send(postSave, modelOf(instance), context, { instance, ...INSERTED });
    }
  };
  let result: unknown;
  try {
    result = await runInsertMany(
      { call, options, given: new Set(Array.isArray(given) ? given : [given]), validated },
      () => insertMany(given, options),
    );
  } catch (error) {
    hasEnded = true;
    // Those before the one that failed are there, unless a transaction undoes them.
    if (context.transaction === undefined) {
      await written().catch((other: unknown) => {
        report(other, { signal: postSave, sender: model, receiver: undefined });
      });
    }
    throw error;
  }
  await written();
  // Mongoose takes what a receiver throws for an error of validation, which `ordered: false` only collects.
  if (refusal !== undefined && options?.rawResult !== true) throw refusal.error;
  return result;
}

/** Plain objects that nobody makes documents of. */
async function insertLean(
  adapter: MongooseAdapter,
  model: AnyModel,
  insert: () => Promise<unknown>,
  given: unknown,
  session: ClientSession | undefined,
): Promise<unknown> {
  adapter.bulk.announce('insert', model, 'Leave `lean` away, or listen to postBulk.');
  if (!postBulk.hasListeners(model)) return insert();
  const context = adapter.context(model, session);
  const result = await insert();
  const { insertedCount } = Object(result) as { insertedCount?: number };
  const count = insertedCount ?? (Array.isArray(result) ? result.length : undefined);
  await adapter.send(postBulk, model, context, { operation: 'insert', where: undefined, values: given, count });
  return result;
}
