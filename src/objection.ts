/**
 * Objection 3: writing through models sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `insert()`, for each instance; around `patch()` and `update()` of an instance (`$query()`) or of one row by its id (`findById()`, `…ById()`, `where('id', …)`); around what `insertGraph()` and `upsertGraph()` write |
 * | `preDelete`, `postDelete` | around `delete()` of such an instance or row |
 * | `postBulk` | after other `patch()`, `update()`, `increment()` and `delete()`; after `insert()` with `onConflict()` |
 *
 * Not seen: `relate()` and `unrelate()`, knex, and what the database itself does, such as `ON DELETE CASCADE`.
 */
import type { Model, ModelClass, Transaction } from 'objection';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { mixIn } from './orm/objection/model-class.ts';

export type { BulkPolicy } from './orm/adapter-options.ts';

/** The options of `withSignals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a write that has receivers a transaction of its own, if it is in none: what a post receiver throws then undoes
   * it. Default `false`, as Objection.
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
 * A throw in a pre signal prevents the write. One in a post signal propagates and undoes the write in a transaction:
 * yours, or with `atomic`.
 *
 * A model without receivers costs nothing. With receivers, an update reads its row first (see `beforeImage`), one with
 * expressions also after it, and a delete by id reads its row. To know of commits, the transactions that the model's
 * knex makes are watched; a savepoint that rolls back takes its `onCommit` callbacks along.
 *
 * @throws TypeError if an option is wrong; Error if the class has signals already.
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
