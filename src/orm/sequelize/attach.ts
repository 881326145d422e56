import type { Sequelize } from 'sequelize';
import { describe, isObject } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { attached, SequelizeAdapter } from './adapter.ts';
import { hooks } from './hooks.ts';
import { interceptMethods } from './methods.ts';

/** Connect a Sequelize to the signals: its hooks where they tell enough, its methods where they do not. */
export function attach(sequelize: Sequelize, options: unknown): Disposable {
  if (!isObject(sequelize) || !('addHook' in sequelize))
    throw new TypeError(`attachSignals() takes a Sequelize, not ${describe(sequelize)}`);
  const adapter = new SequelizeAdapter(parseAdapterOptions(options, 'attachSignals()', { atomic: false }));
  return attachOnce(sequelize, 'Sequelize', () => {
    const added = Object.entries(hooks(adapter)) as [never, never][];
    for (const [name, hook] of added) sequelize.addHook(name, hook);
    const restore = interceptMethods(sequelize);
    attached.set(sequelize, adapter);
    return () => {
      attached.delete(sequelize);
      for (const [name, hook] of added) sequelize.removeHook(name, hook);
      restore();
    };
  });
}
