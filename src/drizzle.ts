/**
 * Drizzle, for PostgreSQL and SQLite: what is written through a wrapped database sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `insert()`, for each row; around an `update()` whose `where()` names one row by its primary key or a unique column |
 * | `preDelete`, `postDelete` | around a `delete()` of such a row |
 * | `postBulk` | after other updates and deletes; after `onConflictDoUpdate()`, `onConflictDoNothing()` and `insert().select()`, where only the database knows which rows are new; after writes `with()` queries, `from()` other tables, or with placeholders; after prepared statements; for each write of a `batch()`, and for each in a `$with()` of a query that is run |
 *
 * Whatever is not understood whole is run as it is, and is a bulk write: options of new releases, `limit()`, methods
 * that give raw rows, and writes without `returning()` on drivers whose results are not known (see the README). So is a
 * write of a row that cannot be decoded, because the `fromDriver` of a custom type throws; a call that fails with that
 * has written, as without signals.
 *
 * Not seen: what is written through a database that is not wrapped, `execute()` and `run()` of SQL, and what the
 * database itself does, such as `ON DELETE CASCADE`. Not for MySQL, which cannot return what it has written, and not
 * for synchronous drivers, which cannot wait for receivers.
 */
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core';
import type { PgDatabase } from 'drizzle-orm/pg-core';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { wrapDatabase } from './orm/drizzle/wrap.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `withSignals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a write that has receivers a transaction of its own, if it is in none: what a post receiver throws then undoes
   * it. Default `true`. With `false`, `tx` outside a transaction is the database; needed for drivers without
   * transactions: pg-proxy, neon-http and D1.
   */
  readonly atomic?: boolean;
  /**
   * Read a row before it is updated, so that `preSave` gets all of it, and `changes` and `updateFields` tell what
   * changed. Default `true`; with `false`, the `instance` of `preSave` holds the values set and those of the key, and
   * `changes` is null.
   */
  readonly beforeImage?: boolean;
}

/**
 * Names the type of your database, for `tx` in payloads. Without it, `tx` has `insert()`, `update()` and `delete()`.
 *
 * ```ts skipped: a declaration
 * declare module 'tocsin/drizzle' {
 *   interface Register { database: typeof db }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- to be merged with the user's declaration
export interface Register {}

/**
 * A database like yours whose writes send the model signals. Yours stays as it is: what is written through it sends
 * nothing.
 *
 * The sender is the table, `instance` a row of it: a plain object, the same in the signal before the write and in the
 * one after it, which then holds what the database has filled in. `tx` is the transaction; what a receiver writes
 * through it sends signals in turn. Receivers run one after the other in connect order, each awaited.
 *
 * What `preSave` changes is written. A throw in a pre signal prevents the write. One in a post signal propagates and
 * undoes the write; see `atomic`. A write resolves to what it resolves to without signals. It rejects when PostgreSQL
 * does not commit the write's own transaction, because a receiver has caught the error of a query in it.
 *
 * A table without receivers costs nothing. With receivers, an update reads its row first (see `beforeImage`), and a
 * delete does if `preDelete` has receivers; a write outside a transaction gets one (see `atomic`), which on PostgreSQL
 * is asked whether it can commit. A savepoint that rolls back takes its `onCommit` callbacks along.
 *
 * @throws TypeError if an option is wrong, this is not a database it can wrap, or its Drizzle is not supported; Error
 *   if it is wrapped already.
 * @example
 * ```ts
 * const db = withSignals(drizzle({ client }))
 * const welcomed: string[] = []
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) welcomed.push(instance.name)
 * }, { sender: users })
 *
 * await db.insert(users).values({ name: 'Ada' })
 * welcomed // ['Ada']
 * ```
 */
export function withSignals<TDatabase extends object>(database: TDatabase, options?: SignalsOptions): TDatabase {
  return wrapDatabase(database, options);
}

/* eslint-disable @typescript-eslint/no-explicit-any -- any schema, any driver */
type Postgres = PgDatabase<any, any>;
type Sqlite = BaseSQLiteDatabase<'async', any, any>;
interface Writer {
  readonly insert: Postgres['insert'] & Sqlite['insert'];
  readonly update: Postgres['update'] & Sqlite['update'];
  readonly delete: Postgres['delete'] & Sqlite['delete'];
}
type TransactionOf<TDatabase> = TDatabase extends {
  transaction: (run: (tx: infer TTx) => any, ...config: any[]) => unknown;
}
  ? TTx
  : Writer;
type Tx = Register extends { readonly database: infer TDatabase } ? TransactionOf<TDatabase> : Writer;
/* eslint-enable @typescript-eslint/no-explicit-any */

/** `preSave`, with `tx` typed as the transaction; see `Register`. */
export const preSave: ModelSignal<'preSave', Tx> = models.preSave as ModelSignal<'preSave', Tx>;
/** `postSave`, with `tx` typed as the transaction; see `Register`. */
export const postSave: ModelSignal<'postSave', Tx> = models.postSave as ModelSignal<'postSave', Tx>;
/** `preDelete`, with `tx` typed as the transaction; see `Register`. */
export const preDelete: ModelSignal<'preDelete', Tx> = models.preDelete as ModelSignal<'preDelete', Tx>;
/** `postDelete`, with `tx` typed as the transaction; see `Register`. */
export const postDelete: ModelSignal<'postDelete', Tx> = models.postDelete as ModelSignal<'postDelete', Tx>;
/** `postBulk`, with `tx` typed as the transaction; see `Register`. */
export const postBulk: ModelSignal<'postBulk', Tx> = models.postBulk as ModelSignal<'postBulk', Tx>;
