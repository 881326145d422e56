/**
 * Sequelize 6: saving and destroying instances sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `save()`, `create()`, `instance.update()`, `findOrCreate()`, and `bulkCreate()` for each instance; around `destroy()` and `restore()` of a paranoid model, with the delete date in `updateFields`: the row is still there |
 * | `preDelete`, `postDelete` | around `destroy()` of an instance |
 * | `postBulk` | after `Model.update()`, `Model.destroy()`, `Model.truncate()`, `Model.restore()`, `upsert()`, `increment()`, `decrement()`, and `bulkCreate()` with `updateOnDuplicate` or `ignoreDuplicates` |
 *
 * Not seen: `query()`, the query interface, `{ hooks: false }`, and what the database itself does.
 * Many-to-many relations are written through `bulkCreate()` and `destroy()` of their through model, whose signals are
 * sent; `m2mChanged` is not. An unchanged instance sends `preSave`, and `postSave` only if a receiver changed it, for
 * nothing is written else.
 */
import type { Sequelize, Transaction } from 'sequelize';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { attach } from './orm/sequelize/attach.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `attachSignals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a `save()`, `destroy()` or `restore()` of an instance that has receivers a transaction of its own, if it is in
   * none, and a `bulkCreate()` one for all of its rows: what a post receiver throws then undoes the write, and a call
   * that fails midway leaves none of its rows. Default `false`, as Sequelize.
   */
  readonly atomic?: boolean;
}

/**
 * Make a Sequelize send the model signals for what is written through its models.
 *
 * The sender is the model class, also of what is written through its scopes and schemas; `tx` the `Transaction` if
 * there is one: pass it on, `{ transaction: tx }`. Receivers run one after the other in connect order, each awaited; in
 * a transaction also for many instances written by one call. `preSave` comes after validation; what receivers change
 * is validated again and saved, also beside `save({ fields })`.
 *
 * A throw in a pre signal prevents the write. One in a post signal propagates, and undoes it in a transaction: yours,
 * or with `atomic`. A write outside a transaction adds no queries, but with `bulk: 'individual'`, `atomic`, or a
 * receiver that sets what `bulkCreate({ fields })` leaves out; a model without receivers costs nothing.
 *
 * @returns a `Disposable` that leaves the Sequelize as it was.
 * @throws TypeError if an option is wrong; Error if signals are attached to this Sequelize already.
 * @example
 * ```ts
 * const attached = attachSignals(sequelize, { atomic: true })
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) console.log('welcome', instance)
 * }, { sender: User })
 *
 * attached[Symbol.dispose]()
 * ```
 */
export function attachSignals(sequelize: Sequelize, options?: SignalsOptions): Disposable {
  return attach(sequelize, options);
}

type Tx = Transaction | undefined;
/** `preSave`, with `tx` typed as the `Transaction`, if there is one. */
export const preSave: ModelSignal<'preSave', Tx> = models.preSave as ModelSignal<'preSave', Tx>;
/** `postSave`, with `tx` typed as the `Transaction`, if there is one. */
export const postSave: ModelSignal<'postSave', Tx> = models.postSave as ModelSignal<'postSave', Tx>;
/** `preDelete`, with `tx` typed as the `Transaction`, if there is one. */
export const preDelete: ModelSignal<'preDelete', Tx> = models.preDelete as ModelSignal<'preDelete', Tx>;
/** `postDelete`, with `tx` typed as the `Transaction`, if there is one. */
export const postDelete: ModelSignal<'postDelete', Tx> = models.postDelete as ModelSignal<'postDelete', Tx>;
/** `postBulk`, with `tx` typed as the `Transaction`, if there is one. */
export const postBulk: ModelSignal<'postBulk', Tx> = models.postBulk as ModelSignal<'postBulk', Tx>;
