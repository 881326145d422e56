import type { ClientSession, Document } from 'mongoose';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { WriteCall } from '../causal-context.ts';
import { differenceOf } from '../difference.ts';
import type { WriteContext } from '../send-model-signal.ts';
import type { AnyModel, MongooseAdapter } from './adapter.ts';
import { rolledBackError } from './documents.ts';
import { inTransaction } from './in-transaction.ts';
import { hasHooksOfReads } from './hooks-of-reads.ts';
import { type AnyQuery } from './query.ts';
import { rawValues, type Row, valueAt } from './written.ts';

type Values = Record<string, unknown>;
type Options = Values & { readonly session?: ClientSession };

/** What a write of the driver answers with. */
type Result = Readonly<Record<string, unknown>>;

/** What is used of the driver's collection. */
interface Collection {
  find(filter: object, options: object): { toArray(): Promise<Row[]> };
  updateOne(filter: object, update: object, options: object): Promise<Result>;
  updateMany(filter: object, update: object, options: object): Promise<Result>;
  deleteOne(filter: object, options: object): Promise<Result>;
  deleteMany(filter: object, options: object): Promise<Result>;
}

/**
 * Have the query write document by document, with the signals of each: the statement that Mongoose has made of it,
 * after all hooks, with filter and update cast, validated, sanitized and completed, is taken apart where it would go to
 * the driver. The documents' own hooks and validators are not run, for those of the statement are not either.
 *
 * @param decide - told before anything is written whether the statement is taken apart, or goes on whole
 */
export function writeIndividually(
  adapter: MongooseAdapter,
  query: AnyQuery,
  session: ClientSession | undefined,
  decide: (individual: boolean) => void,
): void {
  const internals = query as unknown as { mongooseCollection: Collection };
  const collection = internals.mongooseCollection;
  const model = query.model as AnyModel;
  const { op } = query;
  if (!/^(update|delete)(One|Many)$/.test(op) || hasHooksOfReads(model)) {
    decide(false);
    return;
  }
  const write = async (filter: object, update: object | undefined, options: Options): Promise<Result> => {
    internals.mongooseCollection = collection;
    const whole = (): Promise<Result> =>
      (collection[op as keyof Collection] as (...args: unknown[]) => Promise<Result>).apply(
        collection,
        update === undefined ? [filter, options] : [filter, update, options],
      );
    const inOne = async (own: ClientSession | undefined): Promise<Result> => {
      const statement = { filter, update, options: own === undefined ? options : { ...options, session: own } };
      const rows = await rowsOf(collection, statement, op.endsWith('One'));
      decide(rows !== undefined);
      if (rows === undefined || rows.length === 0) return whole();
      const call = new RowCall(adapter, model, collection, statement, own ?? session);
      return sum(await call.writeAll(rows));
    };
    if (!adapter.options.atomic || session !== undefined || !canSplit({ filter, update, options }))
      return inOne(undefined);
    return inTransaction(model, [], inOne);
  };
  const standIn: Partial<Collection> = op.startsWith('delete')
    ? { [op]: (filter: object, options: Options) => write(filter, undefined, options) }
    : { [op]: write };
  internals.mongooseCollection = Object.assign(Object.create(collection) as Collection, standIn);
}

/** A statement as the driver gets it. */
interface Statement {
  readonly filter: object;
  readonly update: object | undefined;
  readonly options: Options;
}

/** What changes nothing but where it is written and read. */
const UNDERSTOOD = new Set(['session', 'readPreference', 'writeConcern', 'middleware']);

/** Operators that must stand alone or at the top, or run code. */
const UNSPLITTABLE = new Set(['$near', '$nearSphere', '$geoNear', '$text', '$where', '$expr', '$function']);

/** Whether the statement means the same when it is done document by document. */
function canSplit({ filter, update, options }: Statement): boolean {
  const unknown = Object.entries(options).filter(([name, value]) => value !== undefined && !UNDERSTOOD.has(name));
  if (unknown.length > 0) return false;
  if ((options.writeConcern as { w?: unknown } | undefined)?.w === 0) return false;
  if (hasKey(filter, UNSPLITTABLE)) return false;
  if (update === undefined) return true;
  if (Array.isArray(update)) return false;
  return Object.entries(update).every(
    ([operator, paths]) =>
      operator === '$setOnInsert' ||
      (operator === '$set' && Object.keys(paths as object).every((path) => !path.includes('$') && path !== '_id')),
  );
}

function hasKey(value: unknown, keys: ReadonlySet<string>): boolean {
  if (Array.isArray(value)) return value.some((each) => hasKey(each, keys));
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return false;
  return Object.entries(value).some(([key, each]) => keys.has(key) || hasKey(each, keys));
}

/** The documents that the statement writes; undefined if it must stay whole. */
async function rowsOf(collection: Collection, statement: Statement, one: boolean): Promise<Row[] | undefined> {
  if (!canSplit(statement)) return undefined;
  const { session } = statement.options;
  const options = { ...(session === undefined ? { readPreference: 'primary' } : { session }), limit: one ? 1 : 0 };
  const rows = await collection.find(statement.filter, options).toArray();
  return rows.every((row) => after(row, statement.update) !== undefined) ? rows : undefined;
}

