/**
 * TypeORM 1.x, and 0.3 from 0.3.20 on, with its SQL drivers: real saves send the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around `save()`, with `created`; around `insert()`, a signal for each row; around `softRemove()` and `recover()`, with `created: false` and the delete date in `updateFields`: the row is still there |
 * | `preDelete`, `postDelete` | around `remove()`, also for what it removes by `cascade: ['remove']`, and for rows that `orphanedRowAction: 'delete'` deletes |
 * | `m2mChanged` | around the junction rows that `save()` writes, and those that `relation().of().add()` inserts |
 * | `postBulk` | after `update()`, `delete()`, `softDelete()`, `restore()`, `increment()`, `decrement()`, `upsert()` and their query builders |
 *
 * Not seen: `query()`, `clear()`, `callListeners(false)`, `save(…, { listeners: false })`, foreign keys that the ORM
 * nulls for rows dropped from a one-to-many, and what the database itself does (`ON DELETE CASCADE`, triggers). Saving
 * an unchanged instance writes nothing and sends nothing. What a receiver reads through the DataSource is not
 * noticed as its writes are (`outside`), and waits for a connection as these would.
 */
import type { DataSource, EntityManager } from 'typeorm';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { attach } from './orm/typeorm/attach.ts';

export type { AdapterOptions, BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/**
 * Make a DataSource send the model signals for what is written through it.
 *
 * Receivers run one after the other in connect order, each awaited, also for many instances saved by one call. They run
 * inside the transaction of the write; `tx` is its `EntityManager`. A throw in a pre signal prevents the write, one in
 * a post signal rolls it back: `save()` and `remove()` open a transaction of their own, unless told not to, and so does
 * an `insert()` of several rows that have receivers. An `insert()` of one, `update()` and the like do not, so that what
 * a post receiver throws there leaves the row, unless you opened a transaction.
 *
 * What waits for a commit runs when the query runner has been released. With one of your own, neither
 * `commitTransaction()` nor `release()` waits for it.
 *
 * In `postDelete` `instance` is a copy that still has its id, for TypeORM takes it off the original, which is `origin`.
 *
 * A model without receivers costs no query, no transaction and no copying. `m2mChanged` reads the junction rows there
 * are before `preAdd`, if someone listens.
 *
 * @param dataSource - before or after `initialize()`
 * @returns a `Disposable` that leaves the DataSource as it was
 * @throws TypeError if an option is wrong, or TypeORM not supported; Error if signals are attached to this DataSource
 *   already
 * @example
 * ```ts
 * const dataSource = new DataSource({ type: 'sqljs', entities: [User], synchronize: true })
 * attachSignals(dataSource)
 *
 * postSave.connect(async (sender, { instance, created, tx }) => {
 *   if (created) await tx.save(Profile, { user: instance })
 * }, { sender: User })
 * ```
 */
export function attachSignals(dataSource: DataSource, options?: AdapterOptions): Disposable {
  return attach(dataSource, options);
}

/** `preSave`, with `tx` typed as TypeORM's `EntityManager`. */
export const preSave: ModelSignal<'preSave', EntityManager> = models.preSave as ModelSignal<'preSave', EntityManager>;
/** `postSave`, with `tx` typed as TypeORM's `EntityManager`. */
export const postSave: ModelSignal<'postSave', EntityManager> = models.postSave as ModelSignal<
  'postSave',
  EntityManager
>;
/** `preDelete`, with `tx` typed as TypeORM's `EntityManager`. */
export const preDelete: ModelSignal<'preDelete', EntityManager> = models.preDelete as ModelSignal<
  'preDelete',
  EntityManager
>;
/** `postDelete`, with `tx` typed as TypeORM's `EntityManager`. */
export const postDelete: ModelSignal<'postDelete', EntityManager> = models.postDelete as ModelSignal<
  'postDelete',
  EntityManager
>;
/** `m2mChanged`, with `tx` typed as TypeORM's `EntityManager`. */
export const m2mChanged: ModelSignal<'m2mChanged', EntityManager> = models.m2mChanged as ModelSignal<
  'm2mChanged',
  EntityManager
>;
/** `postBulk`, with `tx` typed as TypeORM's `EntityManager`. */
export const postBulk: ModelSignal<'postBulk', EntityManager> = models.postBulk as ModelSignal<
  'postBulk',
  EntityManager
>;
