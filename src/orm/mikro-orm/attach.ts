import type { MikroORM } from '@mikro-orm/core';
import { describe, isObject } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { attached, MikroOrmAdapter } from './adapter.ts';
import { interceptMethods } from './methods.ts';
import { subscriberOf } from './subscriber.ts';

/** Connect a MikroORM to the signals: a subscriber for what it flushes, its methods for what passes that by. */
export function attach(orm: MikroORM, options: unknown): Disposable {
  if (!isObject(orm) || !('em' in orm && 'config' in orm))
    throw new TypeError(`attachSignals() takes a MikroORM, not ${describe(orm)}`);
  const adapter = new MikroOrmAdapter(orm, parseAdapterOptions(options, 'attachSignals()'));
  return attachOnce(orm, 'MikroORM', () => {
    orm.em.getEventManager().registerSubscriber(subscriberOf(adapter));
    const restore = interceptMethods(orm.em);
    attached.set(orm.config, adapter);
    return () => {
      adapter.active = false;
      attached.delete(orm.config);
      restore();
    };
  });
}
