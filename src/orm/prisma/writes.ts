import { AsyncLocalStorage } from 'node:async_hooks';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, preDelete } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { hasReceivers } from '../bulk.ts';
import { deleteRow, insertRows, type Row, updateRow } from '../rows.ts';
import type { Scope } from '../scope.ts';
import { type Args, type Client, delegateOf, type Field, fieldsOf, type Operation, returnsRows } from './client.ts';
import { type NestedWrite, nestedWrites } from './nested.ts';

/** The options of `signals()`, complete. */
export interface PrismaOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

/** Where a write is done: outside a transaction, or in one. */
export interface Place {
  readonly scope: Scope<PrismaOptions>;
  /** The client of that transaction, extended, and not wrapped. */
  readonly client: Client;
  /** The caller's own operation, done there; its `whole` result even if only a part of it is asked for. */
  readonly query: (args: object, whole?: boolean) => Promise<unknown>;
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
type Method = keyof typeof OPERATIONS;

/** The operation of this name, if it writes. */
export function operationOf(method: string): PostBulkArgs['operation'] | undefined {
  return Object.hasOwn(OPERATIONS, method) ? OPERATIONS[method as Method] : undefined;
}

/** A write, and what of it is sent as what. */
export interface Plan {
  readonly model: string;
  readonly method: Method;
  readonly args: Args;
  /** The relations that are asked for in place of the row: `update(…).profiles()`. */
  readonly path: readonly string[];
  /** Whether it is done with signals for its rows. */
  readonly rows: boolean;
  /** The writes that are not broken down into rows, with the model's own if it is such. */
  readonly bulk: readonly (NestedWrite & { readonly where?: unknown })[];
}

/** What to do for an operation that writes. */
export function planOf(
  { model = '', operation, args, __internalParams: { dataPath = [] } }: Operation,
  client: Client,
  { bulk }: PrismaOptions,
): Plan {
  const method = operation as Method;
  const kind = OPERATIONS[method];
  const concerns = hasReceivers(kind, model);
  const many = method.endsWith('Many') || method.endsWith('AndReturn');
  const divisible =
    !many ||
    (kind === 'delete'
      ? bulk === 'individual'
      : returnsRows(client) && (kind === 'insert' ? args.skipDuplicates !== true : bulk === 'individual'));
  const nested = [args.data, args.create, args.update].flatMap((data) => nestedWrites(client, model, data));
  const whole =
    divisible && (concerns || !many || kind === 'insert')
      ? []
      : [{ model, operation: kind, values: args.data, where: args.where }];
  const path = dataPath.filter((each) => each !== 'select' && each !== 'include');
  return { model, method, args, path, rows: divisible && concerns, bulk: [...whole, ...nested] };
}

/** Whether a write needs nothing done about it. */
export function isSilent({ rows, bulk }: Plan): boolean {
  return !rows && !bulk.some(({ model }) => postBulk.hasListeners(model));
}

const native = new AsyncLocalStorage<true>();

/** Whether an operation is one that is done here on behalf of another, and sends nothing itself. */
export function isNative(): boolean {
  return native.getStore() === true;
}

/** Do something that sends nothing. Prisma only begins when it is waited for, so that is done inside. */
function natively<T>(work: () => Promise<T>): Promise<T> {
  return native.run(true, async () => await work());
}

/** Do a write, with the signals that it sends. */
export async function perform(plan: Plan, place: Place): Promise<unknown> {
  const result = plan.rows ? await writeRows(plan, place) : await place.query(plan.args);
  const own = (result as { count?: number } | undefined)?.count ?? (Array.isArray(result) ? result.length : undefined);
  for (const { model, operation, where, values } of plan.bulk) {
    await place.scope.send(postBulk, model, {
      operation,
      where,
      values,
      count: values === plan.args.data ? own : undefined,
    });
  }
  return result;
}

async function writeRows(plan: Plan, place: Place): Promise<unknown> {
  const { model, method, args, path } = plan;
  const fields = fieldsOf(place.client, model);
  const send = place.scope.send.bind(place.scope);
  const delegate = delegateOf(place.client, model);
  /** The caller's operation, with all of the row read; what is asked for of it is the result. */
  let result: unknown;
  const execute = async (changed: Args): Promise<Row> => {
    const row = (await place.query({ ...args, ...widened(args, fields), ...changed }, true)) as Row;
    result = path.reduce<unknown>((each, name) => (each as Row | null)?.[name], narrowed(row, args));
    return scalarsOf(row, fields);
  };
  const read = async (): Promise<Row | undefined> =>
    ((await natively(() => (delegate.findUnique as Delegated)({ where: args.where as Row }))) as Row | null) ??
    undefined;
  const update = (
    before: Row | undefined,
    data: Row,
    write: (data: Row) => Promise<Row | undefined>,
  ): Promise<void> => {
    const values = scalarsOf(data, fields);
    const expressions = fields
      .filter((field) => isExpression(values[field.name], field))
      .map(({ name }) => values[name]);
    const plain = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        expressions.includes(value) ? value : unset(value, name, fields),
      ]),
    );
    const key = scalarsOf(args.where ?? {}, fields);
    return updateRow(
      send,
      model,
      { before, key, values: plain, isExpression: (value) => expressions.includes(value) },
      (assigned) => write({ ...data, ...assigned }),
    );
  };

  switch (method) {
    case 'create':
      await insertRows(send, model, [scalarsOf(args.data as Row, fields)], async ([draft]) => [
        await execute({ data: { ...(args.data as Row), ...draft } }),
      ]);
      return result;

    case 'createMany':
    case 'createManyAndReturn': {
      const values = [args.data as Row | Row[]].flat();
      await insertRows(send, model, values, async (drafts) => {
        // createMany() itself tells only how many
        const rows = (await (method === 'createMany'
          ? natively(() => (delegate.createManyAndReturn as Delegated)({ data: drafts }))
          : place.query({ ...args, ...widened(args, fields), data: drafts }))) as Row[];
        result = method === 'createMany' ? { count: rows.length } : rows.map((row) => narrowed(row, args));
        return rows.map((row) => scalarsOf(row, fields));
      });
      return result;
    }

    case 'update': {
      const before = place.scope.database.options.beforeImage ? await read() : undefined;
      // there is no such row: the error is Prisma's
      if (before === undefined && place.scope.database.options.beforeImage) return place.query(args);
      await update(before, args.data as Row, (data) => execute({ data }));
      return result;
    }

    case 'upsert': {
      const before = await read();
      if (before !== undefined) await update(before, args.update as Row, (data) => execute({ update: data }));
      else
        await insertRows(send, model, [scalarsOf(args.create as Row, fields)], async ([draft]) => [
          await execute({ create: { ...args.create, ...draft } }),
        ]);
      return result;
    }

    case 'delete': {
      const before = preDelete.hasListeners(model) ? await read() : undefined;
      if (before === undefined && preDelete.hasListeners(model)) return place.query(args);
      await deleteRow(send, model, before, () => execute({}));
      return result;
    }

    case 'updateMany':
    case 'updateManyAndReturn':
    case 'deleteMany': {
      const rows = (await natively(() => (delegate.findMany as Delegated)({ where: args.where ?? {} }))) as Row[];
      const written: Row[] = [];
      for (const before of rows) {
        const where = sameRow(before, fields);
        if (method === 'deleteMany') {
          await deleteRow(send, model, before, async () => {
            const { count } = (await natively(() => (delegate.deleteMany as Delegated)({ where }))) as {
              count: number;
            };
            if (count > 0) written.push(before);
            return count > 0 ? before : undefined;
          });
        } else {
          await update(before, args.data as Row, async (data) => {
            const [row] = (await natively(() => (delegate.updateManyAndReturn as Delegated)({ where, data }))) as (
              Row | undefined
            )[];
            if (row !== undefined) written.push(row);
            return row;
          });
        }
      }
      return method === 'updateManyAndReturn' ? written.map((row) => narrowed(row, args)) : { count: written.length };
    }
  }
}
type Delegated = (args: object) => Promise<unknown>;

