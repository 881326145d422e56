import { entityKind, type SQL, type Table } from 'drizzle-orm';
import { npmVersion } from 'drizzle-orm/version';
import { isObject } from '../../core/describe.ts';
import { assertSupported } from '../supported.ts';

/** Sends queries; a transaction has one of its own. */
export interface Session {
  readonly client?: unknown;
  readonly tx?: unknown;
}

/** What of a database, or of a transaction, is used here. */
export interface Database {
  readonly session: Session;
  insert(table: Table): { values(values: unknown): Builder };
  update(table: Table): { set(values: unknown): Builder };
  delete(table: Table): Builder & { returning(): Builder };
  select(fields: Readonly<Record<string, unknown>>): { from(table: Table): { where(condition: unknown): Selection } };
  transaction<T>(run: (tx: Database) => Promise<T>, ...config: unknown[]): Promise<T>;
  execute?(query: SQL): Promise<unknown>;
}
type Selection = PromiseLike<Record<string, unknown>[]> & { for?(strength: 'update'): Selection };

/** A query that is ready to run; which methods it has depends on the dialect. */
export type Prepared = Readonly<Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>>;

/** A query of Drizzle, whichever dialect's. What it is stands in its `config`. */
export interface Builder {
  readonly config: Readonly<Record<string, unknown>>;
  readonly session: Session;
  readonly authToken?: unknown;
  getSQL(): SQL;
  toSQL(): { readonly sql: string; readonly params: unknown[] };
  _prepare(): Prepared;
}

/** One column, or an expression, that a query returns, and where in the row it goes. */
export interface Returned {
  readonly path: readonly string[];
  readonly field: unknown;
}

/** The databases that can be wrapped, by Drizzle's own names of them; the classes are called otherwise in 1.0. */
const DATABASES: readonly string[] = ['PgDatabase', 'PgAsyncDatabase', 'BaseSQLiteDatabase'];

/**
 * Whether a value is a database of PostgreSQL or SQLite.
 *
 * @throws TypeError if its Drizzle is not built as this adapter knows it.
 */
export function isDatabase(value: unknown): value is Database {
  if (!isObject(value)) return false;
  const primary = primaryOf(value as Database);
  if (!kindsOf(primary).some((kind) => DATABASES.includes(kind))) return false;
  assertSupported('drizzle-orm', npmVersion, '0.44.0', '2.0.0');
  // The database may come from another copy of Drizzle than the one that is asked above.
  if (!isBuilt(primary)) {
    throw new TypeError(
      'tocsin supports drizzle-orm from 0.44.0 on and before 2.0.0, and the queries of this database are built ' +
        'otherwise. Install a supported version of drizzle-orm, one for the whole app.',
    );
  }
  return true;
}

/** `withReplicas()` makes a plain object that has the database to write to as `$primary`. */
export function primaryOf(database: Database): Database {
  return Object.hasOwn(database, '$primary') ? (database as Database & { $primary: Database }).$primary : database;
}

/** Drizzle's own names of the class of an object and of what it extends. */
export function kindsOf(object: object): string[] {
  const kinds: string[] = [];
  for (let each: unknown = object.constructor; typeof each === 'function'; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, entityKind)) kinds.push((each as unknown as { [entityKind]: string })[entityKind]);
  }
  return kinds;
}

function isBuilt(database: Database): boolean {
  const table: unknown = {};
  const { config, session, _prepare } = database.delete(table as Table) as Partial<Builder>;
  return config?.table === table && session === database.session && typeof _prepare === 'function';
}

/** A part of what a query is; what other packages have put on every object is no part of it. */
export function partOf({ config }: Builder, name: string): unknown {
  return Object.hasOwn(config, name) ? config[name] : undefined;
}

/** The same query, to be run elsewhere, or with other parts. */
export function copyOf(builder: Builder, session: Session, parts: Readonly<Record<string, unknown>> = {}): Builder {
  const prototype = Object.getPrototypeOf(builder) as object;
  const copy = Object.create(prototype, Object.getOwnPropertyDescriptors(builder)) as Builder;
  return Object.assign(copy, { session, config: { ...builder.config, ...parts } });
}

/** Run a query by one of its methods, as the builder itself would. */
export function runQuery(builder: Builder, method: string, args: readonly unknown[] = []): Promise<unknown> {
  const prepared = builder._prepare();
  const [values] = args;
  if (prepared.run === undefined) return prepared.execute?.(values, builder.authToken) as Promise<unknown>;
  const own = method === 'execute' ? (partOf(builder, 'returning') === undefined ? 'run' : 'all') : method;
  return prepared[own]?.(values) as Promise<unknown>;
}
