import { isObject } from '../../core/describe.ts';
import { CommitQueue, runAll } from '../commit-queue.ts';
import { Scope } from '../scope.ts';
import type { Builder } from './builders.ts';
import type { KyselyOptions } from './writes.ts';

type Wrap = (database: object, scope: Scope<KyselyOptions>) => object;

/** What builds a transaction: with a callback, or one that is begun and ended by hand. */
export function watchTransaction(builder: Builder, scope: Scope<KyselyOptions>, wrap: Wrap): object {
  return new Proxy(builder, {
    get(_target, name) {
      const member: unknown = Reflect.get(builder, name, builder);
      if (typeof member !== 'function') return member;
      if (name !== 'execute')
        return (...args: unknown[]) => watchTransaction(Reflect.apply(member, builder, args) as Builder, scope, wrap);
      return (callback?: (tx: object) => Promise<unknown>) =>
        callback === undefined
          ? begin(builder, scope, wrap)
          : scope.transaction(
              (inner) => builder.execute?.((tx: object) => callback((inner.tx = wrap(tx, inner)))) as Promise<unknown>,
            );
    },
  });
}

/** A transaction that is ended by hand, with savepoints. */
async function begin(builder: Builder, { database }: Scope<KyselyOptions>, wrap: Wrap): Promise<object> {
  const transaction = (await builder.execute?.()) as Builder;
  const queue = new CommitQueue();
  queue.begin();
  const inner = new Scope(database, queue);
  return (inner.tx = control(transaction, inner, queue, new Map(), wrap));
}

/**
 * The transaction, whose commands also do what they mean for what waits for the commit. `savepoints` tells how deep
 * each is.
 */
function control(
  transaction: Builder,
  scope: Scope<KyselyOptions>,
  queue: CommitQueue,
  savepoints: Map<string, number>,
  wrap: Wrap,
): object {
  const backTo = (depth: number, leave: () => void): void => {
    while (queue.depth > depth) leave();
  };
  const effects: Record<string, (savepoint: string) => unknown> = {
    savepoint: (name) => {
      savepoints.set(name, queue.depth);
      queue.begin();
    },
    releaseSavepoint: (name) => {
      backTo(savepoints.get(name) ?? queue.depth, () => void queue.commit());
    },
    // the savepoint is still there
    rollbackToSavepoint: (name) => {
      backTo(savepoints.get(name) ?? queue.depth, () => {
        queue.rollback();
      });
      queue.begin();
    },
    rollback: () => {
      queue.clear();
    },
    commit: () => {
      backTo(1, () => void queue.commit());
      return runAll(queue.commit());
    },
  };
  return new Proxy(wrap(transaction, scope), {
    get(wrapped, name) {
      if (typeof name === 'symbol' || !Object.hasOwn(effects, name))
        return Reflect.get(wrapped, name, wrapped) as unknown;
      return (...args: [string]) => ({
        execute: async () => {
          const command = transaction[name]?.(...args) as { execute(): Promise<unknown> };
          const result = await command.execute();
          await effects[name]?.(...args);
          return isObject(result) ? control(result as Builder, scope, queue, savepoints, wrap) : result;
        },
      });
    },
  });
}
