import type { Sequelize } from 'sequelize';
import { describe, isObject } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { nobodyListens } from '../bulk.ts';
import { assertSupported } from '../supported.ts';
import { attached, SequelizeAdapter } from './adapter.ts';
import { interceptTransactions } from './app-transactions.ts';
import { hooks } from './hooks.ts';
import { interceptStatements } from './individual.ts';
import { interceptMethods } from './methods.ts';
import { followTransactions } from './transactions.ts';

/** Connect a Sequelize to the signals: its hooks where they tell enough, its methods where they do not. */
export function attach(sequelize: Sequelize, options: unknown): Disposable {
  if (!isObject(sequelize) || !('addHook' in sequelize))
    throw new TypeError(`attachSignals() takes a Sequelize, not ${describe(sequelize)}`);
  const { version } = sequelize.constructor as { version?: unknown };
  assertSupported('Sequelize', version ?? 'one that does not say its version', '6.37.0', '7.0.0');
  const parsed = parseAdapterOptions(options, 'attachSignals()', { atomic: false });
  const adapter = new SequelizeAdapter(sequelize, parsed);
  return attachOnce(sequelize, 'Sequelize', () => {
    const isIdle = (): boolean => nobodyListens() && parsed.bulk !== 'throw';
    const added = Object.entries(hooks(adapter)).map(([name, hook]) => [
      name,
      (...args: never[]) => (isIdle() ? undefined : hook(...args)),
    ]) as [never, never][];
    for (const [name, hook] of added) sequelize.addHook(name, hook);
    const undo = [
      interceptMethods(sequelize),
      interceptStatements(adapter),
      interceptTransactions(sequelize),
      followTransactions(sequelize),
    ];
    attached.set(sequelize, adapter);
    return () => {
      attached.delete(sequelize);
      for (const [name, hook] of added) sequelize.removeHook(name, hook);
      for (const step of undo) step();
    };
  });
}
