import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';

/** The managers of transactions that have ended, and for which the current code has waited. */
const left = new AsyncLocalStorage<ReadonlySet<EntityManager>>();

/**
 * Run what waited for the end of a transaction. An app that keeps its manager in an AsyncLocalStorage still finds that
 * of the transaction there, whose connection has been given back: here it stands for that of the DataSource.
 */
export function leaveTransaction<T>(manager: EntityManager, run: () => T): T {
  const { queryRunner } = manager;
  const own = Object.getOwnPropertyDescriptor(manager, 'queryRunner');
  if (queryRunner?.isReleased === true && own?.get === undefined && own?.configurable === true) {
    Object.defineProperty(manager, 'queryRunner', {
      configurable: true,
      enumerable: true,
      get: () => (left.getStore()?.has(manager) === true ? undefined : queryRunner),
    });
  }
  return left.run(new Set(left.getStore()).add(manager), run);
}
