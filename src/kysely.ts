/**
 * Kysely on PostgreSQL, SQLite, MySQL and MariaDB: what is written through a wrapped Kysely sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `insertInto()`, for each row; around an `updateTable()` whose conditions name one row by its primary key |
 * | `preDelete`, `postDelete` | around a `deleteFrom()` of such a row |
 * | `postBulk` | after other updates and deletes; after `onConflict()`, `replaceInto()` and `mergeInto()`, where only the database knows which rows are new; after writes from expressions, `with()` queries, other tables, limits |
 *
 * Not seen: what is written through a Kysely that is not wrapped, `sql` templates, and what the database itself does,
 * such as `ON DELETE CASCADE`. What is streamed is announced as a bulk write. Not for SQL Server.
 */
import type { Kysely, Selectable } from 'kysely';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { wrapKysely } from './orm/kysely/wrap.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `withSignals()`. */
export interface SignalsOptions<TDatabase = unknown> extends AdapterOptions {
  /**
   * What tells the rows of a table apart, a column or several, where the database does not say: of a view, or a table
   * without a primary key or a unique constraint. Default `id`. A write that names a row by it is a save or a delete of
   * that row, if it finds no more than one.
   */
  readonly primaryKeys?: {
    readonly [TTable in keyof TDatabase]?: keyof TDatabase[TTable] | readonly (keyof TDatabase[TTable])[];
  };
  /**
   * Give a write that has receivers a transaction of its own, if it is in none: what a post receiver throws then undoes
   * it. Default `true`. With `false`, `tx` outside a transaction is the Kysely itself.
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
 * Names the type of your tables, for `instance` and `tx` in payloads.
 *
 * ```ts skipped: a declaration
 * declare module 'tocsin/kysely' {
 *   interface Register { database: Database }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- to be merged with the user's declaration
export interface Register {}

/**
 * A Kysely like yours whose writes send the model signals. Yours stays as it is: what is written through it sends
 * nothing.
 *
 * The sender is the name of the table, as it is given to `insertInto()`; `instance` a row of it: a plain object, the
 * same in the signal before the write and in the one after it, which then holds what the database has filled in. `tx`
 * is the transaction; what a receiver writes through it sends signals in turn. Receivers run one after the other in
 * connect order, each awaited.
 *
 * What `preSave` changes is written. A throw in a pre signal prevents the write. One in a post signal propagates and
 * undoes the write; see `atomic`. An alias in `returning()` must not be the name of another column: all columns are
 * read beside.
 *
 * Kysely shows neither its pool nor the clients in it. A receiver that asks for a connection outside of its transaction
 * gets an error when it has waited six seconds (see `outside`). And node-postgres ends the process if a connection is
 * lost while a receiver runs in its transaction, unless somebody listens to the client: `pool.on('connect', (client) =>
 * client.on('error', log))`.
 *
 * MySQL and MariaDB return nothing of what they have written, so it is read again by its key, in the same transaction.
 * An insert of several rows of which only some have a value for the column that is counted up is a bulk write. The
 * `instance` of a table without a key stays as it was written (not on MariaDB, if nothing in it is counted up). After a
 * deadlock, for which the database rolls the transaction back, what is written through it is outside of any.
 *
 * A table without receivers costs nothing. With receivers, an update reads its row first (see `beforeImage`), and a
 * delete does if `preDelete` has receivers; a write outside a transaction gets one (see `atomic`). `onCommit` follows
 * the savepoints of transactions that are begun with `startTransaction()`.
 *
 * @throws TypeError if an option is wrong, or this is not a Kysely it can wrap; Error if it is wrapped already.
 * @example
 * ```ts
 * const db = withSignals(new Kysely<Database>({ dialect }))
 * const welcomed: string[] = []
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) welcomed.push(instance.name)
 * }, { sender: 'users' })
 *
 * await db.insertInto('users').values({ name: 'Ada' }).execute()
 * welcomed // ['Ada']
 * ```
 */
export function withSignals<TDatabase>(
  database: Kysely<TDatabase>,
  options?: SignalsOptions<TDatabase>,
): Kysely<TDatabase> {
  return wrapKysely(database, options);
}

/* eslint-disable @typescript-eslint/no-explicit-any -- any tables, as long as they are not registered */
type Tables = Register extends { readonly database: infer TDatabase } ? TDatabase : Record<string, any>;
/* eslint-enable @typescript-eslint/no-explicit-any */
type Models = { readonly [TTable in keyof Tables]: Selectable<Tables[TTable]> };
type Tx = Kysely<Tables>;

/** `preSave`, with `tx` and `instance` typed; see `Register`. */
export const preSave: ModelSignal<'preSave', Tx, Models> = models.preSave as ModelSignal<'preSave', Tx, Models>;
/** `postSave`, with `tx` and `instance` typed; see `Register`. */
export const postSave: ModelSignal<'postSave', Tx, Models> = models.postSave as ModelSignal<'postSave', Tx, Models>;
/** `preDelete`, with `tx` and `instance` typed; see `Register`. */
export const preDelete: ModelSignal<'preDelete', Tx, Models> = models.preDelete as ModelSignal<'preDelete', Tx, Models>;
/** `postDelete`, with `tx` and `instance` typed; see `Register`. */
export const postDelete: ModelSignal<'postDelete', Tx, Models> = models.postDelete as ModelSignal<
  'postDelete',
  Tx,
  Models
>;
/** `postBulk`, with `tx` typed; see `Register`. */
export const postBulk: ModelSignal<'postBulk', Tx, Models> = models.postBulk as ModelSignal<'postBulk', Tx, Models>;