/** The document after the update; undefined if a path of it goes through an array, or a value that cannot hold it. */
function after(row: Row, update: object | undefined): Row | undefined {
  const { $set = {} } = (update ?? {}) as { $set?: Values };
  const copy: Values = { ...row };
  for (const [path, value] of Object.entries($set)) {
    const keys = path.split('.');
    const last = keys.pop() as string;
    let holder = copy;
    for (const key of keys) {
      const inner = holder[key];
      if (inner !== undefined && !isPlain(inner)) return undefined;
      holder = holder[key] = { ...inner };
    }
    holder[last] = value;
  }
  return copy;
}

function isPlain(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** One statement, document by document. */
class RowCall {
  private readonly adapter: MongooseAdapter;
  private readonly model: AnyModel;
  private readonly collection: Collection;
  private readonly statement: Statement;
  private readonly session: ClientSession | undefined;
  private readonly context: WriteContext;

  constructor(
    adapter: MongooseAdapter,
    model: AnyModel,
    collection: Collection,
    statement: Statement,
    session: ClientSession | undefined,
  ) {
    this.adapter = adapter;
    this.model = model;
    this.collection = collection;
    this.statement = statement;
    this.session = session;
    this.context = adapter.context(model, session, new WriteCall());
  }

  async writeAll(rows: readonly Row[]): Promise<Result[]> {
    const results: Result[] = [];
    for (const row of rows) {
      results.push(this.statement.update === undefined ? await this.remove(row) : await this.update(row));
    }
    return results;
  }

  private async remove(row: Row): Promise<Result> {
    const { adapter, collection, context, statement } = this;
    const instance = this.instanceOf(row);
    const sender = instance.constructor;
    await adapter.send(preDelete, sender, context, { instance, origin: instance });
    this.assertOpen();
    const result = await collection.deleteOne(this.filterOf(row), statement.options);
    if (result.deletedCount !== 0) {
      instance.$isDeleted(true);
      await adapter.send(postDelete, sender, context, { instance, origin: instance });
    }
    return result;
  }

  private async update(row: Row): Promise<Result> {
    const { adapter, collection, context, statement } = this;
    const instance = this.instanceOf(after(row, statement.update) as Row);
    const sender = instance.constructor;
    let update = statement.update as Values;
    const written = (): object => {
      const { $set = {} } = update as { $set?: Values };
      const [before, now] = [row, after(row, update) ?? rawValues(instance)].map((each) =>
        Object.fromEntries(Object.keys($set).map((path) => [path, valueAt(each, path)])),
      ) as [Values, Values];
      return { instance, raw: false, created: false, ...differenceOf(before, now) };
    };
    await adapter.send(preSave, sender, context, written);
    this.assertOpen();
    update = withChanges(update, instance);
    const result = await collection.updateOne(this.filterOf(row), update, statement.options);
    if (result.matchedCount !== 0) await adapter.send(postSave, sender, context, written);
    return result;
  }

  private instanceOf(row: Row): Document {
    // The hooks of `init` are those of documents that the app reads.
    const instance = this.model.hydrate(row, null, { middleware: false } as never) as Document;
    if (this.session !== undefined) instance.$session(this.session);
    return instance;
  }

  /** The caller's own condition stays part of what is written. */
  private filterOf(row: Row): object {
    return { $and: [this.statement.filter, { _id: row._id }] };
  }

  private assertOpen(): void {
    if (this.context.transaction?.state === 'rolledBack') throw rolledBackError(this.model);
  }
}

/** The update, with what receivers have set on this one document. */
function withChanges(update: Values, instance: Document): Values {
  const paths = instance.directModifiedPaths();
  if (paths.length === 0) return update;
  const values = rawValues(instance);
  const $set: Values = { ...(update.$set as Values | undefined) };
  const $unset: Values = {};
  for (const changed of paths) {
    // What lies in one another cannot be set at once: the outer one is set whole.
    const path = Object.keys($set).find((each) => changed.startsWith(`${each}.`)) ?? changed;
    for (const each of Object.keys($set)) if (each.startsWith(`${path}.`)) Reflect.deleteProperty($set, each);
    const value = valueAt(values, path);
    if (value === undefined) {
      Reflect.deleteProperty($set, path);
      $unset[path] = 1;
    } else $set[path] = value;
  }
  const changed: Values = { ...update, $set };
  if (Object.keys($unset).length > 0) changed.$unset = $unset;
  return changed;
}

/** The answer to all, as the statement would have given it. */
function sum(results: readonly Result[]): Result {
  const [first = {}] = results;
  return Object.fromEntries(
    Object.entries(first).map(([key, value]) => [
      key,
      typeof value === 'number' ? results.reduce((total, each) => total + Number(each[key]), 0) : value,
    ]),
  );
}
