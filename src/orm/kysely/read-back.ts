/** MySQL does not return what it has written. It is read again: by its key, in the same transaction. */
import type { InsertQueryNode, UpdateQueryNode } from 'kysely';
import type { PreparedUpdate, Row } from '../rows.ts';
import { rawQuery } from './dialect.ts';
import { knownOf } from './edits.ts';
import { type Recognised, textOf } from './identity.ts';
import type { Key, TableKeys } from './keys.ts';
import { demandedBy, Expression, rowsOf } from './nodes.ts';
import type { Queries, ReadBack } from './queries.ts';

/**
 * Whether some of the rows to insert have a value for the column that is counted up, and others have none: nobody is
 * told which values the others get.
 */
export function isMixed(insert: InsertQueryNode, { counter }: TableKeys): boolean {
  if (counter === undefined) return false;
  const rows = rowsOf(insert) ?? [];
  const counted = rows.filter((row) => isCounted(row[counter]));
  return counted.length > 0 && counted.length < rows.length;
}

/** How the rows of an insert are read; undefined if it can return them. */
export function readInserted(insert: InsertQueryNode, table: TableKeys): ReadBack | undefined {
  if (table.mysql === undefined) return undefined;
  const rows = rowsOf(insert) ?? [];
  const { isMariaDB, isCounted: hasCounter } = table.mysql;
  // MariaDB returns the rows, and then does not tell what it has counted up.
  if (isMariaDB && !hasCounter && rows.some((row) => keyIn(row, table.keys) === undefined)) return undefined;
  return async ({ insertId }, queries) => {
    const counted = await countedValues(rows, insertId, queries, table);
    const wanted = rows.map((row, index) => keyIn({ ...row, ...counted[index] }, table.keys));
    const found = await readKeys(insert, wanted, queries);
    // One that a trigger has given another key is as it was written.
    return rows.map((row, index) => found[index] ?? knownOf({ ...row, ...counted[index] }));
  };
}

/** How the rows of an update are read, each as the image at its place. */
export function readUpdated(
  update: UpdateQueryNode,
  images: readonly (Row | undefined)[],
  prepared: readonly PreparedUpdate[],
  { identity, named }: Recognised,
): ReadBack {
  const demanded = demandedBy(update);
  return async ({ numAffectedRows }, queries) => {
    if (images[0] === undefined && numAffectedRows === 0n) return [];
    const after = images.map((image, index): Row => ({ ...demanded, ...image, ...prepared[index]?.assigned }));
    const keys = [identity ?? named ?? []];
    const wanted = after.map((row) => keyIn(row, keys));
    const found = await readKeys(update, wanted, queries);
    // The database alone knows a key that is an expression.
    const rows = after.map((row, index) => (wanted[index] === undefined ? knownOf(row) : found[index]));
    return rows.filter((row) => row !== undefined);
  };
}

/** The rows that have been deleted are those that were there before. */
export function readDeleted(images: readonly Row[]): ReadBack {
  return ({ numAffectedRows }) => Promise.resolve(numAffectedRows === 0n ? [] : images);
}

/** The rows with these keys, each at the place of its key. */
async function readKeys(
  write: InsertQueryNode | UpdateQueryNode,
  wanted: readonly (Row | undefined)[],
  queries: Queries,
): Promise<(Row | undefined)[]> {
  const keys = wanted.filter((key) => key !== undefined);
  const rows = keys.length === 0 ? [] : await queries.readKeys(write, keys);
  // The database may write a value in another way than it was given.
  if (wanted.length === 1) return rows.slice(0, 1);
  const columns = new Set(keys.map((key) => Object.keys(key).join('\0')));
  const byKey = new Map<string, Row>();
  for (const each of columns) for (const row of rows) byKey.set(textOfKey(row, each.split('\0')), row);
  return wanted.map((key) => key && byKey.get(textOfKey(key, Object.keys(key))));
}

function textOfKey(row: Row, columns: readonly string[]): string {
  return JSON.stringify(columns.map((column) => [column, textOf(row[column])]));
}

/** The values that a database has counted up: of one insert they follow on each other. */
async function countedValues(
  rows: readonly Row[],
  first: bigint | undefined,
  queries: Queries,
  { counter }: TableKeys,
): Promise<readonly Row[]> {
  if (counter === undefined || first === undefined || !rows.every((row) => isCounted(row[counter]))) return [];
  let step = 1n;
  if (rows.length > 1) {
    const query = rawQuery<{ step: number | string }>('select @@auto_increment_increment as step');
    const [found] = (await queries.executor.withoutPlugins().executeQuery(query)).rows;
    step = BigInt(found?.step ?? 1);
  }
  return rows.map((_row, index) => {
    const value = first + BigInt(index) * step;
    return { [counter]: value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value) };
  });
}

/** Whether MySQL counts up in place of this value. */
function isCounted(value: unknown): boolean {
  return value === undefined || value === null || value === 0;
}

/** The values of the first key of which all are known. */
function keyIn(row: Row, keys: readonly Key[]): Row | undefined {
  const isKnown = (value: unknown): boolean => value !== undefined && value !== null && !(value instanceof Expression);
  const key = keys.find((each) => each.length > 0 && each.every((column) => isKnown(row[column])));
  return key && Object.fromEntries(key.map((column) => [column, row[column]]));
}
