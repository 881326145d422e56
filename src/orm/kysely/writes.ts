import { isObject } from '../../core/describe.ts';
import { postBulk, preDelete } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { hasReceivers } from '../bulk.ts';
import { deleteRow, insertRows, type Row, updateRow } from '../rows.ts';
import type { Scope } from '../scope.ts';
import { build, type Builder, type Database, replay, type Step, type Write, WRITERS } from './builders.ts';
import { demandedBy, returnedBy } from './nodes.ts';

/** The options of `withSignals()`, complete. */
export interface KyselyOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
  /** The columns of the primary key, by table; `id` where it is not given. */
  readonly primaryKeys: Readonly<Record<string, readonly string[]>>;
}

/** How the caller runs a write, and where. */
export interface Run {
  readonly method: string;
  readonly args: unknown[];
  /** The caller's own builder, not recorded. */
  readonly builder: Builder;
  readonly database: Database;
  readonly scope: Scope<KyselyOptions>;
  /** Do the work in the transaction that surrounds it, or in one of its own. */
  readonly within: <T>(work: (database: Database, scope: Scope<KyselyOptions>) => Promise<T>) => Promise<T>;
}

const ADVICE = 'Write rows by their primary key, listen to postBulk, or wrap with another `bulk` option.';

/** Run a write whose rows are streamed: nothing can be waited for there. */
export function stream(write: Write, { builder, args, scope }: Run): unknown {
  const sender = tableOf(write);
  if (sender !== undefined) scope.database.bulk.announce(WRITERS[write.writer], sender, ADVICE);
  return builder.stream?.(...args);
}

/** Run a write, with the signals that it sends. */
export async function perform(write: Write, run: Run): Promise<unknown> {
  const operation = WRITERS[write.writer];
  const sender = tableOf(write);
  const { options, bulk } = run.scope.database;
  const natively = (): unknown => run.builder[run.method]?.(...run.args);
  if (sender === undefined) return natively();
  const concerns = hasReceivers(operation, sender);
  if (isPlain(write) && (operation === 'insert' || isOfOneRow(write, sender, run))) {
    return concerns ? run.within((...where) => writeRows(write, sender, run, ...where)) : natively();
  }
  if (options.bulk === 'individual' && isPlain(write) && operation !== 'insert' && concerns) {
    return run.within((...where) => writeRows(write, sender, run, ...where));
  }
  const kind = operation === 'insert' && write.steps.some(([method]) => CONFLICT.test(method)) ? 'upsert' : operation;
  bulk.announce(kind, sender, ADVICE);
  if (!postBulk.hasListeners(sender)) return natively();
  return run.within(async (database, scope) => {
    const result: unknown = await build(write, database)[run.method]?.(...run.args);
    await scope.send(postBulk, sender, {
      operation: kind,
      where: whereOf(write, database),
      values: valuesOf(write),
      count: countOf(result),
    });
    return result;
  });
}

const PLAIN = ['values', 'defaultValues', 'set', 'where', 'whereRef', 'returning', 'returningAll'];
/** What makes an insert an upsert. */
const CONFLICT = /^(onConflict|onDuplicateKeyUpdate|ignore|or[A-Z])/;

/** Whether the write needs nothing else than its table. */
function isPlain({ before, steps, writer }: Write): boolean {
  const writers: readonly string[] = ['insertInto', 'updateTable', 'deleteFrom'];
  return before.length === 0 && writers.includes(writer) && steps.every(([method]) => PLAIN.includes(method));
}

/** The name of a table, without an alias; undefined for an expression. */
function tableOf({ table }: Write): string | undefined {
  return typeof table === 'string' ? table.replace(/ as .*$/, '').trim() : undefined;
}

function isOfOneRow(write: Write, sender: string, { database, scope }: Run): boolean {
  const demanded = demandedBy(write, database);
  return keyOf(sender, scope.database.options).every((column) => Object.hasOwn(demanded, column));
}

function keyOf(sender: string, { primaryKeys }: KyselyOptions): readonly string[] {
  return Object.hasOwn(primaryKeys, sender) ? (primaryKeys[sender] as readonly string[]) : ['id'];
}

