import type { DataSource, EntitySubscriberInterface } from 'typeorm';
import { parseAdapterOptions } from '../adapter-options.ts';
import { attachOnce } from '../attachment.ts';
import { nobodyListens } from '../bulk.ts';
import { attached, TypeormAdapter } from './adapter.ts';
import { interceptBuilders } from './builders.ts';
import { interceptManager } from './manager.ts';
import { isPoolFull } from './pool.ts';
import { subscribers } from './subscribers.ts';
import { assertDataSource } from './supported.ts';

/** Connect a DataSource to the signals: TypeORM's subscribers where they tell enough, its methods where they do not. */
export function attach(dataSource: DataSource, options: unknown): Disposable {
  assertDataSource(dataSource);
  const parsed = parseAdapterOptions(options, 'attachSignals()');
  // Before `initialize()` there is no pool: then whoever first needs to know looks.
  if (parsed.outside !== 'ignore') isPoolFull(dataSource);
  const adapter = new TypeormAdapter(dataSource, parsed);
  return attachOnce(dataSource, 'DataSource', () => {
    const undo = [addSubscribers(adapter), interceptBuilders(dataSource), interceptManager(dataSource)];
    attached.set(dataSource, adapter);
    return () => {
      attached.delete(dataSource);
      adapter.dispose();
      for (const step of undo) step();
    };
  });
}

/**
 * `initialize()` makes a new array of subscribers, so that ours are added to whichever array there is. TypeORM asks for
 * it at every step of every write, and ours are not among them while nobody listens to any model, nor waits for the
 * end of a transaction: then they cost nothing.
 */
function addSubscribers(adapter: TypeormAdapter): () => void {
  const { dataSource, transactions } = adapter;
  const ours: readonly EntitySubscriberInterface[] = subscribers(adapter);
  let theirs = dataSource.subscribers;
  let known = [...theirs];
  let all = [...theirs, ...ours];
  /** An app may add to the array that it was given, or take from it, and was given now one and now the other. */
  const agree = (): void => {
    const listed = all.filter((subscriber) => !ours.includes(subscriber));
    const added = [...theirs, ...listed].filter((subscriber) => !known.includes(subscriber));
    known = [
      ...known.filter((subscriber) => theirs.includes(subscriber) && listed.includes(subscriber)),
      ...new Set(added),
    ];
    theirs.splice(0, theirs.length, ...known);
    all = [...known, ...ours];
  };
  Object.defineProperty(dataSource, 'subscribers', {
    configurable: true,
    enumerable: true,
    get() {
      if (all.length !== theirs.length + ours.length) agree();
      if (!nobodyListens() || transactions.isTracking) return all;
      transactions.pause();
      return theirs;
    },
    set(subscribers: EntitySubscriberInterface[]) {
      theirs = subscribers;
      known = [...subscribers];
      all = [...subscribers, ...ours];
    },
  });
  return () => {
    agree();
    Object.defineProperty(dataSource, 'subscribers', {
      configurable: true,
      enumerable: true,
      writable: true,
      value: theirs,
    });
  };
}
