import type { Model } from 'sequelize';
import { preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import { modelOf, type Operation, type SequelizeAdapter } from './adapter.ts';
import { writeBeside } from './individual.ts';

type Values = Record<string, unknown>;

/** What a receiver has set on an instance beside the columns of the call. */
const beside = new WeakMap<Model, Values>();

/**
 * Send `preSave` for the rows of a `bulkCreate()`. They share one list of columns, the caller's whitelist: a receiver
 * may set another column of its own row, which must not open that column to the values of the others.
 */
export async function beforeInserts(
  adapter: SequelizeAdapter,
  instances: readonly Model[],
  options: Operation,
): Promise<void> {
  for (const instance of instances) {
    if (!preSave.hasListeners(modelOf(instance))) continue;
    const before = { ...instance.dataValues } as Values;
    await adapter.send(preSave, modelOf(instance), options, { instance, ...INSERTED });
    const after = Object.entries(instance.dataValues as Values);
    const added = after.filter(
      ([field, value]) => value !== before[field] && options.fields?.includes(field) === false,
    );
    if (added.length > 0) beside.set(instance, Object.fromEntries(added));
  }
}

/** Write what receivers have set beside the columns of the call, each to its own row. */
export async function insertRest(instances: readonly Model[], { transaction }: Operation): Promise<void> {
  for (const instance of instances) {
    const values = beside.get(instance);
    if (values === undefined) continue;
    beside.delete(instance);
    const model = modelOf(instance);
    const keys = model.primaryKeyAttributes.map((key) => instance.getDataValue(key as never) as unknown);
    if (keys.length === 0 || keys.some((value) => value === undefined || value === null)) {
      throw new Error(
        `A receiver of preSave has set ${Object.keys(values).join(', ')} of ${model.name}, which bulkCreate({ fields }) ` +
          'does not write, and the database does not tell the key of the new row. Add them to `fields`, or use create().',
      );
    }
    await writeBeside(instance, values, transaction ?? null);
  }
}
