import { describe, isObject } from '../../core/describe.ts';
import { entries } from '../../core/options.ts';
import { shared } from '../../core/shared.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { Scope, WrappedDatabase } from '../scope.ts';
import {
  type Builder,
  type Database,
  record,
  replay,
  type Step,
  type Write,
  type Writer,
  WRITERS,
} from './builders.ts';
import { watchTransaction } from './transactions.ts';
import { type KyselyOptions, perform, stream } from './writes.ts';

const wrapped: WeakSet<object> = shared('wrapped', () => new WeakSet());

/** A Kysely that sends signals for what is written through it. */
export function wrapKysely<TDatabase extends object>(database: TDatabase, options: unknown): TDatabase {
  if (!isObject(database) || !('insertInto' in database && 'getExecutor' in database))
    throw new TypeError(`withSignals() takes a Kysely, not ${describe(database)}`);
  if (wrapped.has(database))
    throw new Error('This Kysely is wrapped in withSignals() already: its signals would be sent twice.');
  const { adapter } = (database.getExecutor as () => { adapter: { supportsReturning?: boolean } }).call(database);
  if (adapter.supportsReturning !== true)
    throw new TypeError(
      'withSignals() needs a database that returns what it has written, such as PostgreSQL or SQLite: the dialect of this Kysely says that its does not.',
    );
  const scope = new Scope<KyselyOptions>(new WrappedDatabase(parseOptions(options)));
  return (scope.tx = wrap(database, scope)) as TDatabase;
}

function parseOptions(options: unknown): KyselyOptions {
  const { primaryKeys = {}, ...rest } = Object.fromEntries(
    options === undefined ? [] : entries(options, 'withSignals()'),
  ) as { primaryKeys?: unknown };
  const keys = Object.fromEntries(
    [...entries(primaryKeys, 'primaryKeys')].map(([table, columns]) => [table, [columns].flat()]),
  );
  for (const [table, columns] of Object.entries(keys)) {
    if (columns.length === 0 || !columns.every((column) => typeof column === 'string')) {
      throw new TypeError(
        `primaryKeys.${table} must be the name of a column, or an array of names, not ${describe((primaryKeys as Record<string, unknown>)[table])}`,
      );
    }
  }
  return {
    ...parseAdapterOptions(rest, 'withSignals()', { atomic: true, beforeImage: true }, ['primaryKeys']),
    primaryKeys: keys as Record<string, string[]>,
  };
}

/**
 * The same Kysely, transaction, or query creator, whose writes are recorded. `before` is what was called on the
 * database to get it.
 */
function wrap(
  target: object,
  scope: Scope<KyselyOptions>,
  database = target as Database,
  before: readonly Step[] = [],
): object {
  const within = <T>(work: (database: Database, scope: Scope<KyselyOptions>) => Promise<T>): Promise<T> => {
    if (scope.queue !== undefined || !scope.database.options.atomic) return scope.write(() => work(database, scope));
    return scope.transaction((inner) =>
      database.transaction().execute((tx) => {
        inner.tx = wrap(tx, inner);
        return work(tx, inner);
      }),
    );
  };
  const run = (write: Write, method: string, args: unknown[], builder: Builder): unknown =>
    (method === 'stream' ? stream : perform)(write, { method, args, builder, database, scope, within });

  const proxy: object = new Proxy(target, {
    get(_target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      if (Object.hasOwn(WRITERS, name)) {
        return (table: unknown) =>
          record(replay(target, [[name, [table]]]), { writer: name as Writer, table, before, steps: [] }, run);
      }
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(member, target, args);
        if (!isObject(result)) return result;
        // with() gives no database, but what begins queries
        if ('insertInto' in result)
          return 'transaction' in result
            ? wrap(result, scope)
            : wrap(result, scope, database, [...before, [name, args]]);
        if (name === 'connection') return watchConnection(result as Builder, (connection) => wrap(connection, scope));
        if (name === 'transaction' || name === 'startTransaction')
          return watchTransaction(result as Builder, scope, wrap);
        return result;
      };
    },
  });
  wrapped.add(proxy);
  return proxy;
}

/** `connection().execute(callback)` gives its callback another Kysely. */
function watchConnection(builder: Builder, wrapConnection: (connection: object) => object): object {
  return {
    execute: (callback: (connection: object) => unknown, ...rest: unknown[]) =>
      builder.execute?.((connection: object) => callback(wrapConnection(connection)), ...rest),
  };
}
