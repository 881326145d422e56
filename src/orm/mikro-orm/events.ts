import type { EntityManager, EventArgs, EventManager } from '@mikro-orm/core';
import type { ModelSignal } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { currentCall, currentCause, runCausedBy } from '../causal-context.ts';
import { differenceOf } from '../difference.ts';
import { INSERTED } from '../inserted.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, isIdle, type MikroOrmAdapter } from './adapter.ts';
import { BulkCall } from './calls.ts';
import { changeSetsOf, updateOf } from './changes.ts';

type Event = EventArgs<object>;
type Metadata = Event['meta'];
type Values = Record<string, unknown>;

interface EntityEvent {
  readonly signal: ModelSignal<'preSave' | 'postSave' | 'preDelete' | 'postDelete'>;
  readonly isBefore: boolean;
  readonly args: (event: Event) => object;
}
const inserted = ({ entity }: Event): object => ({ instance: entity, ...INSERTED });
const updated = (event: Event): object => ({ instance: event.entity, raw: false, created: false, ...updateOf(event) });
const deleted = ({ entity }: Event): object => ({ instance: entity, origin: entity });

const ENTITY_EVENTS: Readonly<Record<string, EntityEvent>> = {
  beforeCreate: { signal: preSave, isBefore: true, args: inserted },
  afterCreate: { signal: postSave, isBefore: false, args: inserted },
  beforeUpdate: { signal: preSave, isBefore: true, args: updated },
  afterUpdate: { signal: postSave, isBefore: false, args: updated },
  beforeDelete: { signal: preDelete, isBefore: true, args: deleted },
  afterDelete: { signal: postDelete, isBefore: false, args: deleted },
};

type Dispatch = (this: EventManager, event: string, args: Event, meta?: Metadata) => unknown;
type Ask = (this: EventManager, event: string, meta: Metadata) => boolean;

/** Whose events an event manager dispatches. */
const adapters = new WeakMap<EventManager, MikroOrmAdapter>();

/** Have the app's own hooks hear nothing of an EntityManager, which must have an event manager of its own. */
export function silence(em: EntityManager): void {
  Object.assign(em.getEventManager(), { hasListeners: () => false, dispatchEvent: () => undefined });
}

/**
 * Send for what a flush writes. Nothing is registered: MikroORM cannot unregister a subscriber, and while one listens
 * to an event, each entity is read twice as often. So its event manager is asked each time whether there are receivers.
 * Returns what ends that.
 */
export function interceptEvents(em: EntityManager): () => void {
  const events = em.getEventManager();
  let ask: Ask;
  const undo = [
    patch(ownerOf(events, 'hasListeners'), 'hasListeners', (original) => {
      ask = original as unknown as Ask;
      return function (this: EventManager, event: string, meta: Metadata): boolean {
        return ask.call(this, event, meta) || hasReceivers(this, event, meta);
      };
    }),
    patch(ownerOf(events, 'dispatchEvent'), 'dispatchEvent', (original) => {
      const natively = original as unknown as Dispatch;
      return function (this: EventManager, name: string, event: Event, meta?: Metadata): unknown {
        const handler = HANDLERS[name];
        const adapter = handler === undefined ? undefined : attached.get(event.em.config);
        if (handler === undefined || adapter === undefined) return natively.call(this, name, event, meta);
        adapters.set(this, adapter);
        if (isIdle()) return natively.call(this, name, event, meta);
        // Where MikroORM would not have asked for it, the app's own hooks may hear more than they would.
        const { meta: of } = event as Partial<Event>;
        const isNative = of === undefined || ask.call(this, name, of);
        return dispatch(
          () => (isNative ? natively.call(this, name, event, meta) : undefined),
          () => handler(adapter, event, name),
        );
      };
    }),
  ];
  return () => {
    for (const step of undo) step();
  };
}

/** The app's own hooks come first; what they write are calls of their own. */
async function dispatch(natively: () => unknown, handle: () => Promise<void> | undefined): Promise<void> {
  await (currentCall() === undefined ? natively() : runCausedBy(currentCause(), natively));
  await handle();
}

type Handler = (adapter: MikroOrmAdapter, event: Event, name: string) => Promise<void> | undefined;

const HANDLERS: Readonly<Record<string, Handler>> = {
  beforeFlush: () => undefined,
  onFlush: checkFlush,
  afterUpsert: countUpsert,
  ...Object.fromEntries(Object.keys(ENTITY_EVENTS).map((name) => [name, send])),
};

function hasReceivers(manager: EventManager, event: string, meta: Metadata): boolean {
  const signal = ENTITY_EVENTS[event]?.signal;
  if (signal === undefined && event !== 'afterUpsert') return false;
  const adapter = adapters.get(manager);
  // It may have been detached since.
  if (adapter === undefined || attached.get(adapter.orm.config) !== adapter) return false;
  if (signal === undefined) return currentCall() instanceof BulkCall;
  if (signal.hasListeners(meta.class)) return true;
  return meta.inheritanceType === 'tpt' && adapter.familyOf(meta.class).some((each) => signal.hasListeners(each));
}

/** Have what an EntityManager upserts in the current call counted. */
export function watchUpserts(adapter: MikroOrmAdapter, em: EntityManager): void {
  adapters.set(em.getContext(false).getEventManager(), adapter);
}

/** A flush that writes nothing asks for no connection. */
function checkFlush(adapter: MikroOrmAdapter, { em }: Event): Promise<void> | undefined {
  if (currentCause() === undefined) return undefined;
  const unit = em.getUnitOfWork(false);
  const changed = new Set(unit.getChangeSets().map(({ meta }) => meta.className));
  if (changed.size + unit.getCollectionUpdates().length + unit.getExtraUpdates().size === 0) return undefined;
  return adapter.checkOutside(em.getTransactionContext<object>(), () => `flush() of ${[...changed].join(', ')}`);
}

function countUpsert(): undefined {
  const call = currentCall();
  if (call instanceof BulkCall) call.upserted++;
}

async function send(adapter: MikroOrmAdapter, event: Event, name: string): Promise<void> {
  const { signal, isBefore, args } = ENTITY_EVENTS[name] as EntityEvent;
  const changeSets = changeSetsOf(event);
  if (event.changeSet !== changeSets.at(isBefore ? 0 : -1)) return;
  const sender = (changeSets.at(-1)?.meta ?? event.meta).class;
  if (changeSets.length === 1) return adapter.send(signal, sender, event.em, () => args(event));
  // What a receiver changes is compared by MikroORM for the table of this event only.
  const comparator = event.em.getComparator();
  const before = comparator.prepareEntity(event.entity) as Values;
  await adapter.send(signal, sender, event.em, () => args(event));
  const after = comparator.prepareEntity(event.entity) as Values;
  const { updateFields } = differenceOf(before, after);
  for (const { meta, payload } of changeSets) {
    for (const { name: field } of meta.ownProps ?? [])
      if (updateFields.has(field)) (payload as Values)[field] = after[field];
  }
}
