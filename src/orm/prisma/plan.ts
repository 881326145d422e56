import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { hasReceivers } from '../bulk.ts';
import { type Args, type Client, type Operation, returnsRows } from './client.ts';
import { canSplit } from './individual.ts';
import { type NestedWrite, nestedWrites } from './nested.ts';
import { type Selection, selectionOf } from './selection.ts';
import { isPlainObject } from './values.ts';

/** The options of `signals()`, complete. */
export interface PrismaOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
  readonly transaction: TransactionOptions;
}

/** What Prisma's `$transaction()` takes. */
export interface TransactionOptions {
  readonly maxWait?: number;
  readonly timeout?: number;
  readonly isolationLevel?: string;
}

/** What the operations of a model do. */
const OPERATIONS = {
  create: 'insert',
  createMany: 'insert',
  createManyAndReturn: 'insert',
  update: 'update',
  updateMany: 'update',
  updateManyAndReturn: 'update',
  upsert: 'upsert',
  delete: 'delete',
  deleteMany: 'delete',
} as const satisfies Record<string, PostBulkArgs['operation']>;
export type Method = keyof typeof OPERATIONS;

/** The operation of this name, if it writes. */
export function operationOf(method: string): PostBulkArgs['operation'] | undefined {
  return Object.hasOwn(OPERATIONS, method) ? OPERATIONS[method as Method] : undefined;
}

/** A write, and what of it is sent as what. */
export interface WritePlan {
  readonly model: string;
  readonly method: Method;
  readonly args: Args;
  /** The relations that are asked for in place of the row: `update(…).profiles()`. */
  readonly path: readonly string[];
  /** Given if it is done with signals for its rows. */
  readonly selection: Selection | undefined;
  /** The writes that are not broken down into rows, with the model's own if it is such. */
  readonly bulk: readonly (NestedWrite & { readonly where?: unknown })[];
}

/** Where a write is to be done. */
export type Place = 'outside' | 'transaction' | 'batch';

/** What to do for an operation that writes. */
export function planOf(
  { model, operation, args, __internalParams }: Operation,
  client: Client,
  options: PrismaOptions,
  place: Place,
): WritePlan {
  const method = operation as Method;
  const kind = OPERATIONS[method];
  const hasOwnReceivers = hasReceivers(kind, model);
  const isKept = hasOwnReceivers && canKeep({ method, model, args }, client, options, place);
  const selection = isKept ? selectionOf(client, model, args) : undefined;
  const isMany = method.endsWith('Many') || method.endsWith('AndReturn');
  const isOwnBulk = selection === undefined && (hasOwnReceivers || (isMany && kind !== 'insert') || place === 'batch');
  const own = { model, operation: kind, values: args.data, where: args.where };
  const nested = [args.data, args.create, args.update].flatMap((data) => nestedWrites(client, model, data));
  const path = (__internalParams.dataPath ?? []).filter((_name, index) => index % 2 === 1);
  return { model, method, args, path, selection, bulk: [...(isOwnBulk ? [own] : []), ...nested] };
}

/** Whether the rows of a write can have signals, and the call still does what it does without them. */
function canKeep(
  write: Pick<WritePlan, 'method' | 'model' | 'args'>,
  client: Client,
  options: PrismaOptions,
  place: Place,
): boolean {
  const { method, args } = write;
  if (place === 'batch') return false;
  switch (method) {
    case 'create':
      return args.data === undefined || isPlainObject(args.data);
    case 'createMany':
      if (Object.keys(args).some((name) => name !== 'data' && name !== 'skipDuplicates')) return false;
      return isOfRows(args) && returnsRows(client);
    case 'createManyAndReturn':
      return isOfRows(args) && returnsRows(client);
    case 'update':
      return isPlainObject(args.data) && isPlainObject(args.where);
    case 'upsert':
      // What there is must stay as it is until it is written.
      if (place === 'outside' && !options.atomic) return false;
      return isPlainObject(args.where) && isPlainObject(args.create) && isPlainObject(args.update);
    case 'delete':
      return isPlainObject(args.where);
    case 'updateManyAndReturn':
      return false;
    case 'updateMany':
    case 'deleteMany':
      return options.bulk === 'individual' && canSplit(write, client, options, place);
  }
}

function isOfRows({ data, skipDuplicates }: Args): boolean {
  if (skipDuplicates !== undefined && skipDuplicates) return false;
  return Array.isArray(data) ? data.length > 0 && data.every(isPlainObject) : isPlainObject(data);
}

/** Whether a write needs nothing done about it. */
export function needsNoSignals({ selection, bulk }: WritePlan): boolean {
  return selection === undefined && !bulk.some(({ model }) => postBulk.hasListeners(model));
}
