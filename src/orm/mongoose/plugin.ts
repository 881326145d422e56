import type { ClientSession, Document, Model, Schema } from 'mongoose';
import { dispose } from '../../core/dispose.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { type MongooseOptions, MongooseAdapter } from './adapter.ts';
import { INSERTED } from '../inserted.ts';
import { documentHooks } from './documents.ts';
import { afterBulkWrite, type AnyQuery, belongsToDocument, madeHere, queryHooks, WRITES } from './queries.ts';
import { sessionIn, sessionOf } from './sessions.ts';

/** A Mongoose plugin that can be switched off. */
export type Plugin = ((schema: Schema) => void) & Disposable;

interface WriteOptions {
  readonly session?: ClientSession | null;
  readonly lean?: boolean;
}
type Method = (this: Document, options?: WriteOptions) => Promise<unknown>;

/** Hook a schema, and the model that is compiled of it where hooks do not tell enough. */
export function makePlugin(options: MongooseOptions): Plugin {
  const adapter = new MongooseAdapter(options);
  const documents = documentHooks(adapter);
  const queries = queryHooks(adapter);
  const compiled = new WeakSet();
  const beforeBulkWrite = function (this: Model<unknown>): void {
    if (adapter.active) adapter.bulk.announce('update', this, 'Use save() on documents, or listen to postBulk.');
  };
  const bulkWritten = async function (this: Model<unknown>, result: object | null): Promise<void> {
    if (adapter.active && result !== null) await afterBulkWrite.call(this, adapter, result);
  };
  const plugin = (schema: Schema): void => {
    schema.pre('save', documents.beforeSave);
    schema.post('save', documents.afterSave);
    schema.pre('deleteOne', { document: true, query: false }, documents.beforeDelete);
    schema.post('deleteOne', { document: true, query: false }, documents.afterDelete);
    schema.pre([...WRITES], { document: false, query: true }, queries.before as never);
    schema.post([...WRITES], { document: false, query: true }, queries.after as never);
    schema.pre('bulkWrite', beforeBulkWrite);
    schema.post('bulkWrite', bulkWritten as never);
    (schema as unknown as { on(event: 'init', listener: (model: Model<unknown>) => void): void }).on(
      'init',
      (model) => {
        if (compiled.has(model)) return;
        compiled.add(model);
        override(model, adapter);
      },
    );
  };
  return Object.assign(plugin, {
    [dispose]: () => {
      adapter.active = false;
    },
  });
}

/** Put our methods over the model's own. */
function override(model: Model<unknown>, adapter: MongooseAdapter): void {
  const prototype = model.prototype as unknown as Record<'save' | '$save' | 'deleteOne', Method>;
  const { save, deleteOne } = prototype;
  const saveAtomically: Method = function (options) {
    return atomically(this, options, save, [preSave, postSave], adapter);
  };
  const deleteMarked: Method = function (options) {
    return belongsToDocument(deleteOne.call(this, options));
  };
  prototype.deleteOne = function (options) {
    return atomically(this, options, deleteMarked, [preDelete, postDelete], adapter);
  };
  if (adapter.options.atomic) prototype.save = prototype.$save = saveAtomically;

  const statics = model as unknown as Record<string, (...args: unknown[]) => AnyQuery>;
  for (const name of WRITES) {
    const make = statics[name] as (...args: unknown[]) => AnyQuery;
    statics[name] = (...args) => madeHere(make.apply(model, args), adapter);
  }
  const insertMany = model.insertMany.bind(model) as (documents: unknown, options?: WriteOptions) => Promise<unknown>;
  (model as { insertMany: unknown }).insertMany = (documents: unknown, options?: WriteOptions) =>
    insertEach(model, insertMany, documents, options, adapter);
}

/** With `atomic`, a write that has receivers and no transaction gets one. */
function atomically(
  document: Document,
  options: WriteOptions | undefined,
  method: Method,
  signals: readonly { hasListeners(sender: unknown): boolean }[],
  { active, options: { atomic } }: MongooseAdapter,
): Promise<unknown> {
  const session = options?.session ?? sessionOf(document);
  if (
    !atomic ||
    !active ||
    session !== undefined ||
    !signals.some((signal) => signal.hasListeners(document.constructor))
  ) {
    return method.call(document, options);
  }
  return document.db.transaction((opened) => method.call(document, { ...options, session: opened }));
}

/** `insertMany()` of documents is a save of each. Mongoose's own hook for it knows no session. */
async function insertEach(
  model: Model<unknown>,
  insertMany: (documents: unknown, options?: WriteOptions) => Promise<unknown>,
  given: unknown,
  options: WriteOptions | undefined,
  adapter: MongooseAdapter,
): Promise<unknown> {
  const heard = adapter.active && (preSave.hasListeners(model) || postSave.hasListeners(model));
  if (!heard || options?.lean === true) return insertMany(given, options);
  const session = sessionIn(options?.session, model.base);
  const rows = (Array.isArray(given) ? given : [given]) as object[];
  const documents = rows.map((row) => (row instanceof model ? row : new model(row))) as Document[];
  for (const instance of documents) await adapter.send(preSave, model, session, instance, { instance, ...INSERTED });
  const result = await insertMany(documents, options);
  // with `ordered: false` some may have failed
  for (const instance of documents)
    if (!instance.isNew) await adapter.send(postSave, model, session, instance, { instance, ...INSERTED });
  return result;
}
