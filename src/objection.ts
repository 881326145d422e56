/**
 * Objection 3: writing through models sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `insert()`, for each instance; around `patch()` and `update()` of one row: of an instance (`$query()`), or by conditions that demand one value of the primary key (`findById()`, `…ById()`, `where('id', …)`, `relate(1)`); around what `insertGraph()` and `upsertGraph()` write so |
 * | `preDelete`, `postDelete` | around `delete()` of such an instance, or of rows by their ids |
 * | `postBulk` | after other `patch()`, `update()`, `increment()` and `delete()`, also when relations and graphs make them: `relate([…])`, `unrelate()` of many; after `insert()` with `onConflict()` |
 *
 * A query with joins, limits, orders or `using()` is never taken for a write of one row. Not seen: `truncate()`, knex,
 * and what the database itself does, such as `ON DELETE CASCADE`. `m2mChanged` is not sent: a many-to-many `relate()`
 * inserts a row of the join table, and sends for the model of that, if it has one with signals.
 */
import type { Model, ModelClass, Transaction } from 'objection';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { mixIn } from './orm/objection/model-class.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `withSignals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a write that has receivers a transaction of its own, if it is in none: what a post receiver throws then undoes
   * it, and all that one call writes. Hooks of the models get it as `queryContext.transaction`. Default `false`, as
   * Objection.
   */
  readonly atomic?: boolean;
  /**
   * Read a row before it is updated, so that `preSave` gets all of it, and `changes` and `updateFields` tell what
   * changed. Default `true`; with `false`, the `instance` of `preSave` holds the values set and what the instance held
   * whose `$query()` it is, and `changes` is null.
   */
  readonly beforeImage?: boolean;
}

/**
 * A mixin: the classes that extend its result send the model signals.
 *
 * The sender is the model class. `tx` is the transaction, if there is one: pass it on, `Profile.query(tx)`. Receivers
 * run one after the other in connect order, each awaited; in a transaction also those of several instances written by
 * one call. Outside of one, `insertGraph()` writes several at a time, unless with `atomic`.
 *
 * `instance` is the inserted instance, and for a delete the one whose `$query()` it is. For an update it is an instance
 * of its own with the new values, the same in `preSave` and `postSave`. What `preSave` changes is written, after
 * Objection has validated; the instance whose `$query()` it is gets it, too. The `where` of `postBulk` is a query that
 * finds what the conditions find.
 *
 * The static and instance hooks of the models run once, as without signals: those before a write come before `preSave`
 * and `preDelete`, those after it before `postSave` and `postDelete`. A write that a hook cancels (`cancelQuery()`)
 * sends nothing after it. To find its rows, an update or delete is built once more, and so calls `onBuild()` callbacks
 * once more.
 *
 * With `bulk: 'individual'` a delete sends for the rows that it finds, and is executed as it is; an update does so for
 * conditions about columns and values. If receivers have changed a row, the rows are written one by one in a
 * transaction or savepoint. Updates with expressions, subqueries, `or`, or `returning()` stay bulk writes.
 * `bulk: 'throw'` refuses a part of a graph when it comes to it: what the graph has written before is rolled back in a
 * transaction only.
 *
 * A throw in a pre signal prevents the write. One in a post signal propagates and undoes the write in a transaction:
 * yours, or with `atomic`.
 *
 * A model without receivers costs nothing. With receivers, an update reads its row first (see `beforeImage`), one with
 * expressions also after it, and a delete by id reads its row. To know of commits, the transactions that the model's
 * knex makes are watched; a savepoint that rolls back takes its `onCommit` callbacks along.
 *
 * @throws TypeError if an option is wrong, if it is no Objection 3, or later if a knex cannot be watched; Error if the
 *   class has signals already.
 * @example
 * ```ts
 * class Base extends withSignals(Model, { atomic: true }) {}
 * class User extends Base {
 *   static override tableName = 'users'
 *   declare name: string
 * }
 * const welcomed: string[] = []
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) welcomed.push(instance.name)
 * }, { sender: User })
 *
 * await User.query(knex).insert({ name: 'Ada' })
 * welcomed // ['Ada']
 * ```
 */
export function withSignals<TClass extends ModelClass<Model>>(base: TClass, options?: SignalsOptions): TClass {
  return mixIn(base, options);
}

type Tx = Transaction | undefined;
/** `preSave`, with `tx` typed as the transaction, if there is one. */
export const preSave: ModelSignal<'preSave', Tx> = models.preSave as ModelSignal<'preSave', Tx>;
/** `postSave`, with `tx` typed as the transaction, if there is one. */
export const postSave: ModelSignal<'postSave', Tx> = models.postSave as ModelSignal<'postSave', Tx>;
/** `preDelete`, with `tx` typed as the transaction, if there is one. */
export const preDelete: ModelSignal<'preDelete', Tx> = models.preDelete as ModelSignal<'preDelete', Tx>;
/** `postDelete`, with `tx` typed as the transaction, if there is one. */
export const postDelete: ModelSignal<'postDelete', Tx> = models.postDelete as ModelSignal<'postDelete', Tx>;
/** `postBulk`, with `tx` typed as the transaction, if there is one. */
export const postBulk: ModelSignal<'postBulk', Tx> = models.postBulk as ModelSignal<'postBulk', Tx>;
