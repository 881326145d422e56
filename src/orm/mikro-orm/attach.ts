import { EntityManager, type MikroORM, Utils } from '@mikro-orm/core';
import { describe, isObject } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { assertSupported } from '../supported.ts';
import { attached, MikroOrmAdapter } from './adapter.ts';
import { interceptCalls } from './calls.ts';
import { interceptTransactions } from './connections.ts';
import { interceptEvents } from './events.ts';
import { interceptMethods } from './methods.ts';
import { interceptQueries } from './query-builders.ts';

/** Connect a MikroORM to the signals, at the methods of its classes: all that a disposed attachment leaves is them. */
export function attach(orm: MikroORM, options: unknown): Disposable {
  if (!isObject(orm) || !('em' in orm && 'config' in orm))
    throw new TypeError(`attachSignals() takes a MikroORM, not ${describe(orm)}`);
  assertSupported('MikroORM', Utils.getORMVersion(), '7.0.0', '8.0.0');
  const { em, config } = orm;
  if (!(em instanceof EntityManager)) {
    throw new TypeError(
      'attachSignals() takes a MikroORM of the @mikro-orm/core that tocsin finds, and this is one of another copy. ' +
        'Install @mikro-orm/core once (npm ls @mikro-orm/core).',
    );
  }
  const adapter = new MikroOrmAdapter(orm, parseAdapterOptions(options, 'attachSignals()'));
  return attachOnce(orm, 'MikroORM', () => {
    const restore = [
      interceptEvents(em),
      interceptMethods(em),
      interceptQueries(orm),
      interceptCalls(em),
      interceptTransactions(em),
    ];
    attached.set(config, adapter);
    return () => {
      attached.delete(config);
      for (const step of restore) step();
    };
  });
}
