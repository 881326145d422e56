import { inspect } from 'node:util';
import { and, Column, eq, getTableColumns, is, SQL, type Table } from 'drizzle-orm';
import { getTableConfig as postgresConfig, PgTable } from 'drizzle-orm/pg-core';
import { getTableConfig as sqliteConfig, SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Row } from '../rows.ts';
import { equalities } from './conditions.ts';

/** What Drizzle knows of a table, by property names. */
interface Keys {
  /** Empty for a table without a primary key. */
  readonly primary: readonly string[];
  /** Every set of columns that at most one row has the same values in; the primary key among them. */
  readonly unique: readonly (readonly string[])[];
  /** Whether rows of the table refer to others of it: then what is done to one may concern another. */
  readonly refersToItself: boolean;
}
const known = new WeakMap<Table, Keys>();

export function keysOf(table: Table): Keys {
  let keys = known.get(table);
  if (keys === undefined) known.set(table, (keys = readKeys(table)));
  return keys;
}

/** Whether a condition can be true of one row at most. */
export function isOfOneRow(where: unknown, table: Table): boolean {
  const demanded = equalities(where, table);
  return keysOf(table).unique.some((key) => key.length > 0 && key.every((name) => Object.hasOwn(demanded, name)));
}

/** The condition that only this row meets, beside the caller's own. */
export function whereIs(row: Row, where: unknown, table: Table): SQL | undefined {
  const columns = getTableColumns(table);
  const key = keysOf(table).primary.map((name) => eq(columns[name] as Column, row[name]));
  return and(...key, is(where, SQL) ? where : undefined);
}

/** The primary key of a row, as text to find it by. */
export function keyedBy(row: Row, table: Table): string {
  const text = (value: unknown): string =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : inspect(value);
  return keysOf(table)
    .primary.map((name) => text(row[name]))
    .join();
}

interface Config {
  readonly primaryKeys: readonly { readonly columns: readonly Column[] }[];
  readonly uniqueConstraints: readonly { readonly columns: readonly Column[] }[];
  readonly foreignKeys: readonly { reference(): { readonly foreignTable: Table } }[];
}

function readKeys(table: Table): Keys {
  const columns = Object.entries(getTableColumns(table));
  // The columns that a table's third argument gets on PostgreSQL are copies, so that only the names are the same.
  const named = (of: readonly Column[]): string[] =>
    of.flatMap(({ name }) => columns.find(([, column]) => column.name === name)?.[0] ?? []);
  const { primaryKeys, uniqueConstraints, foreignKeys } = configOf(table);
  const single = columns.filter(([, column]) => column.primary).map(([name]) => name);
  const primary = single.length > 0 ? single : named(primaryKeys[0]?.columns ?? []);
  const unique = columns.filter(([, column]) => column.isUnique).map(([name]) => [name]);
  return {
    primary,
    unique: [primary, ...unique, ...uniqueConstraints.map((constraint) => named(constraint.columns))],
    refersToItself: foreignKeys.some((key) => key.reference().foreignTable === table),
  };
}

function configOf(table: Table): Config {
  if (is(table, PgTable)) return postgresConfig(table);
  if (is(table, SQLiteTable)) return sqliteConfig(table);
  return { primaryKeys: [], uniqueConstraints: [], foreignKeys: [] };
}
