/**
 * Prisma 7, from 7.0 on: what is written through an extended client sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `create()`, `update()` and `upsert()`; around `createMany()` and `createManyAndReturn()`, for each row |
 * | `preDelete`, `postDelete` | around `delete()` |
 * | `postBulk` | after `updateMany()`, `updateManyAndReturn()` and `deleteMany()`; after `createMany()` with `skipDuplicates`, or on a database that returns no rows (MySQL, SQL Server); after `upsert()` with `atomic: false` outside a transaction; for each nested write of another model, and for each write of a batch, `$transaction([…])` |
 *
 * `bulk: 'individual'` splits `updateMany()` and `deleteMany()` if they have nothing but a condition on the model's own
 * columns and plain values, the model does not refer to itself, and its rows differ in columns whose values are exact.
 *
 * Not seen: what is written through the client that was extended, `$executeRaw()` and `$queryRaw()`, nested `connect`,
 * `disconnect` and `set`, which only join rows, and what the database itself does, such as `onDelete: Cascade`.
 */
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { extension } from './orm/prisma/extension.ts';
import { parsePrismaOptions } from './orm/prisma/options.ts';
import type { TransactionOptions } from './orm/prisma/write-plan.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';
export type { TransactionOptions } from './orm/prisma/write-plan.ts';

/** The options of `signals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a write that has receivers an interactive transaction of its own, if it is in none: what a post receiver
   * throws then undoes it. Default `true`. With `false`, `tx` outside a transaction is the client; needed for databases
   * without such transactions, such as D1.
   */
  readonly atomic?: boolean;
  /**
   * Read a row before it is updated, so that `preSave` gets all of it, and `changes` and `updateFields` tell what
   * changed. Default `true`; with `false`, the `instance` of `preSave` holds the values set and those of `where`, and
   * `changes` is null. An `upsert()` reads its row in any case: only so is `created` known.
   */
  readonly beforeImage?: boolean;
  /**
   * The limits of the transactions that `atomic` opens, as `$transaction()` takes them: a plain write has none, and its
   * receivers may be slow. By default `maxWait` and `timeout` are ten minutes each, whatever the client's
   * `transactionOptions` say.
   */
  readonly transaction?: TransactionOptions;
}

/**
 * Names the type of your client, for `instance` and `tx` in payloads.
 *
 * ```ts skipped: a declaration
 * declare module 'tocsin/prisma' {
 *   interface Register { client: PrismaClient }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- to be merged with the user's declaration
export interface Register {}

/**
 * The extension: `prisma.$extends(signals())` is a client whose writes send the model signals. The client that is
 * extended stays as it is.
 *
 * The sender is the name of the model, `'User'`; `instance` a row of it: a plain object with all columns, the same in
 * the signal before the write and in the one after it, which then holds what the database has filled in. `tx` is the
 * client of the transaction; what a receiver writes through it sends signals in turn. Receivers run one after the other
 * in connect order, each awaited.
 *
 * What `preSave` changes is written. A throw in a pre signal prevents the write. One in a post signal propagates and
 * undoes the write; see `atomic`. `select`, `include` and `omit` decide what the write resolves to, and not what
 * receivers get.
 *
 * A model without receivers costs nothing. With receivers, an update reads its row first (see `beforeImage`), an upsert
 * does, and a delete does if `preDelete` has receivers; a write outside a transaction gets one (see `atomic`). A
 * savepoint that rolls back takes its `onCommit` callbacks along.
 *
 * Extensions that are added later come before this one: their query hooks see what the caller gave and what they would
 * get without it, and `$parent` of theirs is the client that they extended. Upserts of one row take turns, on
 * PostgreSQL by an advisory lock of the transaction.
 *
 * A receiver that uses the app's client is noticed, and refused where it would wait for ever: the size of the pool is
 * known for `@prisma/adapter-pg`, and one for SQLite; with other driver adapters it is only warned of.
 *
 * @throws TypeError if an option is wrong, and from `$extends()` for a version of Prisma that is not supported.
 * @example
 * ```ts
 * const prisma = new PrismaClient({ adapter }).$extends(signals())
 * const welcomed: string[] = []
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) welcomed.push(instance.name)
 * }, { sender: 'User' })
 *
 * await prisma.user.create({ data: { name: 'Ada' } })
 * welcomed // ['Ada']
 * ```
 */
export function signals(
  options?: SignalsOptions,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- $extends() wants whatever it has made itself
): <TClient>(client: TClient) => TClient extends { $extends: any } ? TClient : never {
  return extension(parsePrismaOptions(options)) as never;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- any client, as long as it is not registered */
type RowOf<TDelegate> =
  TDelegate extends Record<symbol, { types: { payload: { scalars: infer TRow } } }> ? TRow : never;
type Registered = Register extends { readonly client: infer TClient } ? TClient : unknown;
type Models = Register extends { readonly client: infer TClient }
  ? { readonly [TName in keyof TClient & string as Capitalize<TName>]: RowOf<TClient[TName]> }
  : Record<string, any>;
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- not when it is registered
type Tx = unknown extends Registered ? any : Omit<Registered, '$connect' | '$disconnect' | '$on' | '$use' | '$extends'>;
/* eslint-enable @typescript-eslint/no-explicit-any */

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
