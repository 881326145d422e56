import type { EntitySubscriberInterface, RemoveEvent, UpdateEvent } from 'typeorm';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import { doomedError } from '../write-scope.ts';
import type { TypeormAdapter, WriteLocation } from './adapter.ts';
import { currentOrmCall } from './calls.ts';
import { type Deletion, deletionOf, deliveredCopy, forgetOrphans, whoIsDeleted } from './deletions.ts';
import { dateChangeOf, updateOf } from './fields.ts';
import { JunctionWatcher } from './junctions.ts';
import type { RawResult } from './transactions.ts';

type Event = Pick<RemoveEvent<unknown>, 'queryRunner' | 'manager' | 'metadata'> & {
  readonly entity?: unknown;
  readonly databaseEntity?: unknown;
};

/** What TypeORM is told to call. One subscriber per concern, each only for models that have receivers. */
export function subscribers(adapter: TypeormAdapter): EntitySubscriberInterface[] {
  const concerns = [beforeSaves, afterSaves, deletions, junctions, statements, transactions];
  return concerns.map((concern) => concern(adapter));
}

/** Not with those after: a subscriber that TypeORM calls before a write makes it look for changes once more. */
function beforeSaves(adapter: TypeormAdapter): EntitySubscriberInterface {
  const before = (event: Event, args: () => object): Promise<void> | undefined =>
    send(adapter, preSave, event, () => adapter.locationBefore(event), args);
  return {
    listenTo: audience(preSave),
    beforeInsert: (event) => before(event, () => ({ instance: event.entity as unknown, ...INSERTED })),
    beforeUpdate: (event) => (isLoaded(event) ? before(event, () => updateOf(event, 'before')) : undefined),
    // A soft removal or recovery is an update of the delete date.
    beforeSoftRemove: (event) => before(event, () => dateChangeOf(event, 'before')),
    beforeRecover: (event) => before(event, () => dateChangeOf(event, 'before')),
  };
}

function afterSaves(adapter: TypeormAdapter): EntitySubscriberInterface {
  const after = (event: Event, args: () => object): Promise<void> | undefined =>
    send(adapter, postSave, event, () => adapter.locationAfter(event), args);
  return {
    listenTo: audience(postSave),
    afterInsert: (event) => after(event, () => ({ instance: event.entity as unknown, ...INSERTED })),
    afterUpdate: (event) => (isLoaded(event) ? after(event, () => updateOf(event, 'after')) : undefined),
    afterSoftRemove: (event) => after(event, () => dateChangeOf(event, 'after')),
    afterRecover: (event) => after(event, () => dateChangeOf(event, 'after')),
  };
}

/** Of instances only: junction rows and what query builders write have signals of their own. */
function send<TKind extends ModelSignalKind>(
  adapter: TypeormAdapter,
  signal: ModelSignal<TKind>,
  event: Event,
  location: () => WriteLocation,
  args: () => object,
): Promise<void> | undefined {
  const { target } = event.metadata;
  if (!isInstance(event) || !signal.hasListeners(target)) return undefined;
  return adapter.send(signal, target, location(), args);
}

function deletions(adapter: TypeormAdapter): EntitySubscriberInterface {
  return {
    listenTo: audience(preDelete, postDelete),
    beforeRemove: (event) => {
      const deletion = isOfBuilder() ? undefined : deletionOf(event);
      return deletion === undefined ? undefined : sendPreDelete(adapter, event, deletion);
    },
    afterRemove: (event) => {
      const deletion = isOfBuilder() ? undefined : deletionOf(event);
      if (deletion === undefined || !postDelete.hasListeners(event.metadata.target)) return undefined;
      return adapter.send(postDelete, event.metadata.target, adapter.locationAfter(event), () => {
        const instance = deliveredCopy(deletion);
        return { instance, origin: deletion.origin ?? instance };
      });
    },
  };
}

async function sendPreDelete(adapter: TypeormAdapter, event: Event, deletion: Deletion): Promise<void> {
  const location = adapter.locationBefore(event);
  const instance = await whoIsDeleted(deletion, location.call);
  await adapter.send(preDelete, event.metadata.target, location, { instance, origin: deletion.origin ?? instance });
}

function junctions(adapter: TypeormAdapter): EntitySubscriberInterface {
  const watcher = new JunctionWatcher(adapter);
  return {
    listenTo: target((name) => watcher.concerns(name)),
    beforeInsert: (event) => watcher.row('preAdd', event),
    afterInsert: (event) => watcher.row('postAdd', event),
    beforeRemove: (event) => watcher.row('preRemove', event),
    afterRemove: (event) => watcher.row('postRemove', event),
  };
}

function statements({ transactions: registry }: TypeormAdapter): EntitySubscriberInterface {
  return {
    beforeQuery: ({ queryRunner, query }) => {
      registry.issued(queryRunner, query);
    },
    afterQuery: ({ queryRunner, query, success, rawResults, error }) => {
      if (!success) {
        registry.refused(queryRunner, query, error);
        return undefined;
      }
      return registry.answered(queryRunner, query, Object(rawResults) as RawResult);
    },
  };
}

/** TypeORM tells of savepoints as of transactions, when their depth has changed already. */
function transactions({ transactions: registry }: TypeormAdapter): EntitySubscriberInterface {
  return {
    beforeTransactionStart: ({ queryRunner }) => {
      registry.starting(queryRunner);
    },
    afterTransactionStart: ({ queryRunner }) => {
      registry.started(queryRunner);
    },
    afterTransactionCommit: ({ queryRunner }) => {
      const transaction = registry.finished(queryRunner, true);
      if (transaction === undefined) return undefined;
      const call = currentOrmCall();
      if (call?.began !== transaction) return transaction.isFree ? registry.settle(transaction) : undefined;
      // A transaction of the app's own ends as it would without signals.
      const isOwn = call.method !== 'transaction';
      return isOwn && transaction.isDoomed && transaction.isUsed ? Promise.reject(doomedError()) : undefined;
    },
    afterTransactionRollback: ({ queryRunner, manager }) => {
      forgetOrphans(manager);
      const transaction = registry.finished(queryRunner, false);
      if (transaction?.isFree !== true || currentOrmCall()?.began === transaction) return undefined;
      return registry.settle(transaction);
    },
  };
}

/**
 * TypeORM calls a subscriber for the class that `listenTo()` returns and for its subclasses, which it finds by asking
 * that class `isPrototypeOf(target)`. This one answers for each target whether anyone listens, and so a model without
 * receivers costs nothing.
 */
function audience(...signals: readonly ModelSignal<ModelSignalKind>[]): () => never {
  return target((sender) => signals.some((signal) => signal.hasListeners(sender)));
}

function target(concerns: (sender: unknown) => boolean): () => never {
  const listenedTo = { isPrototypeOf: concerns } as never;
  return () => listenedTo;
}

/** An event about one instance, and not about junction rows or a query builder's write. */
function isInstance({ entity, metadata }: Event): boolean {
  return entity !== undefined && entity !== null && !metadata.isJunction && !isOfBuilder();
}

/** What query builders write is told by what has intercepted them. */
function isOfBuilder(): boolean {
  const call = currentOrmCall();
  return call !== undefined && !call.persists;
}

/**
 * An update of an instance that was loaded for it. A query builder's has nothing to compare with; nor has the second
 * half of an insert, when rows that refer to each other are inserted and then updated, and that is one save.
 */
function isLoaded(event: UpdateEvent<unknown>): boolean {
  return event.databaseEntity !== undefined;
}
