import { isObject } from '../../core/describe.ts';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { type Client, fieldsOf } from './client.ts';

/** A write of other models inside a write. */
export interface NestedWrite {
  readonly model: string;
  readonly operation: PostBulkArgs['operation'];
  readonly values: unknown;
}

/** What the nested operations do. `connect`, `disconnect` and `set` only join rows. */
const OPERATIONS: Readonly<Record<string, PostBulkArgs['operation']>> = {
  create: 'insert',
  createMany: 'insert',
  connectOrCreate: 'upsert',
  upsert: 'upsert',
  update: 'update',
  updateMany: 'update',
  delete: 'delete',
  deleteMany: 'delete',
};

/** The writes of other models that the data of a write contains, at any depth. */
export function nestedWrites(client: Client, model: string, data: unknown): NestedWrite[] {
  if (Array.isArray(data)) return data.flatMap((each) => nestedWrites(client, model, each));
  if (!isObject(data)) return [];
  const values = data as Record<string, unknown>;
  return fieldsOf(client, model)
    .filter(({ kind, name }) => kind === 'object' && Object.hasOwn(values, name) && isObject(values[name]))
    .flatMap(({ name, type }) =>
      Object.entries(values[name] as object).flatMap(([method, argument]: [string, unknown]) => {
        if (!Object.hasOwn(OPERATIONS, method) || argument === undefined) return [];
        const operation = OPERATIONS[method] as PostBulkArgs['operation'];
        return [
          { model: type, operation, values: argument },
          ...dataWithin(argument).flatMap((each) => nestedWrites(client, type, each)),
        ];
      }),
    );
}

/**
 * Where the argument of a nested operation may hold data: it is data itself, or it has them under one of these names.
 */
function dataWithin(argument: unknown): unknown[] {
  if (Array.isArray(argument)) return argument.flatMap(dataWithin);
  if (!isObject(argument)) return [];
  const under = ['data', 'create', 'update'].filter((name) => Object.hasOwn(argument, name));
  return [argument, ...under.map((name) => (argument as Record<string, unknown>)[name])];
}
