/**
 * MikroORM 7: flushing entities sends the model signals.
 *
 * | signal | sent |
 * |---|---|
 * | `preSave`, `postSave` | around the insert or update of each entity that `flush()` writes, cascaded ones included; an unchanged entity sends nothing, as MikroORM writes nothing |
 * | `preDelete`, `postDelete` | around the delete of each entity that `flush()` removes, orphans and those that MikroORM cascades to included |
 * | `postBulk` | after `em.insert()`, `insertMany()`, `clone()`, `upsert()`, `upsertMany()`, `nativeUpdate()` and `nativeDelete()`, and what a query builder inserts, updates, deletes or truncates, of which `where` and `values` are not told |
 *
 * Not seen: `getKysely()`, `execute()`, and what the database itself does, such as `ON DELETE CASCADE`.
 * The rows of a pivot table are no entities and send nothing.
 *
 * `bulk: 'individual'` covers `nativeUpdate()` and `nativeDelete()` by plain conditions and values, without options and
 * filters, of entities with one key and without embedded, lazy or computed properties; others stay bulk writes. The
 * app's own hooks hear neither of its transaction nor of its instances: no `onLoad` runs for them.
 *
 * Savepoints are known on SQLite, PostgreSQL, MySQL and MariaDB.
 */
import type { EntityManager, MikroORM } from '@mikro-orm/core';
import type { ModelSignal } from './core/model-types.ts';
import * as models from './models.ts';
import type { AdapterOptions } from './orm/adapter-options.ts';
import { attach } from './orm/mikro-orm/attach.ts';

export type { BulkPolicy, OutsidePolicy } from './orm/adapter-options.ts';

/** The options of `attachSignals()`. */
export type SignalsOptions = AdapterOptions;

/**
 * Make a MikroORM send the model signals for what its entity managers write.
 *
 * The sender is the entity class. `tx` is an `EntityManager` of its own in the same transaction: `persist()` and
 * `flush()` there, which sends signals in turn. The one that is flushing cannot flush again, and would lose what it is
 * given to persist. Receivers run one after the other in connect order, each awaited.
 *
 * What `preSave` changes on `instance` is written; changes of other entities are not, unless they are made through
 * `tx`. A throw in any of the four signals propagates and rolls the flush back.
 *
 * `updateFields` and `changes` hold what MikroORM compares: relations by their keys, embedded objects by their columns,
 * dates as the database stores them. Adds no queries, but one before a `COMMIT` after a query has failed. A savepoint
 * that rolls back takes its `onCommit` callbacks along.
 *
 * What waits for a commit runs when `flush()`, `transactional()` or `commit()` is done, awaited by it; `orm.em` is then
 * the one of the request, or a fork of its own where there is none.
 *
 * @returns a `Disposable` that switches it off, and leaves nothing behind.
 * @throws TypeError if an option is wrong, or MikroORM is another version than 7; Error if signals are attached to this
 * MikroORM already.
 * @example
 * ```ts
 * const attached = attachSignals(orm)
 *
 * postSave.connect(async (sender, { instance, created, tx }) => {
 *   if (created) await tx.persist(tx.create(Profile, { userId: instance.id })).flush()
 * }, { sender: User })
 *
 * const em = orm.em.fork()
 * await em.persist(em.create(User, { name: 'Ada' })).flush()
 * await em.count(Profile) // 1
 *
 * attached[Symbol.dispose]()
 * ```
 */
export function attachSignals(orm: MikroORM, options?: SignalsOptions): Disposable {
  return attach(orm, options);
}

type Tx = EntityManager;
/** `preSave`, with `tx` typed as the `EntityManager`. */
export const preSave: ModelSignal<'preSave', Tx> = models.preSave as ModelSignal<'preSave', Tx>;
/** `postSave`, with `tx` typed as the `EntityManager`. */
export const postSave: ModelSignal<'postSave', Tx> = models.postSave as ModelSignal<'postSave', Tx>;
/** `preDelete`, with `tx` typed as the `EntityManager`. */
export const preDelete: ModelSignal<'preDelete', Tx> = models.preDelete as ModelSignal<'preDelete', Tx>;
/** `postDelete`, with `tx` typed as the `EntityManager`. */
export const postDelete: ModelSignal<'postDelete', Tx> = models.postDelete as ModelSignal<'postDelete', Tx>;
/** `postBulk`, with `tx` typed as the `EntityManager`. */
export const postBulk: ModelSignal<'postBulk', Tx> = models.postBulk as ModelSignal<'postBulk', Tx>;
