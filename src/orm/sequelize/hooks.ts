import type { Model, ModelStatic } from 'sequelize';
import type { Changes, PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { INSERTED } from '../inserted.ts';
import { modelOf, type Operation, type SequelizeAdapter } from './adapter.ts';
import { callSiteOfBulk } from './methods.ts';

interface BulkOperation extends Operation {
  readonly model: ModelStatic<Model>;
  readonly where?: unknown;
  readonly attributes?: unknown;
  readonly updateOnDuplicate?: readonly string[];
  readonly ignoreDuplicates?: boolean;
}
interface Fields {
  readonly updateFields: ReadonlySet<string>;
  readonly changes: Changes;
}
const ADVICE = 'Use save() or destroy() on instances, listen to postBulk, or attach with another `bulk` option.';

/** What Sequelize is told to call, by the name of its hook. */
export function hooks(adapter: SequelizeAdapter): Readonly<Record<string, (...args: never[]) => Promise<void> | void>> {
  /** What is only known before the write, for after it the instance counts as saved. */
  const updates = new WeakMap<Model, Fields>();

  const beforeSave = async (instance: Model, operation: Operation, args: object): Promise<void> => {
    if (!preSave.hasListeners(modelOf(instance))) return;
    const before = { ...instance.dataValues } as Record<string, unknown>;
    await adapter.send(preSave, modelOf(instance), operation, instance, { instance, raw: false, ...args });
    // save({ fields }) would not write what a receiver has changed beside them
    for (const [field, value] of Object.entries(instance.dataValues as object)) {
      if (value !== before[field] && operation.fields !== undefined && !operation.fields.includes(field))
        operation.fields.push(field);
    }
  };
  const dates = new WeakMap<Model, unknown>();
  const beforeDateChange = (instance: Model, operation: Operation): Promise<void> => {
    const field = deletedAtOf(instance);
    dates.set(instance, instance.get(field) ?? null);
    return beforeSave(instance, operation, { created: false, updateFields: new Set([field]), changes: null });
  };
  const afterDateChange = (instance: Model, operation: Operation): Promise<void> => {
    const field = deletedAtOf(instance);
    const fields = {
      updateFields: new Set([field]),
      changes: { [field]: { from: dates.get(instance), to: instance.get(field) ?? null } },
    };
    return adapter.send(postSave, modelOf(instance), operation, instance, {
      instance,
      raw: false,
      created: false,
      ...fields,
    });
  };
  const announce = (operation: PostBulkArgs['operation'], { model }: BulkOperation): void => {
    adapter.bulk.announce(operation, model, ADVICE, callSiteOfBulk());
  };
  /** Loud, or told to go instance by instance, with the hooks above. */
  const beforeBulk = (operation: PostBulkArgs['operation'], options: BulkOperation): void => {
    if (options.individualHooks === true) return;
    if (adapter.options.bulk === 'individual' && hasReceivers(operation, options.model)) options.individualHooks = true;
    else announce(operation, options);
  };
  const afterBulk = (
    operation: PostBulkArgs['operation'],
    options: BulkOperation,
    values: unknown,
    count?: number,
  ): Promise<void> =>
    options.individualHooks === true
      ? Promise.resolve()
      : adapter.send(postBulk, options.model, options, options, { operation, where: options.where, values, count });
  const isUpsert = ({ updateOnDuplicate, ignoreDuplicates }: BulkOperation): boolean =>
    (updateOnDuplicate !== undefined && updateOnDuplicate.length > 0) || ignoreDuplicates === true;

  return {
    beforeCreate: (instance: Model, operation: Operation) => beforeSave(instance, operation, INSERTED),
    afterCreate: (instance: Model, operation: Operation) =>
      adapter.send(postSave, modelOf(instance), operation, instance, { instance, ...INSERTED }),
    beforeUpdate: async (instance: Model, operation: Operation) => {
      if (!preSave.hasListeners(modelOf(instance)) && !postSave.hasListeners(modelOf(instance))) return;
      await beforeSave(instance, operation, { created: false, ...fieldsOf(instance) });
      updates.set(instance, fieldsOf(instance));
    },
    afterUpdate: async (instance: Model, operation: Operation) => {
      if (!postSave.hasListeners(modelOf(instance))) return;
      const fields = updates.get(instance) ?? fieldsOf(instance);
      updates.delete(instance);
      await adapter.send(postSave, modelOf(instance), operation, instance, {
        instance,
        raw: false,
        created: false,
        ...fields,
      });
    },
    beforeDestroy: (instance: Model, operation: Operation) =>
      isSoft(instance, operation)
        ? beforeDateChange(instance, operation)
        : adapter.send(preDelete, modelOf(instance), operation, instance, { instance, origin: instance }),
    afterDestroy: (instance: Model, operation: Operation) =>
      isSoft(instance, operation)
        ? afterDateChange(instance, operation)
        : adapter.send(postDelete, modelOf(instance), operation, instance, { instance, origin: instance }),
    beforeRestore: beforeDateChange,
    afterRestore: afterDateChange,

    beforeBulkCreate: async (instances: Model[], options: BulkOperation) => {
      if (options.individualHooks === true) return;
      if (isUpsert(options)) announce('upsert', options);
      else for (const instance of instances) await beforeSave(instance, options, INSERTED);
    },
    afterBulkCreate: async (instances: Model[], options: BulkOperation) => {
      if (options.individualHooks === true) return;
      if (isUpsert(options)) await afterBulk('upsert', options, instances, instances.length);
      else
        for (const instance of instances)
          await adapter.send(postSave, modelOf(instance), options, instance, { instance, ...INSERTED });
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
      announce('upsert', options);
    },
    afterUpsert: ([instance]: [Model], options: BulkOperation) => afterBulk('upsert', options, instance.get(), 1),
  };
}

function fieldsOf(instance: Model): Fields {
  const changed = instance.changed();
  const fields = changed === false ? [] : changed;
  return {
    updateFields: new Set(fields),
    changes: Object.fromEntries(
      fields.map((field) => [field, { from: instance.previous(field) as unknown, to: instance.get(field) }]),
    ),
  };
}

/** A paranoid model keeps its rows: deleting one is an update of its delete date. */
function isSoft(instance: Model, { force }: Operation): boolean {
  return force !== true && (modelOf(instance) as { options: { paranoid?: boolean } }).options.paranoid === true;
}

function deletedAtOf(instance: Model): string {
  return (
    (modelOf(instance) as { _timestampAttributes: { deletedAt?: string } })._timestampAttributes.deletedAt ??
    'deletedAt'
  );
}