/** The values of a row's own columns, without what is related. */
function scalarsOf(values: Row, fields: readonly Field[]): Row {
  const own = fields.filter(({ kind }) => kind !== 'object').map(({ name }) => name);
  return Object.fromEntries(
    own.filter((name) => Object.hasOwn(values, name) && values[name] !== undefined).map((name) => [name, values[name]]),
  );
}

/** Arguments that make an operation give all columns of a row beside what is asked for. */
function widened({ select, omit }: Args, fields: readonly Field[]): Args {
  const all = Object.fromEntries(
    fields.filter(({ kind }) => kind === 'scalar' || kind === 'enum').map(({ name }) => [name, true]),
  );
  if (select !== undefined && select !== null) return { select: { ...select, ...all } };
  return omit === undefined || omit === null
    ? {}
    : { omit: Object.fromEntries(Object.keys(omit).map((name) => [name, false])) };
}

/** What was asked for of a row that has all columns. */
function narrowed(row: Row, { select, omit }: Args): Row {
  if (select !== undefined && select !== null)
    return picked(row, (name) => select[name] !== undefined && select[name] !== false);
  return omit === undefined || omit === null ? row : picked(row, (name) => omit[name] !== true);
}

function picked(row: Row, isAskedFor: (name: string) => boolean): Row {
  return Object.fromEntries(
    Object.keys(row)
      .filter(isAskedFor)
      .map((name) => [name, row[name]]),
  );
}

/** An operation such as `{ increment: 1 }`, whose outcome only the database knows. */
function isExpression(value: unknown, { type }: Field): boolean {
  if (type === 'Json' || !isPlainObject(value)) return false;
  return ['increment', 'decrement', 'multiply', 'divide', 'push', 'unset'].some((operation) => operation in value);
}

/** The value of `{ set: value }`. */
function unset(value: unknown, name: string, fields: readonly Field[]): unknown {
  const type = fields.find((field) => field.name === name)?.type;
  return type !== 'Json' && isPlainObject(value) && 'set' in value ? value.set : value;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * A condition that only this row meets: the client does not know which columns are its key, but they are among these.
 */
function sameRow(row: Row, fields: readonly Field[]): Row {
  const exact = fields.filter(
    ({ kind, type }) => kind === 'enum' || (kind === 'scalar' && ['Int', 'BigInt', 'String', 'Boolean'].includes(type)),
  );
  return Object.fromEntries(exact.filter(({ name }) => !Array.isArray(row[name])).map(({ name }) => [name, row[name]]));
}
