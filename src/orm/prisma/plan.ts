import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { type Args, type Client, type Operation, returnsRows } from './client.ts';
import { canSplit } from './individual.ts';
import { nestedWrites } from './nested.ts';
import { selectionOf } from './selection.ts';
import { isPlainObject } from './values.ts';
import type { Method, Place, PrismaOptions, WritePlan } from './write-plan.ts';

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
} as const satisfies Record<Method, PostBulkArgs['operation']>;

/** The operation of this name, if it writes. */
export function operationOf(method: string): PostBulkArgs['operation'] | undefined {
  return Object.hasOwn(OPERATIONS, method) ? OPERATIONS[method as Method] : undefined;
}

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
