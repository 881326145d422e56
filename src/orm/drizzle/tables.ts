import { and, Column, eq, getTableColumns, is, Param, SQL, StringChunk, Table } from 'drizzle-orm';
import { getTableConfig as postgresConfig, PgTable } from 'drizzle-orm/pg-core';
import { getTableConfig as sqliteConfig, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Row } from '../rows.ts';

/** What identifies a row of a table, by property names. */
interface Keys {
  /** Empty for a table without a primary key. */
  readonly primary: readonly string[];
  /** Every set of columns that at most one row has the same values in; the primary key among them. */
  readonly unique: readonly (readonly string[])[];
}
const known = new WeakMap<Table, Keys>();

export function keysOf(table: Table): Keys {
  let keys = known.get(table);
  if (keys === undefined) known.set(table, (keys = readKeys(table)));
  return keys;
}

/**
 * The values that a condition demands of columns of the table, by property name: those of the terms `eq(column, value)`
 * joined by `and()`.
 */
export function demandedBy(where: unknown, table: Table): Row {
  const demanded: Row = {};
  for (const term of termsOf(where)) {
    const [column, operator, value, ...rest] = chunksOf(term);
    if (rest.length > 0 || !is(column, Column) || column.table !== table || !isText(operator, ' = ')) continue;
    const name = nameOf(column, table);
    if (name !== undefined && is(value, Param) && value.value !== null) demanded[name] = value.value;
  }
  return demanded;
}

/** Whether a condition can be true of one row at most. */
export function isOfOneRow(where: unknown, table: Table): boolean {
  const demanded = demandedBy(where, table);
  return keysOf(table).unique.some((key) => key.length > 0 && key.every((name) => Object.hasOwn(demanded, name)));
}

/** The condition that only this row meets. */
export function whereIs(row: Row, table: Table): SQL | undefined {
  const columns = getTableColumns(table);
  return and(...keysOf(table).primary.map((name) => eq(columns[name] as Column, row[name])));
}

function readKeys(table: Table): Keys {
  const columns = Object.entries(getTableColumns(table));
  const named = (of: readonly Column[]): string[] => of.flatMap((column) => nameOf(column, table) ?? []);
  const { primaryKeys, uniqueConstraints } = configOf(table);
  const single = columns.filter(([, column]) => column.primary).map(([name]) => name);
  const primary = single.length > 0 ? single : named(primaryKeys[0]?.columns ?? []);
  const unique = columns.filter(([, column]) => column.isUnique).map(([name]) => [name]);
  return { primary, unique: [primary, ...unique, ...uniqueConstraints.map((constraint) => named(constraint.columns))] };
}

function configOf(table: Table): { primaryKeys: { columns: Column[] }[]; uniqueConstraints: { columns: Column[] }[] } {
  if (is(table, PgTable)) return postgresConfig(table);
  if (is(table, SQLiteTable)) return sqliteConfig(table);
  return { primaryKeys: [], uniqueConstraints: [] };
}

function nameOf(column: Column, table: Table): string | undefined {
  return Object.entries(getTableColumns(table)).find(([, each]) => each === column)?.[0];
}

/** What `and()` joins. */
function termsOf(condition: unknown): SQL[] {
  if (!is(condition, SQL)) return [];
  const chunks = chunksOf(condition);
  const inner = isText(chunks[0], '(') && isText(chunks.at(-1), ')') ? chunks.slice(1, -1) : chunks;
  const joined = inner.every((chunk, index) => (index % 2 === 0 ? is(chunk, SQL) : isText(chunk, ' and ')));
  return joined ? inner.flatMap(termsOf) : [condition];
}

function chunksOf(condition: SQL): unknown[] {
  return condition.queryChunks.filter((chunk) => !isText(chunk, ''));
}

function isText(chunk: unknown, text: string): boolean {
  return is(chunk, StringChunk) && [chunk.value].flat().join('') === text;
}
