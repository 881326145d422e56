import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, EntityManager, EntityTarget, ObjectLiteral, QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import { attached, dataSourceOf } from './adapter.ts';
import { isIdle } from '../../core/signal.ts';
import { m2mChanged, postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { type Callback, runAll } from '../commit-queue.ts';
import { ownerOf, patch } from '../patch.ts';

/** One call of `save()`, `remove()`, `transaction()` or the like: what TypeORM's events do not tell. */
interface Call {
  readonly roots: readonly object[];
  readonly removing: boolean;
  /** The query runner whose transaction the call has opened, if it did. */
  runner: QueryRunner | undefined;
  /** What waits for the end of the call, when the query runner has been released. */
  readonly committed: Callback[];
}

const calls = new AsyncLocalStorage<Call>();

/** The call of the manager that the current event belongs to. */
export function currentCall(): Readonly<Call> | undefined {
  return calls.getStore();
}

/** The outermost transaction of a query runner has begun, in the call that opened it. */
export function transactionStarted(runner: QueryRunner): void {
  const call = calls.getStore();
  if (call !== undefined) call.runner ??= runner;
}

/**
 * Do what waited for the commit of this query runner. Not while its connection is still taken: receivers that need
 * another would wait for the pool while they keep it short. So the call that opened the transaction does it, when it is
 * over.
 */
export async function transactionCommitted(runner: QueryRunner, callbacks: Callback[]): Promise<void> {
  const call = calls.getStore();
  if (call?.runner === runner) call.committed.push(...callbacks);
  else await runAll(callbacks);
}

/** The instance that was asked to be written, if that is not `entity` itself and there is only one. */
export function rootOf(entity: object | undefined): object | undefined {
  const roots = calls.getStore()?.roots ?? [];
  return roots.length === 1 && !(entity !== undefined && roots.includes(entity)) ? roots[0] : undefined;
}

/** The criteria that a bulk method of the manager is building its query from: its builder no longer knows them. */
export function currentCriteria(): unknown {
  return criteria;
}
let criteria: unknown;

/** Learn what the methods of EntityManager, and so those of repositories, are called with. */
export function interceptManager(dataSource: DataSource): () => void {
  const { manager } = dataSource;
  const undo = [
    ...(['save', 'remove', 'softRemove', 'recover', 'transaction'] as const).map((name) =>
      patch(ownerOf(manager, name), name, (original) => {
        return function (this: EntityManager, ...args: unknown[]) {
          const run = (): unknown => Reflect.apply(original, this as never, args as never[]);
          // an async context costs every promise in it, which nobody should pay for nothing
          if (attached.get(dataSourceOf(this)) === undefined || nobodyListens()) return run();
          const roots = name === 'transaction' ? [] : rootsIn(args);
          return inCall({ roots, removing: name === 'remove', runner: undefined, committed: [] }, run);
        };
      }),
    ),
    ...(['update', 'delete', 'softDelete', 'restore'] as const).map((name) =>
      patch(ownerOf(manager, name), name, (original) => {
        return function (this: EntityManager, ...args: unknown[]) {
          const run = (): unknown => Reflect.apply(original, this as never, args as never[]);
          const adapter = attached.get(dataSourceOf(this));
          if (adapter === undefined) return run();
          const write: BulkCall = {
            manager: this,
            name,
            target: args[0] as EntityTarget<ObjectLiteral>,
            criteria: args[1],
            values: args[2],
          };
          if (adapter.bulk.policy === 'individual' && canBeIndividual(write)) return individually(write);
          criteria = args[1];
          try {
            // builds its query and begins to execute it before it first waits
            return run();
          } finally {
            criteria = undefined;
          }
        };
      }),
    ),
  ];
  return () => {
    for (const step of undo) step();
  };
}

const SIGNALS = [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk] as unknown as readonly Parameters<
  typeof isIdle
>[0][];

/** Whether no model signal has a receiver, for any model. */
export function nobodyListens(): boolean {
  // TypeORM's every step asks: a loop, which makes nothing
  for (const signal of SIGNALS) if (!isIdle(signal)) return false;
  return true;
}

async function inCall(call: Call, run: () => unknown): Promise<unknown> {
  try {
    return await calls.run(call, run);
  } finally {
    await runAll(call.committed);
  }
}

interface BulkCall {
  readonly manager: EntityManager;
  readonly name: 'update' | 'delete' | 'softDelete' | 'restore';
  readonly target: EntityTarget<ObjectLiteral>;
  readonly criteria: unknown;
  readonly values: unknown;
}

/** Not for values that only the database can compute, and only where a receiver would be passed over. */
function canBeIndividual({ manager, name, target, criteria: given, values }: BulkCall): boolean {
  if (given === undefined || given === null) return false;
  if (isObject(values) && Object.values(values).some((value) => typeof value === 'function')) return false;
  const sender = dataSourceOf(manager).getMetadata(target).target;
  return hasReceivers(name === 'delete' ? 'delete' : 'update', sender);
}

/** Read the rows and write each as an instance, in one transaction. The result counts them as the bulk write would. */
async function individually({ manager, name, target, criteria: given, values }: BulkCall): Promise<object> {
  const { primaryColumns } = dataSourceOf(manager).getMetadata(target);
  const ids = (Array.isArray(given) ? given : [given]) as unknown[];
  const where = ids.map((id) =>
    isObject(id) && !(id instanceof Date) ? id : { [primaryColumns[0]?.propertyPath ?? 'id']: id },
  );
  const instances = await manager.find(target, { where, withDeleted: name === 'restore' });
  if (name === 'update')
    await manager.save(
      instances.map((instance) => manager.merge<ObjectLiteral>(target, instance, values as ObjectLiteral)),
    );
  else if (name === 'delete') await manager.remove(instances);
  else if (name === 'softDelete') await manager.softRemove(instances);
  else await manager.recover(instances);
  return { raw: [], affected: instances.length, generatedMaps: [] };
}

/** The instances among the arguments: a class, an EntitySchema or a name may stand before them, and options after. */
function rootsIn([first, second, ...rest]: unknown[]): readonly object[] {
  const named = typeof first === 'function' || typeof first === 'string' || (isObject(first) && '@instanceof' in first);
  const given = named && (second !== undefined || rest.length > 0) ? second : first;
  return (Array.isArray(given) ? given : [given]).filter(isObject);
}
