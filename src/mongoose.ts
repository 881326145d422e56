/**
 * Mongoose 8, from 8.16 on, and 9: saving and deleting documents sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `save()` and `Model.create()`, and for each document of `Model.insertMany()` and `bulkSave()`; also for an unchanged document, with empty `updateFields` |
 * | `preDelete`, `postDelete` | around `document.deleteOne()` |
 * | `postBulk` | after queries that write documents nobody has loaded: `updateOne()`, `updateMany()`, `replaceOne()`, `findOneAnd…()`, `deleteOne()`, `deleteMany()`; and `bulkWrite()` |
 *
 * Not seen: `Model.collection`, the driver. Subdocuments send no signals of their own. MongoDB has no savepoints:
 * `onCommit` belongs to the transaction as a whole.
 */
import type { ClientSession } from 'mongoose';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import { type AdapterOptions, parseAdapterOptions } from './orm/adapter-options.ts';
import { makePlugin, type Plugin } from './orm/mongoose/plugin.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `signals()`. */
export interface SignalsOptions extends AdapterOptions {
  /**
   * Give a `save()` or `deleteOne()` that has receivers a transaction of its own, if it is in none: what a post
   * receiver throws then undoes the write. Needs a replica set. Default `false`: MongoDB writes single documents
   * without one.
   */
  readonly atomic?: boolean;
  /**
   * Read a document before it is updated, so that `changes` can tell the old values. Default `true`; with `false`,
   * `changes` is null.
   */
  readonly beforeImage?: boolean;
}

/**
 * The plugin: `mongoose.plugin(signals())`, **before** any model is compiled, for Mongoose applies plugins when it
 * compiles.
 *
 * The sender is the model, `instance` the document, `tx` the `ClientSession` if there is one: pass it on, `{ session:
 * tx }`. Receivers run one after the other in connect order, each awaited. `preSave` comes after validation, which so
 * does not see what receivers change. Documents that are saved at the same time outside a session, as by
 * `Model.create([…])` without `ordered: true`, are independent of each other.
 *
 * A throw in a pre signal prevents the write. One in a post signal propagates and undoes it in a transaction: yours, or
 * with `atomic`.
 *
 * A model without receivers costs nothing. With receivers an update reads the document first; see `beforeImage`.
 *
 * @returns the plugin, a `Disposable` that switches it off. Mongoose cannot unregister a plugin.
 * @throws TypeError if an option is wrong, and where a model is compiled, for a version of Mongoose that is not
 *   supported.
 * @example
 * ```ts
 * const mongoose = new Mongoose()
 * mongoose.plugin(signals({ using: 'shop' }))
 * const User = mongoose.model('User', new mongoose.Schema({ name: String }))
 *
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) console.log('welcome', instance)
 * }, { sender: User })
 * ```
 */
export function signals(options?: SignalsOptions): Plugin {
  return makePlugin(parseAdapterOptions(options, 'signals()', { atomic: false, beforeImage: true }));
}

type Tx = ClientSession | undefined;
/** `preSave`, with `tx` typed as the `ClientSession`, if there is one. */
export const preSave: ModelSignal<'preSave', Tx> = models.preSave as ModelSignal<'preSave', Tx>;
/** `postSave`, with `tx` typed as the `ClientSession`, if there is one. */
export const postSave: ModelSignal<'postSave', Tx> = models.postSave as ModelSignal<'postSave', Tx>;
/** `preDelete`, with `tx` typed as the `ClientSession`, if there is one. */
export const preDelete: ModelSignal<'preDelete', Tx> = models.preDelete as ModelSignal<'preDelete', Tx>;
/** `postDelete`, with `tx` typed as the `ClientSession`, if there is one. */
export const postDelete: ModelSignal<'postDelete', Tx> = models.postDelete as ModelSignal<'postDelete', Tx>;
/** `postBulk`, with `tx` typed as the `ClientSession`, if there is one. */
export const postBulk: ModelSignal<'postBulk', Tx> = models.postBulk as ModelSignal<'postBulk', Tx>;
