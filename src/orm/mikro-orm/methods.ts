import { type EntityManager, Utils } from '@mikro-orm/core';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { callSite } from '../../core/origin.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { currentCall } from '../causal-context.ts';
import { ownerOf, patch } from '../patch.ts';
import { senderName } from '../send-model-signal.ts';
import { attached, isIdle } from './adapter.ts';
import { BulkCall } from './calls.ts';
import { watchUpserts } from './events.ts';
import type { BulkWrite } from './bulk-write.ts';
import { writeIndividually } from './individual.ts';

type Operation = PostBulkArgs['operation'];

/** What to do instead of a bulk write. */
export const ADVICE = 'Change entities and flush(), listen to postBulk, or attach with another `bulk` option.';

/** The writes of an EntityManager that go to the database as they are, past its unit of work and its hooks. */
const METHODS: Readonly<Record<string, Operation>> = {
  insert: 'insert',
  insertMany: 'insert',
  clone: 'insert',
  upsert: 'upsert',
  upsertMany: 'upsert',
  nativeUpdate: 'update',
  nativeDelete: 'delete',
};

/** Send `postBulk` after them, and be loud before. Returns what ends that. */
export function interceptMethods(em: EntityManager): () => void {
  const undo = Object.keys(METHODS).map((name) =>
    patch(ownerOf(em, name), name, (method) => {
      const original: BulkWrite['original'] = (on, args) =>
        Reflect.apply(method, on as never, args as never) as Promise<unknown>;
      return function (this: EntityManager, ...args: unknown[]) {
        const adapter = attached.get(this.config);
        // Some do their work by calling themselves.
        const outer = currentCall();
        if (adapter === undefined || (outer instanceof BulkCall && outer.method === name)) return original(this, args);
        if (adapter.options.bulk !== 'throw' && isIdle()) return original(this, args);
        const call = new BulkCall(name);
        return call.perform(() => write({ adapter, em: this, name, args, original }, call));
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

async function write(bulk: BulkWrite, call: BulkCall): Promise<unknown> {
  const { adapter, em, name, args, original } = bulk;
  const target = targetOf(bulk);
  // It does nothing, or fails.
  if (target === undefined) return original(em, args);
  const { sender, where, values, options, operation } = target;
  const handle = options?.ctx ?? em.getTransactionContext<object>();
  const family = adapter.familyOf(sender).filter((each) => hasReceivers(operation, each));
  const isDivided = adapter.options.bulk === 'individual' && family.length > 0 && name.startsWith('native');
  const site = isDivided ? callSite() : undefined;
  if (!isDivided) adapter.bulk.announce(operation, family[0] ?? sender, ADVICE);
  const checked = adapter.checkOutside(handle, () => `${name}() of ${senderName(sender)}`);
  if (checked !== undefined) await checked;
  if (isDivided) {
    const count = await writeIndividually(bulk);
    if (count !== undefined) return count;
    adapter.bulk.announce(operation, family[0], ADVICE, site);
  }
  if (operation === 'upsert') watchUpserts(adapter, em);
  const result = await original(em, args);
  // MikroORM upserts nothing where it knows the entity already: it assigns the values, for a later flush.
  if (name.startsWith('upsert') && call.upserted === 0) return result;
  const payload = { operation, where, values, count: countOf(name, values, result, call) };
  await adapter.send(postBulk, sender, em, () => payload, handle);
  return result;
}

function countOf(name: string, values: unknown, result: unknown, { upserted }: BulkCall): number {
  if (name.startsWith('native')) return result as number;
  if (name.startsWith('upsert')) return upserted;
  return name === 'insertMany' ? (values as unknown[]).length : 1;
}

interface Target {
  readonly operation: Operation;
  readonly sender: unknown;
  readonly where: unknown;
  readonly values: unknown;
  readonly options: { readonly ctx?: object; readonly upsert?: boolean } | undefined;
}

/** What a call writes; undefined if it would fail, or do nothing. */
function targetOf({ adapter, name, args }: BulkWrite): Target | undefined {
  const operation = METHODS[name] as Operation;
  const [first, second, third, fourth] = args;
  const classOf = (entity: unknown): unknown => adapter.classOf((Object(entity) as object).constructor);
  const find = (): Omit<Target, 'operation'> => {
    if (name === 'nativeUpdate')
      return { sender: adapter.classOf(first), where: second, values: third, options: fourth as Target['options'] };
    if (name === 'nativeDelete')
      return { sender: adapter.classOf(first), where: second, values: undefined, options: third as Target['options'] };
    if (name === 'clone') {
      return Utils.isEntity(first)
        ? { sender: classOf(first), where: undefined, values: second, options: third as Target['options'] }
        : { sender: adapter.classOf(first), where: second, values: third, options: fourth as Target['options'] };
    }
    const isOfEntities = second === undefined;
    const entity: unknown = Array.isArray(first) ? first[0] : first;
    return {
      sender: isOfEntities ? classOf(entity) : adapter.classOf(first),
      where: undefined,
      values: isOfEntities ? first : second,
      options: third as Target['options'],
    };
  };
  const target = find();
  const isEmpty = Array.isArray(target.values) && target.values.length === 0;
  if (isEmpty || target.sender === undefined) return undefined;
  return { operation: target.options?.upsert === true ? 'upsert' : operation, ...target };
}
