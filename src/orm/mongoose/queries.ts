import type { ClientSession, Document, Model, Query } from 'mongoose';
import { isObject } from '../../core/describe.ts';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers, callSite } from '../bulk.ts';
import type { MongooseAdapter } from './adapter.ts';
import { sessionIn } from './sessions.ts';

export type AnyQuery = Query<unknown, unknown> & { readonly op: string };
interface Result {
  readonly modifiedCount?: number;
  readonly upsertedCount?: number;
  readonly deletedCount?: number;
}

/** The operations of queries that write. */
export const WRITES = [
  'updateOne',
  'updateMany',
  'replaceOne',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'deleteOne',
  'deleteMany',
] as const;

const ofDocuments = new WeakSet();
const sites = new WeakMap<object, string>();

/** Remember where a query was made, for a warning: when it runs, the call that made it has long returned. */
export function madeHere<TQuery extends AnyQuery>(
  query: TQuery,
  { active, options: { bulk } }: MongooseAdapter,
): TQuery {
  if (active && (bulk === 'warn' || bulk === 'individual') && hasReceivers(operationOf(query), query.model))
    sites.set(query, callSite());
  return query;
}

/** The query behind `document.deleteOne()`, whose signals are the document's. */
export function belongsToDocument<TQuery extends object>(query: TQuery): TQuery {
  ofDocuments.add(query);
  return query;
}

/** The hooks of queries that write documents which nobody has loaded. */
export function queryHooks(adapter: MongooseAdapter): {
  before: (this: AnyQuery) => Promise<void>;
  after: (this: AnyQuery, result: unknown) => Promise<void>;
} {
  const concerns = (query: AnyQuery): boolean => adapter.active && !ofDocuments.has(query);
  return {
    async before() {
      if (!concerns(this)) return;
      const operation = operationOf(this);
      const sender: unknown = this.model;
      if (adapter.options.bulk === 'individual' && hasReceivers(operation, sender) && canBeIndividual(this)) {
        // the way to answer in place of the query
        throw (this.model.base as unknown as { skipMiddlewareFunction(result: unknown): Error }).skipMiddlewareFunction(
          await individually(this, sessionOfQuery(this)),
        );
      }
      adapter.bulk.announce(
        operation,
        sender,
        'Use save() and deleteOne() on documents, listen to postBulk, or give signals() another `bulk` option.',
        sites.get(this),
      );
    },
    async after(result) {
      if (!concerns(this) || done.has(this)) return;
      const operation = operationOf(this);
      await adapter.send(postBulk, this.model, sessionOfQuery(this), this, {
        operation,
        where: this.getFilter(),
        values: operation === 'delete' ? undefined : (this.getUpdate() ?? undefined),
        count: countOf(result as Result | null, this.op),
      });
    },
  };
}

/** Queries that were done document by document. */
const done = new WeakSet();

function operationOf(query: AnyQuery): PostBulkArgs['operation'] {
  if (/delete/i.test(query.op)) return 'delete';
  return query.getOptions().upsert === true ? 'upsert' : 'update';
}

function sessionOfQuery(query: AnyQuery): ClientSession | undefined {
  return sessionIn(query.getOptions().session, query.model.base);
}

function countOf(result: Result | null, op: string): number | undefined {
  // the findOneAnd… answer with the document, or null
  if (op.startsWith('findOneAnd')) return result === null ? 0 : 1;
  return (
    result?.deletedCount ??
    (result?.modifiedCount === undefined ? undefined : result.modifiedCount + (result.upsertedCount ?? 0))
  );
}

/** Plain values can be set on a document; what only the database can compute, or may have to insert, cannot. */
function canBeIndividual(query: AnyQuery): boolean {
  if (query.op === 'deleteOne' || query.op === 'deleteMany') return true;
  if (operationOf(query) !== 'update' || query.op.startsWith('findOneAnd') || query.op === 'replaceOne') return false;
  const update = query.getUpdate();
  return (
    isObject(update) &&
    !Array.isArray(update) &&
    Object.keys(update).every((key) => key === '$set' || key === '$setOnInsert' || !key.startsWith('$'))
  );
}

/** Load the documents and write each. The result counts them as the query would have. */
async function individually(query: AnyQuery, session: ClientSession | undefined): Promise<object> {
  done.add(query);
  const found = query.model.find(query.getFilter() as object, null, session === undefined ? {} : { session });
  const documents = (await (query.op.endsWith('One') ? found.limit(1) : found)) as Document[];
  const options = session === undefined ? {} : { session };
  if (/delete/i.test(query.op)) {
    for (const document of documents) await document.deleteOne(options);
    return { acknowledged: true, deletedCount: documents.length };
  }
  const { $set, $setOnInsert: _, ...plain } = query.getUpdate() as Record<string, object | undefined>;
  for (const document of documents) {
    document.set({ ...plain, ...$set });
    await document.save(options);
  }
  return {
    acknowledged: true,
    matchedCount: documents.length,
    modifiedCount: documents.length,
    upsertedCount: 0,
    upsertedId: null,
  };
}

/** `Model.bulkWrite()`: a signal for each kind of operation in it. */
export async function afterBulkWrite(
  this: Model<unknown>,
  adapter: MongooseAdapter,
  result: {
    readonly insertedCount?: number;
    readonly modifiedCount?: number;
    readonly deletedCount?: number;
    readonly upsertedCount?: number;
  },
): Promise<void> {
  const counts = [
    ['insert', result.insertedCount],
    ['update', result.modifiedCount],
    ['delete', result.deletedCount],
    ['upsert', result.upsertedCount],
  ] as const;
  for (const [operation, count] of counts) {
    if (count === undefined || count === 0) continue;
    await adapter.send(postBulk, this, sessionIn(undefined, this.base), this, {
      operation,
      where: undefined,
      values: undefined,
      count,
    });
  }
}
