import type { EntityManager, EventArgs, EventSubscriber } from '@mikro-orm/core';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { runAll } from '../commit-queue.ts';
import { type Difference, differenceOf, fieldsOnly } from '../difference.ts';
import { INSERTED } from '../inserted.ts';
import type { MikroOrmAdapter } from './adapter.ts';

type Event = EventArgs<object>;
/** Its transaction is any in MikroORM's types. */
interface TransactionEvent {
  readonly em: EntityManager;
  readonly transaction?: object;
}

/** What MikroORM is told to call. It calls one after the other, awaits each, and writes what they change. */
export function subscriberOf(adapter: MikroOrmAdapter): EventSubscriber {
  /** What surrounds the transaction that is being begun: MikroORM tells it before, and the new one after. */
  const surrounding = new WeakMap<EntityManager, object>();
  const saved = ({ entity, changeSet }: Event, created: boolean): object => ({
    instance: entity,
    raw: false,
    created,
    ...(created ? INSERTED : changesOf(changeSet)),
  });
  const deleted = ({ entity }: Event): object => ({ instance: entity, origin: entity });
  return {
    beforeCreate: (event: Event) => adapter.send(preSave, event.meta.class, event.em, () => saved(event, true)),
    afterCreate: (event: Event) => adapter.send(postSave, event.meta.class, event.em, () => saved(event, true)),
    beforeUpdate: (event: Event) => adapter.send(preSave, event.meta.class, event.em, () => saved(event, false)),
    afterUpdate: (event: Event) => adapter.send(postSave, event.meta.class, event.em, () => saved(event, false)),
    beforeDelete: (event: Event) => adapter.send(preDelete, event.meta.class, event.em, () => deleted(event)),
    afterDelete: (event: Event) => adapter.send(postDelete, event.meta.class, event.em, () => deleted(event)),

    beforeTransactionStart: ({ em, transaction }: TransactionEvent) => {
      if (transaction === undefined) surrounding.delete(em);
      else surrounding.set(em, transaction);
    },
    afterTransactionStart: ({ em, transaction }: TransactionEvent) => {
      if (transaction !== undefined) adapter.begin(transaction, surrounding.get(em));
    },
    afterTransactionCommit: async ({ transaction }: TransactionEvent) => {
      const queue = transaction && adapter.end(transaction);
      if (queue !== undefined) await runAll(queue.commit());
    },
    beforeTransactionRollback: ({ transaction }: TransactionEvent) => {
      if (transaction !== undefined) adapter.end(transaction)?.rollback();
    },
  };
}

/** What an update writes, as MikroORM compares it: relations by their keys, embedded objects by column. */
function changesOf(changeSet: Event['changeSet']): Difference {
  const { payload = {}, originalEntity } = (changeSet ?? {}) as {
    payload?: Record<string, unknown>;
    originalEntity?: Record<string, unknown>;
  };
  return originalEntity === undefined ? fieldsOnly(Object.keys(payload)) : differenceOf(originalEntity, payload);
}
