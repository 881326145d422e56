import type { Document } from 'mongoose';
import { currentCall, WriteCall } from '../causal-context.ts';

/** A call that writes several documents, whose hooks Mongoose runs one by one. */
export interface DocumentsCall {
  readonly call: WriteCall;
  readonly options: object | null | undefined;
}

/** A call of `bulkSave()`. */
export interface BulkSave extends DocumentsCall {
  readonly documents: ReadonlySet<unknown>;
}

/** A call of `insertMany()`. */
export interface InsertMany extends DocumentsCall {
  /** The rows and documents that the app gave. */
  readonly given: ReadonlySet<unknown>;
  /** Called when a document has been validated, and is about to be written. */
  readonly validated: (document: Document) => Promise<void>;
}

const bulkSaves = new WeakMap<WriteCall, BulkSave>();
const insertManys = new WeakMap<WriteCall, InsertMany>();

/** Run a `bulkSave()`. What receivers write in turn is no part of it. */
export function runBulkSave<T>(documents: readonly unknown[], options: BulkSave['options'], work: () => T): T {
  const call = new WriteCall();
  bulkSaves.set(call, { call, options, documents: new Set(documents) });
  return call.run(work);
}

/** Run an `insertMany()`. */
export function runInsertMany<T>(insert: InsertMany, work: () => T): T {
  insertManys.set(insert.call, insert);
  return insert.call.run(work);
}

/** The `bulkSave()` that the current code is part of. */
export function currentBulkSave(): BulkSave | undefined {
  const call = currentCall();
  return call === undefined ? undefined : bulkSaves.get(call);
}

/** The `insertMany()` that the current code is part of. */
export function currentInsertMany(): InsertMany | undefined {
  const call = currentCall();
  return call === undefined ? undefined : insertManys.get(call);
}
