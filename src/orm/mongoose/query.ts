import type { ClientSession, Query } from 'mongoose';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { sessionIn } from './sessions.ts';

/** A query of Mongoose, with what its declared types leave out. */
export type AnyQuery = Query<unknown, unknown> & {
  readonly op: string;
  pre(hook: () => unknown): unknown;
  post(hook: () => unknown): unknown;
};

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

export function operationOf(query: AnyQuery): PostBulkArgs['operation'] {
  if (/delete/i.test(query.op)) return 'delete';
  return query.getOptions().upsert === true ? 'upsert' : 'update';
}

/** The session that the query runs in. */
export function sessionOfQuery(query: AnyQuery): ClientSession | undefined {
  const options = query.getOptions();
  return sessionIn(options.session, options, query.model.base);
}
