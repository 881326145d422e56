/**
 * Writes of many that are done row by row, with `bulk: 'individual'`: only those for which that comes to the same rows,
 * values, result and errors. Every other stays a bulk write.
 */
import { isObject } from '../../core/describe.ts';
import { deleteRow, prepareUpdate, type Row } from '../rows.ts';
import { type Client, doomsTransactions, type Field, fieldsOf, returnsRows } from './client.ts';
import { asCalled, type PlacedWrite } from './placed-write.ts';
import { columnsOf, isPlainObject, updateValuesOf } from './values.ts';
import type { Place, PrismaOptions, WritePlan } from './write-plan.ts';

/**
 * Whether a write may be split.
 *
 * - Only with the arguments named here: with `limit` the database chooses the rows, and nobody knows which.
 * - Only by conditions on the row's own columns, and with plain values.
 * - Not if rows of the model refer to each other: the database checks and cascades once for all of them.
 * - An error must undo the rows before it, too: in a transaction of the app only PostgreSQL sees to that.
 */
export function canSplit(
  { method, model, args }: Pick<WritePlan, 'method' | 'model' | 'args'>,
  client: Client,
  { atomic }: PrismaOptions,
  place: Place,
): boolean {
  const { where = {}, data, ...others } = args;
  const fields = fieldsOf(client, model);
  if (Object.keys(others).length > 0 || fields.some(({ type }) => type === model)) return false;
  if (place === 'transaction' ? !doomsTransactions(client) : !atomic) return false;
  if (!isOfColumns(where, fields)) return false;
  return method === 'deleteMany' ? data === undefined : returnsRows(client) && isPlain(data, fields);
}

function isOfColumns(where: unknown, fields: readonly Field[]): boolean {
  if (!isPlainObject(where)) return false;
  return Object.entries(where).every(([name, value]) => {
    if (['AND', 'OR', 'NOT'].includes(name)) return [value].flat().every((each) => isOfColumns(each, fields));
    const field = fields.find((each) => each.name === name);
    return field !== undefined && ['scalar', 'enum'].includes(field.kind);
  });
}

function isPlain(data: unknown, fields: readonly Field[]): boolean {
  if (!isPlainObject(data)) return false;
  const { values, isExpression } = updateValuesOf(data, fields);
  const known = Object.keys(data).every((name) => data[name] === undefined || Object.hasOwn(values, name));
  return known && !Object.values(values).some(isExpression);
}

/**
 * Do it row by row. `rows` are those that the caller's condition meets now.
 *
 * @returns undefined if not every row can be told from the others: then nothing was done.
 */
export async function writeEach(
  plan: WritePlan,
  place: PlacedWrite,
  rows: readonly Row[],
): Promise<object | undefined> {
  const { model, method, args } = plan;
  const fields = fieldsOf(place.client, model);
  const conditions = rows.map((row) => sameRow(row, fields));
  if (new Set(conditions.map(identityOf)).size < rows.length) return undefined;
  let count = 0;
  for (const [index, before] of rows.entries()) {
    const where = { AND: [args.where ?? {}, conditions[index] as Row] };
    if (method === 'deleteMany') {
      await deleteRow(place.send, model, before, async () => {
        const result = (await place.write({ where })) as { count: number };
        count += assertOne(result.count, model);
        return result.count > 0 ? before : undefined;
      });
      continue;
    }
    const data = args.data as Row;
    const update = { before, key: {}, ...updateValuesOf(data, fields) };
    const { changed, written } = await prepareUpdate(place.send, model, update);
    const isChanged = Object.keys(changed).length > 0;
    const stored = (await place
      // updateMany() itself tells only how many.
      .write({ where, data: { ...data, ...changed } }, { action: 'updateManyAndReturn' })
      .catch((error: unknown) => asCalled(error, isChanged, place))) as Row[];
    count += assertOne(stored.length, model);
    if (stored[0] !== undefined) await written(columnsOf(stored[0], fields));
  }
  return { count };
}

function assertOne(count: number, model: string): number {
  if (count <= 1) return count;
  throw new Error(
    `A write of one row of ${model} met ${String(count)} rows, so that the transaction is rolled back. ` +
      "Extend the client with another `bulk` option than 'individual'.",
  );
}

/**
 * A condition that only this row meets, of those that the caller's condition meets: a key is among these columns, or
 * rows cannot be told apart. Values of other types may read back as others than are stored.
 */
function sameRow(row: Row, fields: readonly Field[]): Row {
  const exact = fields.filter(
    ({ kind, type }) => kind === 'enum' || (kind === 'scalar' && ['Int', 'BigInt', 'String', 'Boolean'].includes(type)),
  );
  return Object.fromEntries(exact.filter(({ name }) => !isObject(row[name])).map(({ name }) => [name, row[name]]));
}

/** The same for rows that a database might take for the same: many compare text without regard to its case. */
function identityOf(condition: Row): string {
  return JSON.stringify(Object.values(condition), (_name, value: unknown) => {
    if (typeof value === 'bigint') return `${String(value)}n`;
    return typeof value === 'string' ? value.normalize('NFKD').replace(/\p{M}/gu, '').trim().toLowerCase() : value;
  });
}
