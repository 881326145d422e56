import type { DataSource, EntitySubscriberInterface } from 'typeorm';
import { describe, isObject } from '../../core/describe.ts';
import { dispose } from '../../core/dispose.ts';
import { shared } from '../../core/shared.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attached, TypeormAdapter } from './adapter.ts';
import { interceptBuilders } from './builders.ts';
import { interceptManager } from './manager.ts';
import { subscribers } from './subscribers.ts';

/** The DataSources that any copy of the library sends for: two would send everything twice. */
const claimed: WeakSet<DataSource> = shared('typeorm', () => new WeakSet());

/** Connect a DataSource to the signals: TypeORM's subscribers where they tell enough, its methods where they do not. */
export function attach(dataSource: DataSource, options: unknown): Disposable {
  if (!isObject(dataSource) || !('subscribers' in dataSource) || !('createQueryBuilder' in dataSource)) {
    throw new TypeError(`attachSignals() takes a TypeORM DataSource, not ${describe(dataSource)}`);
  }
  const adapter = new TypeormAdapter(dataSource, parseAdapterOptions(options, 'attachSignals()'));
  if (claimed.has(dataSource)) {
    throw new Error('attachSignals() was already called for this DataSource: its signals would be sent twice. Dispose of the first.');
  }
  const undo = [addSubscribers(dataSource, subscribers(adapter)), interceptBuilders(dataSource), interceptManager(dataSource)];
  attached.set(dataSource, adapter);
  claimed.add(dataSource);
  return {
    [dispose]: () => {
      if (attached.get(dataSource) !== adapter) return;
      attached.delete(dataSource);
      claimed.delete(dataSource);
      for (const step of undo) step();
    },
  };
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
