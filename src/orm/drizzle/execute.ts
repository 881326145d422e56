import { type SQL, sql, type Table } from 'drizzle-orm';
import type { Row } from '../rows.ts';
import { firstUndecoded, leniently, type Undecoded } from './decode.ts';
import type { DriverResults } from './driver.ts';
import { type Builder, copyOf, type Database, partOf, type Returned, runQuery, type Session } from './internals.ts';

/** What a write has come to. */
export interface Outcome {
  /** The rows as they are stored; of a delete, as they were. */
  readonly rows: readonly Row[];
  /** What the caller's `returning()` gives of them. */
  readonly returned: readonly unknown[];
  /** What the driver says of a write without `returning()`. */
  readonly result: unknown;
  /** What the caller's `returning()` fails with, though the rows are written. */
  readonly failure: Undecoded | undefined;
  /** How many rows are written that cannot be read, so that no receiver can be given them; `rows` is empty then. */
  readonly unread: number;
}

/**
 * Run a query in a session, with some parts replaced, so that it also returns the rows whole. The columns are added to
 * the end of the caller's own statement; nothing else of it is touched.
 */
export async function executeReturning(
  builder: Builder,
  { primary, session, results }: { primary: Database; session: Session; results: DriverResults | undefined },
  parts: Readonly<Record<string, unknown>>,
): Promise<Outcome> {
  const table = partOf(builder, 'table') as Table;
  const asked = partOf(builder, 'returning') as Returned[] | undefined;
  const whole = wholeRow(primary, table);
  let result: unknown;
  const where =
    asked === undefined && results !== undefined ? results.watch(session, (seen) => void (result = seen)) : session;
  const own = copyOf(builder, where, parts);
  // Once only: this calls the functions of `$defaultFn()` and `$onUpdate()`.
  const statement = own.getSQL();
  const [askedColumns, rowColumns] = [within('asked', leniently(asked ?? [])), within('row', whole.columns)];
  const extended = copyOf(own, where, { returning: [...askedColumns, ...rowColumns] });
  const added = `${asked === undefined ? ' returning' : ','} ${whole.text}`;
  Object.assign(extended, { getSQL: (): SQL => sql`${statement}${sql.raw(added)}` });
  try {
    const written = (await runQuery(extended, 'all')) as { row: Row; asked: unknown }[];
    const isUnread = firstUndecoded(written, rowColumns) !== undefined;
    return {
      rows: isUnread ? [] : written.map(({ row }) => row),
      returned: written.map((each) => each.asked),
      result: results === undefined || result === undefined ? undefined : results.withoutRows(result),
      failure: firstUndecoded(written, askedColumns),
      unread: isUnread ? written.length : 0,
    };
  } catch (error) {
    if (isQueryError(error) && error.query.endsWith(added)) restate(error, error.query.slice(0, -added.length));
    throw error;
  }
}

function within(name: string, columns: readonly Returned[]): Returned[] {
  return columns.map((column) => ({ ...column, path: [name, ...column.path] }));
}

interface WholeRow {
  readonly columns: readonly Returned[];
  readonly text: string;
}
const wholeRows = new WeakMap<object, WeakMap<Table, WholeRow>>();

/** All columns of a table, as Drizzle returns them. */
function wholeRow(database: Database, table: Table): WholeRow {
  let tables = wholeRows.get(database);
  if (tables === undefined) wholeRows.set(database, (tables = new WeakMap<Table, WholeRow>()));
  let row = tables.get(table);
  if (row === undefined) {
    const prefix = `${database.delete(table).toSQL().sql} returning `;
    const all = database.delete(table).returning();
    const columns = partOf(all, 'returning') as Returned[];
    tables.set(table, (row = { columns: leniently(columns), text: all.toSQL().sql.slice(prefix.length) }));
  }
  return row;
}

interface QueryError extends Error {
  query: string;
  params: unknown[];
}

/**
 * Drizzle's error of a query of ours, with the statement that the caller has asked for: what is thrown is the same as
 * without signals.
 */
export function asErrorOf(builder: Builder, error: unknown): unknown {
  if (!isQueryError(error)) return error;
  try {
    const { sql: statement, params } = builder.toSQL();
    restate(error, statement, params);
  } catch {
    // The values cannot be given to the driver, which the caller's own statement would have said.
  }
  return error;
}

function restate(error: QueryError, query: string, params: unknown[] = error.params): void {
  const message = `Failed query: ${query}\nparams: ${String(params)}`;
  const stack = error.stack?.replace(error.message, () => message);
  Object.assign(error, { query, params, message });
  if (stack !== undefined) error.stack = stack;
}

function isQueryError(error: unknown): error is QueryError {
  return error instanceof Error && Object.hasOwn(error, 'query') && Object.hasOwn(error, 'params');
}

/** Run a query in a session, and say apart what has failed when its rows were written. */
export async function executeWhole(
  builder: Builder,
  session: Session,
  method: string,
  args: readonly unknown[],
): Promise<{ readonly result: unknown; readonly failure: Undecoded | undefined }> {
  const asked = partOf(builder, 'returning') as Returned[] | undefined;
  const own = copyOf(builder, session);
  if (asked === undefined) return { result: await runQuery(own, method, args), failure: undefined };
  const lenient = copyOf(own, session, { returning: leniently(asked) });
  Object.assign(lenient, { getSQL: () => own.getSQL() });
  const result = await runQuery(lenient, method, args);
  return { result, failure: method === 'values' ? undefined : firstUndecoded(result, asked) };
}