async function writeRows(
  write: Write,
  sender: string,
  run: Run,
  database: Database,
  scope: Scope<KyselyOptions>,
): Promise<unknown> {
  const { options } = scope.database;
  const send = scope.send.bind(scope);
  const written: Row[] = [];
  const execute = async (steps: readonly Step[]): Promise<Row[]> => {
    const rows = (await build(write, database, [...steps, ['returningAll', []]]).execute?.()) as Row[];
    written.push(...rows);
    return rows;
  };
  const without = (...methods: readonly string[]): Step[] =>
    write.steps.filter(([method]) => !methods.includes(method));
  if (write.writer === 'insertInto') {
    const values = valuesOf(write) as Row | Row[];
    await insertRows(send, sender, Array.isArray(values) ? values : [values], (drafts) =>
      execute([['values', [drafts]], ...without('values', 'defaultValues')]),
    );
    return resultOf(written, write, sender, run);
  }
  const one = isOfOneRow(write, sender, run);
  const reads = one ? (write.writer === 'deleteFrom' ? preDelete.hasListeners(sender) : options.beforeImage) : true;
  const conditions = write.steps.filter(([method]) => method.startsWith('where'));
  const images = reads
    ? ((await replay(database.selectFrom(write.table).selectAll?.(), conditions).execute?.()) as Row[])
    : [undefined];
  for (const before of images) {
    const identity = one
      ? conditions
      : keyOf(sender, options).map((column): Step => ['where', [column, '=', keyValue(before, column, sender)]]);
    const writeRow = async (values?: Row): Promise<Row | undefined> =>
      (
        await execute([
          ...(values === undefined ? [] : [['set', [values]] as Step]),
          ...identity,
          ...without('set', 'where', 'whereRef'),
        ])
      )[0];
    if (write.writer === 'deleteFrom') await deleteRow(send, sender, before, writeRow);
    else
      await updateRow(
        send,
        sender,
        { before, key: demandedBy(write, database), values: valuesOf(write) as Row, isExpression },
        writeRow,
      );
  }
  return resultOf(written, write, sender, run);
}

function keyValue(row: Row | undefined, column: string, sender: string): unknown {
  if (row !== undefined && Object.hasOwn(row, column)) return row[column];
  throw new Error(
    `${sender} has no column ${column}, so that its rows cannot be written one by one. Name its primary key: withSignals(db, { primaryKeys: { ${sender}: … } }).`,
  );
}

/** The values that are set or inserted; those of several `set()` together. */
function valuesOf({ steps, writer }: Write): Row | Row[] | undefined {
  if (writer === 'deleteFrom') return undefined;
  const given = steps.filter(([method]) => method === 'values' || method === 'set').map(([, args]) => args);
  if (given.length === 1 && Array.isArray(given[0]?.[0])) return given[0][0] as Row[];
  return Object.assign(
    {},
    ...given.map((args) => (args.length === 2 ? { [args[0] as string]: args[1] } : args[0])),
  ) as Row;
}

/** The conditions, as an operation node. */
function whereOf(write: Write, database: Database): unknown {
  return (build(write, database).toOperationNode?.() as { where?: { where?: unknown } }).where?.where;
}

/** An expression builder's callback, an expression, or a reference to be resolved. */
function isExpression(value: unknown): boolean {
  return typeof value === 'function' || (isObject(value) && 'toOperationNode' in value);
}

/** What the caller's method resolves to, or throws. */
function resultOf(
  written: readonly Row[],
  write: Write,
  sender: string,
  { method, args, builder, database, scope }: Run,
): unknown {
  const returns = write.steps.some(([each]) => each.startsWith('returning'));
  const names = returns ? returnedBy(write, database) : undefined;
  const rows =
    names === undefined ? written : written.map((row) => Object.fromEntries(names.map((name) => [name, row[name]])));
  const results = returns ? rows : [countsOf(written, write, keyOf(sender, scope.database.options))];
  // what it makes of them, and the error it throws for none, is Kysely's
  const executed = {
    execute: () => results,
    executeTakeFirst: () => results[0],
    toOperationNode: () => builder.toOperationNode?.(),
  };
  return method === 'execute' ? results : Reflect.apply(builder[method] as () => unknown, executed, args);
}

/** What Kysely tells of a write that returns no rows. */
function countsOf(written: readonly Row[], { writer }: Write, key: readonly string[]): object {
  const count = BigInt(written.length);
  switch (writer) {
    case 'updateTable':
      return { numUpdatedRows: count };
    case 'deleteFrom':
      return { numDeletedRows: count };
    default: {
      const id = written.at(-1)?.[key.length === 1 ? (key[0] as string) : ''];
      const insertId = typeof id === 'bigint' || Number.isInteger(id) ? BigInt(id as number) : undefined;
      return { insertId, numInsertedOrUpdatedRows: count };
    }
  }
}

/** How many rows were written, by what Kysely says of it. */
function countOf(result: unknown): number | undefined {
  const results = [result].flat() as (Record<string, bigint | undefined> | undefined)[];
  const { numUpdatedRows, numDeletedRows, numInsertedOrUpdatedRows, numChangedRows } = results[0] ?? {};
  const count = numUpdatedRows ?? numDeletedRows ?? numInsertedOrUpdatedRows ?? numChangedRows;
  return count === undefined ? results.length : Number(count);
}
