import type { EntityMetadata, EntitySubscriberInterface, RemoveEvent, UpdateEvent } from 'typeorm';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import { inTurn } from '../lane.ts';
import { depthOf, surroundingsOf, type TypeormAdapter } from './adapter.ts';
import { isBuilderRow } from './builders.ts';
import { deletionOf, deliveredCopy, forgetOrphans, whoIsDeleted } from './deletions.ts';
import { fieldsOf } from './fields.ts';
import { JunctionWatcher } from './junctions.ts';
import { transactionCommitted, transactionStarted } from './manager.ts';

type Event = Pick<RemoveEvent<unknown>, 'queryRunner' | 'manager' | 'metadata'>;

/** What TypeORM is told to call. One subscriber per concern, each only for models that have receivers. */
export function subscribers(adapter: TypeormAdapter): EntitySubscriberInterface[] {
  return [beforeSaves(adapter), afterSaves(adapter), deletions(adapter), junctions(adapter), transactions(adapter)];
}

function beforeSaves(adapter: TypeormAdapter): EntitySubscriberInterface {
  return {
    listenTo: audience(preSave),
    beforeInsert: (event) => {
      if (!isInstance(event) || isBuilderRow(event.entity)) return undefined;
      return send(adapter, preSave, event, () => ({ instance: event.entity as unknown, ...INSERTED }));
    },
    beforeUpdate: (event) => {
      if (!isLoaded(event)) return undefined;
      return send(adapter, preSave, event, () => ({
        instance: event.entity,
        raw: false,
        created: false,
        ...fieldsOf(event),
      }));
    },
    beforeSoftRemove: (event) => beforeDateChange(adapter, event),
    beforeRecover: (event) => beforeDateChange(adapter, event),
  };
}

function afterSaves(adapter: TypeormAdapter): EntitySubscriberInterface {
  return {
    listenTo: audience(postSave),
    afterInsert: (event) => {
      if (!isInstance(event) || isBuilderRow(event.entity)) return undefined;
      return send(adapter, postSave, event, () => ({ instance: event.entity as unknown, ...INSERTED }));
    },
    afterUpdate: (event) => {
      if (!isLoaded(event)) return undefined;
      const fields = fieldsOf(event);
      return send(adapter, postSave, event, () => ({ instance: event.entity, raw: false, created: false, ...fields }));
    },
    afterSoftRemove: (event) => afterDateChange(adapter, event),
    afterRecover: (event) => afterDateChange(adapter, event),
  };
}

/** A soft removal or recovery is an update of the delete date; only in the post signal is the new date known. */
function beforeDateChange(adapter: TypeormAdapter, event: DateEvent): Promise<void> | undefined {
  if (!isInstance(event)) return undefined;
  const { updateFields } = fieldsOf(asUpdate(event));
  return send(adapter, preSave, event, () => ({
    instance: event.entity,
    raw: false,
    created: false,
    updateFields,
    changes: null,
  }));
}

function afterDateChange(adapter: TypeormAdapter, event: DateEvent): Promise<void> | undefined {
  if (!isInstance(event)) return undefined;
  const fields = fieldsOf(asUpdate(event));
  return send(adapter, postSave, event, () => ({ instance: event.entity, raw: false, created: false, ...fields }));
}

type DateEvent = Event & { readonly entity?: unknown; readonly databaseEntity?: unknown };

function asUpdate(event: DateEvent): UpdateEvent<unknown> {
  const { deleteDateColumn } = event.metadata;
  return {
    ...event,
    updatedColumns: deleteDateColumn === undefined ? [] : [deleteDateColumn],
    updatedRelations: [],
  } as unknown as UpdateEvent<unknown>;
}

function deletions(adapter: TypeormAdapter): EntitySubscriberInterface {
  return {
    listenTo: audience(preDelete, postDelete),
    beforeRemove: (event) => {
      const deletion = deletionOf(event);
      if (deletion === undefined) return undefined;
      return inTurn(event.queryRunner, async () => {
        const instance = await whoIsDeleted(deletion);
        await adapter.send(preDelete, event.metadata.target, surroundingsOf(event), {
          instance,
          origin: deletion.origin ?? instance,
        });
      });
    },
    afterRemove: (event) => {
      const deletion = deletionOf(event);
      if (deletion === undefined) return undefined;
      return inTurn(event.queryRunner, async () => {
        if (!postDelete.hasListeners(event.metadata.target)) return;
        const instance = deliveredCopy(deletion);
        await adapter.send(postDelete, event.metadata.target, surroundingsOf(event), {
          instance,
          origin: deletion.origin ?? instance,
        });
      });
    },
  };
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

/**
 * TypeORM tells of savepoints as of transactions, when their depth has changed already. A commit is told after the
 * fact, so that nothing here may throw; and when nothing waits for it, nothing here may cost.
 */
function transactions(adapter: TypeormAdapter): EntitySubscriberInterface {
  return {
    afterTransactionStart: ({ queryRunner }) => {
      const queue = adapter.waitingFor(queryRunner);
      const depth = depthOf(queryRunner);
      if (depth > 1) {
        queue?.enter(depth);
      } else {
        // what a lost connection left behind
        queue?.clear();
        transactionStarted(queryRunner);
      }
    },
    afterTransactionCommit: ({ queryRunner }) => {
      const queue = adapter.waitingFor(queryRunner);
      // a savepoint in which nothing waits has no list
      if (queue === undefined || queue.depth <= depthOf(queryRunner)) return undefined;
      return transactionCommitted(queryRunner, queue.commit());
    },
    afterTransactionRollback: ({ queryRunner, manager }) => {
      forgetOrphans(manager);
      const queue = adapter.waitingFor(queryRunner);
      if (queue !== undefined && queue.depth > depthOf(queryRunner)) queue.rollback();
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

function send<TKind extends ModelSignalKind>(
  adapter: TypeormAdapter,
  signal: ModelSignal<TKind>,
  event: Event,
  args: () => object,
): Promise<void> {
  return adapter.sendInTurn(signal, event.metadata.target, surroundingsOf(event), args);
}

/** An event about one instance, and not about junction rows or a query builder's write. */
function isInstance(event: { readonly entity?: unknown; readonly metadata: EntityMetadata }): boolean {
  return event.entity !== undefined && event.entity !== null && !event.metadata.isJunction;
}

/**
 * An update of an instance that was loaded for it. A query builder's has nothing to compare with; nor has the second
 * half of an insert, when rows that refer to each other are inserted and then updated, and that is one save.
 */
function isLoaded(event: UpdateEvent<unknown>): boolean {
  return isInstance(event) && event.databaseEntity !== undefined;
}
