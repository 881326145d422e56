/**
 * The model signals: what an ORM adapter sends around every write. One instance of each per process, whatever loads the
 * library.
 */
import { modelKind, type Payload } from './core/model-signal.ts';
import type { ModelSignal, ModelSignalKind } from './core/model-types.ts';
import { Registry } from './core/registry.ts';
import { shared } from './core/shared.ts';
import { Signal } from './core/signal.ts';

// what a payload sent by hand may leave out beside what all may, less the keys whose default is undefined
const saved = (): Payload => ({ raw: false, updateFields: null, changes: null });
const deleted = ({ instance }: Payload): Payload => ({ origin: instance });
const related = (): Payload => ({ reverse: false });
const written = (): Payload => ({});

/**
 * Sent before an instance is written, for inserts and updates. Change `instance` to change what is saved; throw to veto
 * the write.
 *
 * @example
 * ```ts
 * class Customer { name = '' }
 * preSave.connect((sender, { instance }) => {
 *   instance.name = instance.name.toUpperCase()
 * }, { sender: Customer })
 *
 * const customer = Object.assign(new Customer(), { name: 'ada' })
 * preSave.send(Customer, { instance: customer }) // an adapter does this; a unit test may
 * customer.name // 'ADA'
 * ```
 */
export const preSave: ModelSignal<'preSave'> = /* @__PURE__ */ modelSignal('preSave', false, saved);

/**
 * Sent after an instance was written, inside the transaction. A throw propagates to the caller of the save and rolls
 * back with the transaction, if there is one. To act only once it has committed, connect with `afterCommit`, or call
 * `onCommit()`.
 *
 * @example
 * ```ts
 * class User { email = 'ada@example.org' }
 * const outbox: string[] = []
 * postSave.connect((sender, { instance, created }) => {
 *   if (created) outbox.push(instance.email)
 * }, { sender: User, afterCommit: true })
 *
 * postSave.send(User, { instance: new User(), created: true })
 * outbox // ['ada@example.org']
 * ```
 */
export const postSave: ModelSignal<'postSave'> = /* @__PURE__ */ modelSignal('postSave', true, saved);

/**
 * Sent before an instance is deleted, inside the transaction. Throw to veto.
 *
 * @example
 * ```ts
 * class Invoice { paid = true }
 * preDelete.connect((sender, { instance }) => {
 *   if (instance.paid) throw new Error('A paid invoice is kept')
 * }, { sender: Invoice })
 * preDelete.sendRobust(Invoice, { instance: new Invoice() })[0][1].status // 'rejected'
 * ```
 */
export const preDelete: ModelSignal<'preDelete'> = /* @__PURE__ */ modelSignal('preDelete', false, deleted);

/**
 * Sent after an instance was deleted, inside the transaction, its id still readable. Remove files and the like with
 * `afterCommit`: a delete that rolls back must not lose them.
 *
 * @example
 * ```ts
 * class Product { imageFile = 'lamp.png' }
 * const removed: string[] = []
 * postDelete.connect((sender, { instance }) => {
 *   removed.push(instance.imageFile)
 * }, { sender: Product, afterCommit: true })
 * postDelete.send(Product, { instance: new Product() })
 * removed // ['lamp.png']
 * ```
 */
export const postDelete: ModelSignal<'postDelete'> = /* @__PURE__ */ modelSignal('postDelete', true, deleted);

/**
 * Sent before and after the rows of a many-to-many relation change; see `action`.
 *
 * @example
 * ```ts
 * class Article {}
 * class Tag {}
 * const seen: string[] = []
 * m2mChanged.connect((sender, { action, pkSet }) => {
 *   seen.push(`${action} ${[...(pkSet ?? [])].join()}`)
 * }, { sender: Article })
 * m2mChanged.send(Article, { action: 'postAdd', instance: new Article(), model: Tag, pkSet: new Set([1, 2]) })
 * seen // ['postAdd 1,2']
 * ```
 */
export const m2mChanged: ModelSignal<'m2mChanged'> = /* @__PURE__ */ modelSignal('m2mChanged', true, related);

/**
 * Sent after a write that the ORM does not break down into instances, so that no save or delete signal is sent for its
 * rows.
 *
 * @example
 * ```ts
 * class User {}
 * const seen: string[] = []
 * postBulk.connect((sender, { operation, count }) => {
 *   seen.push(`${operation} ${count}`)
 * }, { sender: User })
 * postBulk.send(User, { operation: 'delete', count: 3 })
 * seen // ['delete 3']
 * ```
 */
export const postBulk: ModelSignal<'postBulk'> = /* @__PURE__ */ modelSignal('postBulk', true, written);

function modelSignal<TKind extends ModelSignalKind>(
  kind: TKind,
  comesAfter: boolean,
  defaults: (args: Payload) => Payload,
): ModelSignal<TKind> {
  const signals = shared('signals', () => new Map<string, Signal>());
  let signal = signals.get(kind);
  if (signal === undefined) {
    signal = new Signal(kind);
    new Registry(signal, modelKind(comesAfter, defaults)).takePlace();
    signals.set(kind, signal);
  }
  return signal as unknown as ModelSignal<TKind>;
}
