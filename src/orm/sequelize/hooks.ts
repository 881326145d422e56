import type { Model, ModelStatic } from 'sequelize';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import { modelOf, type Operation, senderOf, type SequelizeAdapter } from './adapter.ts';
import { deletedAtOf, type Fields, fieldsOf } from './fields.ts';
import { isIndividual } from './individual.ts';
import { ADVICE, callSiteOfBulk } from './methods.ts';
import { beforeInserts, insertRest } from './inserts.ts';

interface BulkOperation extends Operation {
  readonly model: ModelStatic<Model>;
  readonly where?: unknown;
  readonly attributes?: unknown;
  readonly updateOnDuplicate?: readonly string[];
  readonly ignoreDuplicates?: boolean;
}

/** What Sequelize is told to call, by the name of its hook. */
export function hooks(adapter: SequelizeAdapter): Readonly<Record<string, (...args: never[]) => Promise<void> | void>> {
  /** What is only known before the write, for after it the instance counts as saved. */
  const updates = new WeakMap<Model, Fields>();

  const beforeSave = async (instance: Model, operation: Operation, args: object): Promise<void> => {
    if (!preSave.hasListeners(modelOf(instance))) return;
    const before = { ...instance.dataValues } as Record<string, unknown>;
    await adapter.send(preSave, modelOf(instance), operation, { instance, raw: false, ...args });
    // save({ fields }) would not write what a receiver has changed beside them
    for (const [field, value] of Object.entries(instance.dataValues as object)) {
      if (value !== before[field] && operation.fields !== undefined && !operation.fields.includes(field))
        operation.fields.push(field);
    }
  };
  const afterSave = (instance: Model, operation: Operation, args: object): Promise<void> =>
    adapter.send(postSave, modelOf(instance), operation, { instance, raw: false, ...args });
  const dates = new WeakMap<Model, unknown>();
  const beforeDateChange = (instance: Model, operation: Operation): Promise<void> => {
    const field = deletedAtOf(instance);
    dates.set(instance, instance.get(field) ?? null);
    return beforeSave(instance, operation, { created: false, updateFields: new Set([field]), changes: null });
  };
  const afterDateChange = (instance: Model, operation: Operation): Promise<void> => {
    const field = deletedAtOf(instance);
    const changes = { [field]: { from: dates.get(instance), to: instance.get(field) ?? null } };
    return afterSave(instance, operation, { created: false, updateFields: new Set([field]), changes });
  };
  const beforeDelete = (instance: Model, operation: Operation): Promise<void> =>
    adapter.send(preDelete, modelOf(instance), operation, { instance, origin: instance });
  const afterDelete = (instance: Model, operation: Operation): Promise<void> =>
    adapter.send(postDelete, modelOf(instance), operation, { instance, origin: instance });
  const beforeBulk = (operation: PostBulkArgs['operation'], options: BulkOperation): void => {
    if (options.individualHooks === true || isIndividual()) return;
    adapter.bulk.announce(operation, senderOf(options.model), ADVICE, callSiteOfBulk());
  };
  const afterBulk = (
    operation: PostBulkArgs['operation'],
    options: BulkOperation,
    values: unknown,
    count?: number,
  ): Promise<void> => {
    if (options.individualHooks === true || isIndividual()) return Promise.resolve();
    return adapter.send(postBulk, senderOf(options.model), options, { operation, where: options.where, values, count });
  };
  const isUpsert = ({ updateOnDuplicate, ignoreDuplicates }: BulkOperation): boolean =>
    (updateOnDuplicate !== undefined && updateOnDuplicate.length > 0) || ignoreDuplicates === true;

  return {
    beforeCreate: (instance: Model, operation: Operation) => beforeSave(instance, operation, INSERTED),
    afterCreate: (instance: Model, operation: Operation) => afterSave(instance, operation, INSERTED),
    beforeUpdate: async (instance: Model, operation: Operation) => {
      if (!preSave.hasListeners(modelOf(instance)) && !postSave.hasListeners(modelOf(instance))) return;
      await beforeSave(instance, operation, { created: false, ...fieldsOf(instance, operation) });
      updates.set(instance, fieldsOf(instance, operation));
    },
    afterUpdate: async (instance: Model, operation: Operation) => {
      if (!postSave.hasListeners(modelOf(instance))) return;
      const fields = updates.get(instance) ?? fieldsOf(instance, operation);
      updates.delete(instance);
      await afterSave(instance, operation, { created: false, ...fields });
    },
    beforeDestroy: (instance: Model, operation: Operation) =>
      (isSoft(instance, operation) ? beforeDateChange : beforeDelete)(instance, operation),
    afterDestroy: (instance: Model, operation: Operation) =>
      (isSoft(instance, operation) ? afterDateChange : afterDelete)(instance, operation),
    beforeRestore: beforeDateChange,
    afterRestore: afterDateChange,

    beforeBulkCreate: async (instances: Model[], options: BulkOperation) => {
      if (options.individualHooks === true) return;
      if (isUpsert(options)) beforeBulk('upsert', options);
      else await beforeInserts(adapter, instances, options);
    },
    afterBulkCreate: async (instances: Model[], options: BulkOperation) => {
      if (options.individualHooks === true) return;
      if (isUpsert(options)) {
        await afterBulk('upsert', options, instances, instances.length);
        return;
      }
      await insertRest(instances, options);
      for (const instance of instances) await afterSave(instance, options, INSERTED);
    },
    beforeBulkUpdate: (options: BulkOperation) => {
      beforeBulk('update', options);
    },
    afterBulkUpdate: (options: BulkOperation) => afterBulk('update', options, options.attributes),
    beforeBulkDestroy: (options: BulkOperation) => {
      beforeBulk('delete', options);
    },
    afterBulkDestroy: (options: BulkOperation) => afterBulk('delete', options, undefined),
    beforeBulkRestore: (options: BulkOperation) => {
      beforeBulk('update', options);
    },
    afterBulkRestore: (options: BulkOperation) => afterBulk('update', options, undefined),
    beforeUpsert: (_values: object, options: BulkOperation) => {
      beforeBulk('upsert', options);
    },
    afterUpsert: ([instance]: [Model], options: BulkOperation) => afterBulk('upsert', options, instance.get(), 1),
  };
}

/** A paranoid model keeps its rows: deleting one is an update of its delete date. */
function isSoft(instance: Model, { force }: Operation): boolean {
  return force !== true && (modelOf(instance).options as { paranoid?: boolean }).paranoid === true;
}
