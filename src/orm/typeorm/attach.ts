import type { DataSource, EntitySubscriberInterface } from 'typeorm';
import { describe, isObject } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { attached, TypeormAdapter } from './adapter.ts';
import { interceptBuilders } from './builders.ts';
import { interceptManager } from './manager.ts';
import { subscribers } from './subscribers.ts';

/** Connect a DataSource to the signals: TypeORM's subscribers where they tell enough, its methods where they do not. */
export function attach(dataSource: DataSource, options: unknown): Disposable {
  if (!isObject(dataSource) || !('subscribers' in dataSource) || !('createQueryBuilder' in dataSource)) {
    throw new TypeError(`attachSignals() takes a TypeORM DataSource, not ${describe(dataSource)}`);
  }
  const adapter = new TypeormAdapter(dataSource, parseAdapterOptions(options, 'attachSignals()'));
  return attachOnce(dataSource, 'DataSource', () => {
    const undo = [addSubscribers(dataSource, subscribers(adapter)), interceptBuilders(dataSource), interceptManager(dataSource)];
    attached.set(dataSource, adapter);
    return () => {
      attached.delete(dataSource);
      for (const step of undo) step();
    };
  });
}

/** `initialize()` makes a new array of subscribers, so that ours are added to whichever array there is. */
function addSubscribers(dataSource: DataSource, ours: readonly EntitySubscriberInterface[]): () => void {
  let theirs = dataSource.subscribers;
  let all = [...theirs, ...ours];
  Object.defineProperty(dataSource, 'subscribers', {
    configurable: true,
    enumerable: true,
    get: () => all,
    set(subscribers: EntitySubscriberInterface[]) {
      theirs = subscribers;
      all = [...subscribers, ...ours];
    },
  });
  return () => {
    // what was pushed to the array meanwhile stays
    const subscribersLeft = all.filter((subscriber) => !ours.includes(subscriber));
    theirs.splice(0, theirs.length, ...subscribersLeft);
    Object.defineProperty(dataSource, 'subscribers', { configurable: true, enumerable: true, writable: true, value: theirs });
  };
}
