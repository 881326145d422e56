import type { Document } from 'mongoose';
import type { AnyModel, MongooseAdapter } from './adapter.ts';
import { createAtomically, deleteAtomically, saveAtomically } from './atomic.ts';
import type { WriteOptions } from './write-options.ts';
import { announceBulkWrite, saveEach } from './bulk-write.ts';
import { currentInsertMany } from './calls.ts';
import { sendAroundDelete } from './documents.ts';
import { insertEach, type InsertManyOptions } from './insert-many.ts';
import { madeHere } from './call-sites.ts';
import { belongsToDocument } from './queries.ts';
import { type AnyQuery, WRITES } from './query.ts';
import { isNew } from './written.ts';

type Method = (...args: unknown[]) => unknown;
/** Calls what was there before, on the object that the method was called on. */
type Wrapper = (self: object, args: unknown[], original: (...args: unknown[]) => never) => unknown;

/** Each adapter puts its methods over a model once; models of other connections and discriminators inherit them. */
const overridden = new WeakMap<MongooseAdapter, WeakSet<object>>();

/** Put our methods over the model's own, where hooks do not tell enough. */
export function overrideMethods(adapter: MongooseAdapter, model: AnyModel): void {
  let ours = overridden.get(adapter);
  if (ours === undefined) overridden.set(adapter, (ours = new WeakSet()));
  const known = ours;
  const override = (target: object, name: string, wrapper: Wrapper): void => {
    // A path of the schema may have the name of a method, and then there is no such method.
    if (target === model.prototype && isPath(model, name)) return;
    const original = (target as Record<string, unknown>)[name];
    if (typeof original !== 'function' || known.has(original)) return;
    const method = function (this: object, ...args: unknown[]): unknown {
      return wrapper(this, args, (...passed) => (original as Method).apply(this, passed) as never);
    };
    known.add(method);
    // Name, arity, what somebody has hung on it, and whether it is an async function.
    const { prototype: _, ...properties } = Object.getOwnPropertyDescriptors(original);
    Object.defineProperties(method, properties);
    Object.setPrototypeOf(method, Object.getPrototypeOf(original) as object);
    Object.defineProperty(target, name, { value: method, writable: true, configurable: true });
  };

  const prototype = model.prototype as object;
  override(prototype, 'deleteOne', (self, args, original) => {
    const query = original(...args) as AnyQuery;
    const document = self as Document;
    belongsToDocument(query);
    sendAroundDelete(adapter, document, query);
    if (adapter.options.atomic) deleteAtomically(adapter, document, query);
    return query;
  });
  override(prototype, '$validate', async (self, args, original) => {
    const insert = currentInsertMany();
    const result = await (original(...args) as Promise<unknown>);
    const document = self as Document;
    if (insert === undefined || !isNew(document)) return result;
    // Of documents that it has made itself, insertMany() tells that nobody else validates them.
    const { _skipParallelValidateCheck: isMade } = Object(args[0]) as { _skipParallelValidateCheck?: boolean };
    if (isMade === true || insert.given.has(document)) await insert.validated(document);
    return result;
  });
  for (const name of WRITES) {
    override(model, name, (_self, args, original) => {
      const query: unknown = original(...args);
      madeHere(query, adapter);
      return query;
    });
  }
  override(model, 'insertMany', (self, [documents, options, ...rest], original) =>
    insertEach(
      adapter,
      self as AnyModel,
      (...args) => original(...args, ...rest),
      documents,
      options as InsertManyOptions,
    ),
  );
  override(model, 'bulkWrite', (self, [operations, options, ...rest], original) =>
    announceBulkWrite(adapter, self as AnyModel, operations, options as never, (given) =>
      original(operations, given, ...rest),
    ),
  );
  override(model, 'bulkSave', (self, [documents, options, ...rest], original) =>
    saveEach(adapter, self as AnyModel, documents, options as never, (given) => original(documents, given, ...rest)),
  );
  if (!adapter.options.atomic) return;
  for (const name of ['save', '$save']) {
    override(prototype, name, (self, [options, ...rest], original) =>
      saveAtomically(adapter, self as Document, options as WriteOptions, (given) => original(given, ...rest)),
    );
  }
  override(model, 'create', (self, args, original) => createAtomically(adapter, self as AnyModel, args, original));
}

function isPath({ schema }: AnyModel, name: string): boolean {
  return Object.hasOwn((schema as unknown as { tree: object }).tree, name);
}
