import type { EntityManager } from '@mikro-orm/core';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, type MikroOrmAdapter } from './adapter.ts';

const ADVICE = 'Change entities and flush(), listen to postBulk, or attach with another `bulk` option.';

/** The writes of an EntityManager that go to the database as they are, past its unit of work and its hooks. */
const METHODS = {
  insert: 'insert',
  insertMany: 'insert',
  upsert: 'upsert',
  upsertMany: 'upsert',
  nativeUpdate: 'update',
  nativeDelete: 'delete',
} as const;
type Method = keyof typeof METHODS;

/** Send `postBulk` after them, and be loud before. Returns what ends that. */
export function interceptMethods(em: EntityManager): () => void {
  const undo = (Object.keys(METHODS) as Method[]).map((name) =>
    patch(ownerOf(em, name), name, (original) => {
      return function (this: EntityManager, ...args: unknown[]) {
        const adapter = attached.get(this.config);
        const natively = (): Promise<unknown> =>
          Reflect.apply(original, this as never, args as never[]) as Promise<unknown>;
        return adapter === undefined ? natively() : writeBulk(adapter, this, name, args, natively);
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

async function writeBulk(
  adapter: MikroOrmAdapter,
  em: EntityManager,
  name: Method,
  args: unknown[],
  natively: () => Promise<unknown>,
): Promise<unknown> {
  const operation: PostBulkArgs['operation'] = METHODS[name];
  const inserts = operation === 'insert' || operation === 'upsert';
  // insert(entity) and insert(User, data) are both allowed
  const [target, values = target] = inserts ? args : [args[0], args[2] ?? null];
  const first = (Array.isArray(target) ? target[0] : target) as object;
  const sender = adapter.classOf(inserts && args[1] === undefined ? first.constructor : first);
  const individually = !inserts && adapter.options.bulk === 'individual' && hasReceivers(operation, sender);
  if (individually) return writeInstances(em, sender, args);
  adapter.bulk.announce(operation, sender, ADVICE);
  const result = await natively();
  await adapter.send(postBulk, sender, em, () => ({
    operation,
    where: inserts ? undefined : args[1],
    values: values ?? undefined,
    count: typeof result === 'number' && !inserts ? result : Array.isArray(values) ? values.length : 1,
  }));
  return result;
}

/** Read the entities, and write them as such. */
async function writeInstances(em: EntityManager, sender: unknown, [, where, data]: unknown[]): Promise<number> {
  const fork = em.fork({ keepTransactionContext: true });
  const entities = (await fork.find(sender as never, where as never)) as object[];
  for (const entity of entities) {
    if (data === undefined) fork.remove(entity);
    else fork.assign(entity, data as never);
  }
  await fork.flush();
  return entities.length;
}
