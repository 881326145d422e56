import { Column, getTableColumns, is, Param, SQL, sql, type Table } from 'drizzle-orm';
import type { Row } from '../rows.ts';
import { type Builder, type Database, partOf } from './internals.ts';

/** Whether only the database knows what a value comes to. */
export function isExpression(value: unknown): boolean {
  return is(value, SQL) || is(value, Column);
}

/** The rows of an insert as the caller gave them: Drizzle 0.x keeps each value with its column. */
export function insertedRows(builder: Builder, table: Table): Row[] {
  const columns = Object.keys(getTableColumns(table));
  return (partOf(builder, 'values') as Row[]).map((given) => {
    // Drizzle 1.0 reads inherited properties, too, such as the getters of a class.
    const names = new Set([...columns.filter((name) => given[name] !== undefined), ...Object.keys(given)]);
    return Object.fromEntries([...names].map((name) => [name, plain(given[name])]));
  });
}

/** What an update sets, as the caller gave it. */
export function assignedValues(builder: Builder): Row {
  return Object.fromEntries(Object.entries(partOf(builder, 'set') as Row).map(([name, value]) => [name, plain(value)]));
}

/** The part of an insert that holds these rows; the caller's own where nothing has been changed. */
export function insertPart(builder: Builder, database: Database, table: Table, rows: readonly Row[]): Row {
  const given = insertedRows(builder, table);
  if (rows.every((row, index) => isSame(row, given[index] ?? {}))) return {};
  return { values: partOf(database.insert(table).values(rows), 'values') };
}

/** The part of an update that sets these values; the caller's own where nothing has been changed. */
export function updatePart(builder: Builder, database: Database, table: Table, values: Row): Row {
  if (isSame(values, assignedValues(builder))) return {};
  return { set: partOf(database.update(table).set(values), 'set') };
}

/** Values that differ by row, for one statement; rows that meet no condition get the values `given`. */
export function valuesByRow(
  rows: readonly { readonly condition: SQL; readonly values: Row }[],
  given: Row,
  table: Table,
): Row {
  const values: Row = {};
  for (const [name, column] of Object.entries(getTableColumns(table))) {
    const written = rows.filter((row) => Object.hasOwn(row.values, name));
    if (written.every((row) => row.values[name] === undefined)) continue;
    const term = (value: unknown): unknown =>
      value === undefined ? column : isExpression(value) ? value : sql.param(value, column);
    const cases = written.map((row) => sql` when ${row.condition} then ${term(row.values[name])}`);
    values[name] = sql`case${sql.join(cases)} else ${term(given[name])} end`;
  }
  return values;
}

/**
 * What updates of several rows have in common, for one statement of each: what the functions of `$onUpdate()` give,
 * called once as for the one statement that was asked for.
 */
export function computedOnce(builder: Builder, table: Table): { values: Row; table: Table } {
  const set = partOf(builder, 'set') as Row;
  const columns = getTableColumns(table);
  const values: Row = {};
  for (const [name, { onUpdateFn }] of Object.entries(columns)) {
    if (onUpdateFn !== undefined && set[name] === undefined) values[name] = onUpdateFn();
  }
  return { values, table: withoutOnUpdate(table, columns) };
}

/** Where Drizzle has the columns of a table. */
const COLUMNS = Symbol.for('drizzle:Columns');

function withoutOnUpdate(table: Table, columns: Readonly<Record<string, Column>>): Table {
  const plainly: Record<string, unknown> = {};
  for (const [name, column] of Object.entries(columns)) {
    plainly[name] = Object.create(column, { onUpdateFn: { value: undefined } });
  }
  return Object.create(table, { [COLUMNS]: { value: plainly } }) as Table;
}

function plain(value: unknown): unknown {
  return is(value, Param) ? value.value : value;
}

function isSame(one: Row, other: Row): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.is(one[name], other[name]));
}
