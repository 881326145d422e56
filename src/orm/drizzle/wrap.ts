import { entityKind, type Table } from 'drizzle-orm';
import { describe, isObject } from '../../core/describe.ts';
import { shared } from '../../core/shared.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { hasReceivers, callSite } from '../bulk.ts';
import { Scope, WrappedDatabase } from '../scope.ts';
import { type Database, type Operation, record, Write, writeOf } from './builders.ts';
import { type DrizzleOptions, perform, type Run, sendBulk } from './writes.ts';

const ADVICE = 'Write rows by their primary key, listen to postBulk, or wrap with another `bulk` option.';
const wrapped: WeakSet<object> = shared('wrapped', () => new WeakSet());

/** A database that sends signals for what is written through it. */
export function wrapDatabase<TDatabase extends object>(database: TDatabase, options: unknown): TDatabase {
  const { kind, resultKind } = kindOf(database);
  if (resultKind === 'sync') {
    throw new TypeError(
      'withSignals() cannot wait for receivers with a synchronous driver of SQLite, such as better-sqlite3. Use libsql, or one over the network.',
    );
  }
  if (kind === undefined)
    throw new TypeError(`withSignals() takes a Drizzle database of PostgreSQL or SQLite, not ${describe(database)}`);
  if (wrapped.has(database))
    throw new Error('This database is wrapped in withSignals() already: its signals would be sent twice.');
  const parsed = parseAdapterOptions(options, 'withSignals()', { atomic: true, beforeImage: true });
  return wrap(database as TDatabase & Database, new Scope<DrizzleOptions>(new WrappedDatabase(parsed)));
}

/** The databases that can be wrapped, by Drizzle's own names of them; the classes are called otherwise in 1.0. */
const KINDS: readonly unknown[] = ['PgDatabase', 'PgAsyncDatabase', 'BaseSQLiteDatabase'];

function kindOf(database: unknown): { kind?: unknown; resultKind?: unknown } {
  if (!isObject(database)) return {};
  // withReplicas() makes a plain object
  const { $primary = database } = database as { $primary?: object };
  const { resultKind } = $primary as { resultKind?: unknown };
  for (
    let entity = $primary.constructor as { [entityKind]?: unknown } | null;
    entity !== null;
    entity = Object.getPrototypeOf(entity) as typeof entity
  ) {
    if (KINDS.includes(entity[entityKind])) return { kind: entity[entityKind], resultKind };
  }
  return {};
}

/** An object that inherits from the database, or from a transaction of it, and has the writing methods of its own. */
function wrap<TDatabase extends Database>(database: TDatabase, scope: Scope<DrizzleOptions>): TDatabase {
  const { bulk, options } = scope.database;

  const transaction = <T>(
    run: (tx: Database, inner: Scope<DrizzleOptions>) => Promise<T>,
    config: unknown[],
  ): Promise<T> =>
    scope.transaction((inner) =>
      database.transaction(
        (tx) => {
          wrap(tx, inner);
          return run(tx, inner);
        },
        ...config,
      ),
    );
  const within: Run['within'] = (work) =>
    options.atomic && scope.queue === undefined ? transaction(work, []) : scope.write(() => work(database, scope));

  const begin = (operation: Operation, table: Table, queries?: readonly unknown[]): unknown => {
    const write = new Write(operation, table, queries);
    // later, when the query is awaited, the line that asked for it is in no stack any more
    const site = options.bulk !== 'signal' && hasReceivers(operation, table) ? callSite() : undefined;
    const announce: Run['announce'] = (kind) => {
      bulk.announce(kind, table, ADVICE, site);
    };
    announcements.set(write, announce);
    return record(write.begin(database) as object, write, (method, args, builder) => {
      if (method !== 'prepare') return perform(write, { method, args, builder, options, within, announce });
      announce(operation);
      return builder.prepare?.(...args);
    });
  };
  const writers = (queries?: readonly unknown[]): object => ({
    insert: (table: Table) => begin('insert', table, queries),
    update: (table: Table) => begin('update', table, queries),
    delete: (table: Table) => begin('delete', table, queries),
  });
  const result = Object.assign(Object.create(database) as TDatabase, {
    ...writers(),
    with: (...queries: unknown[]) => ({ ...database.with(...queries), ...writers(queries) }),
    transaction: (run: (tx: unknown) => Promise<unknown>, ...config: unknown[]) =>
      transaction((_tx, inner) => run(inner.tx), config),
    ...('batch' in database && { batch: (queries: readonly object[]) => runBatch(queries, database, scope) }),
  });
  scope.tx = result;
  wrapped.add(result);
  return result;
}

const announcements = new WeakMap<Write, Run['announce']>();

/** A batch is sent to the database as a whole: nothing can be asked or done between its queries. */
async function runBatch(
  queries: readonly object[],
  database: Database,
  scope: Scope<DrizzleOptions>,
): Promise<unknown> {
  const writes = queries.flatMap((query) => writeOf(query) ?? []);
  for (const write of writes) announcements.get(write)?.(write.operation);
  const results = await database.batch?.(queries);
  for (const write of writes) await sendBulk(write, write.operation, undefined, scope);
  return results;
}
