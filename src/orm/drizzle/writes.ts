import { getTableColumns, is, SQL } from 'drizzle-orm';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, preDelete } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { hasReceivers } from '../bulk.ts';
import { deleteRow, insertRows, type Row, updateRow } from '../rows.ts';
import type { Scope } from '../scope.ts';
import type { Builder, Database, Write } from './builders.ts';
import { demandedBy, isOfOneRow, keysOf, whereIs } from './tables.ts';

/** The options of `withSignals()`, complete. */
export interface DrizzleOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

/** How the caller runs a write, and where. */
export interface Run {
  readonly method: string;
  readonly args: unknown[];
  /** The caller's own builder, not recorded. */
  readonly builder: Builder;
  readonly options: DrizzleOptions;
  /** Be loud about the write, if nothing better can be done. */
  readonly announce: (operation: PostBulkArgs['operation']) => void;
  /** Do the work in the transaction that surrounds it, or in one of its own. */
  readonly within: <T>(work: (database: Database, scope: Scope<DrizzleOptions>) => Promise<T>) => Promise<T>;
}

/** Run a write, with the signals that it sends. */
export async function perform(write: Write, run: Run): Promise<unknown> {
  const { operation, table } = write;
  const natively = (): unknown => run.builder[run.method]?.(...run.args);
  const concerns = hasReceivers(operation, table);
  if (isOfRows(write, run)) return concerns ? run.within((...where) => writeRows(write, run, ...where)) : natively();

  const bulk = write.has('onConflictDoUpdate') || write.has('onConflictDoNothing') ? 'upsert' : operation;
  const divisible = operation !== 'insert' && isPlain(write, run) && keysOf(table).primary.length > 0;
  if (run.options.bulk === 'individual' && divisible && concerns)
    return run.within((...where) => writeRows(write, run, ...where));
  run.announce(bulk);
  if (!postBulk.hasListeners(table)) return natively();
  return run.within(async (database, scope) => {
    const result: unknown = await write.build(database)[run.method]?.(...run.args);
    await sendBulk(write, bulk, countOf(result), scope);
    return result;
  });
}

/** Send `postBulk` for a write that has been done as a whole. */
export function sendBulk(
  write: Write,
  operation: PostBulkArgs['operation'],
  count: number | undefined,
  scope: Scope<DrizzleOptions>,
): Promise<void> {
  const values = write.argument('values') ?? write.argument('set');
  return scope.send(postBulk, write.table, { operation, where: write.argument('where'), values, count });
}

/** Whether the rows that are written can be known before. */
function isOfRows(write: Write, run: Run): boolean {
  return isPlain(write, run) && (write.operation === 'insert' || isOfOneRow(write.argument('where'), write.table));
}

/** Whether the write needs nothing else than its table, and no values that are only given when it runs. */
function isPlain(write: Write, { args }: Run): boolean {
  return (
    args.every((each) => each === undefined) &&
    write.consistsOf('values', 'set', 'where', 'returning', 'overridingSystemValue', '$dynamic')
  );
}

/** A row as it is stored, and what the caller wants of it. */
interface Written {
  readonly row: Row;
  readonly asked: Row;
}

async function writeRows(write: Write, run: Run, database: Database, scope: Scope<DrizzleOptions>): Promise<unknown> {
  const { table, operation } = write;
  const send = scope.send.bind(scope);
  const written: Written[] = [];
  const execute = async (replaced: Readonly<Record<string, unknown>>): Promise<Row[]> => {
    const rows = await returning(write, database, replaced);
    written.push(...rows);
    return rows.map(({ row }) => row);
  };
  if (operation === 'insert') {
    const values = write.argument('values') as Row | Row[];
    await insertRows(send, table, Array.isArray(values) ? values : [values], (drafts) => execute({ values: drafts }));
    return resultOf(written, write, run);
  }
  const where = write.argument('where');
  const one = isOfOneRow(where, table);
  const unread = one && !needsImage(write, run);
  const images = unread ? [undefined] : await database.select().from(table).where(where);
  for (const before of images) {
    const condition = one ? where : whereIs(before as Row, table);
    const writeRow = async (values?: Row): Promise<Row | undefined> =>
      (await execute({ where: condition, ...(values === undefined ? {} : { set: values }) }))[0];
    if (operation === 'delete') {
      await deleteRow(send, table, before, writeRow);
    } else {
      const values = write.argument('set') as Row;
      await updateRow(
        send,
        table,
        { before, key: demandedBy(where, table), values, isExpression: (value) => is(value, SQL) },
        writeRow,
      );
    }
  }
  return resultOf(written, write, run);
}

/** Whether a row must be read before it is written. */
function needsImage({ operation, table }: Write, { options }: Run): boolean {
  return operation === 'delete' ? preDelete.hasListeners(table) : options.beforeImage;
}

async function returning(
  write: Write,
  database: Database,
  replaced: Readonly<Record<string, unknown>>,
): Promise<Written[]> {
  const columns = getTableColumns(write.table);
  const asked = write.argument('returning') ?? columns;
  return (await write.build(database, { ...replaced, returning: { row: columns, asked } })) as Written[];
}

/**
 * What the caller's method resolves to; without `returning()` the number of rows, by all the names that drivers give
 * it.
 */
function resultOf(written: readonly Written[], write: Write, { method }: Run): unknown {
  const rows = written.map(({ asked }) => asked);
  if (method === 'get') return rows[0];
  if (method === 'values') return rows.map((row) => Object.values(row));
  if (method === 'all' || (write.has('returning') && method === 'execute')) return rows;
  const count = rows.length;
  return { rows: [], rowCount: count, affectedRows: count, rowsAffected: count, changes: count };
}

/** How many rows a driver says it has written. */
function countOf(result: unknown): number | undefined {
  const { rowCount, affectedRows, rowsAffected, changes, count } = result as Record<string, number | undefined>;
  return (
    rowCount ?? affectedRows ?? rowsAffected ?? changes ?? count ?? (Array.isArray(result) ? result.length : undefined)
  );
}
