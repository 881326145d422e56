import type { EntityManager, MikroORM } from '@mikro-orm/core';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { currentCall } from '../causal-context.ts';
import { ownerOf, patch } from '../patch.ts';
import { senderName } from '../send-model-signal.ts';
import { attached, isIdle, type MikroOrmAdapter } from './adapter.ts';
import { EntityManagerCall } from './calls.ts';
import { ADVICE } from './methods.ts';

type Operation = PostBulkArgs['operation'];

/** What is used of a query builder. MikroORM does not document `em` and `context`. */
interface QueryBuilder {
  readonly type: string;
  readonly mainAlias: { readonly meta?: { readonly class?: unknown } };
  /** The EntityManager that the app has asked for it; MikroORM makes its own writes without. */
  readonly em?: EntityManager;
  /** The transaction that it is part of. */
  readonly context?: object;
  getQuery(): string;
}

const OPERATIONS: Readonly<Record<string, Operation | undefined>> = {
  INSERT: 'insert',
  UPDATE: 'update',
  DELETE: 'delete',
  TRUNCATE: 'delete',
};
const UPSERT = /\bon (?:conflict|duplicate key)\b|^insert ignore\b|^merge\b/i;

/** SQL that writes, as far as its first words tell. */
const WRITE = /^\s*(?:(?:insert|update|delete|replace|merge|truncate)\b|with\b[^]*\b(?:insert|update|delete|merge)\b)/i;

/** Be loud about what query builders write, and send `postBulk` after. Returns what ends that. */
export function interceptQueries({ em }: MikroORM): () => void {
  const undo: (() => void)[] = [];
  const connection = em.getConnection('write');
  // The driver of MongoDB has its own.
  if ('execute' in connection) undo.push(interceptSql(connection));
  const driver = em.getDriver() as unknown as { createQueryBuilder?: (entity: unknown) => QueryBuilder };
  const [meta] = [...em.getMetadata().getAll().values()];
  if (driver.createQueryBuilder !== undefined && meta !== undefined) {
    const builder = driver.createQueryBuilder(meta.class);
    assertKnown(builder);
    undo.push(...interceptBuilder(ownerOf(builder, 'execute')));
  }
  return () => {
    for (const step of undo) step();
  };
}

function assertKnown(builder: object): void {
  const missing = ['type', 'mainAlias', 'em', 'context', 'getQuery', 'stream'].filter((member) => !(member in builder));
  if (missing.length === 0) return;
  throw new Error(
    `The query builder of this MikroORM has no ${missing.join(', ')}, from which tocsin knows what it writes. ` +
      'Use a version of MikroORM that this version of tocsin was tested with, or a newer tocsin.',
  );
}

function interceptBuilder(prototype: object): (() => void)[] {
  return [
    patch(prototype, 'execute', (original) => {
      return function (this: QueryBuilder, ...args: unknown[]) {
        const natively = (): Promise<unknown> =>
          Reflect.apply(original, this as never, args as never) as Promise<unknown>;
        const write = writeOf(this);
        return write === undefined ? natively() : execute(write, natively);
      };
    }),
    patch(prototype, 'stream', (original) => {
      return async function* (this: QueryBuilder, ...args: unknown[]) {
        const write = writeOf(this);
        if (write !== undefined) await announce(write);
        yield* Reflect.apply(original, this as never, args as never) as AsyncIterable<unknown>;
        if (write !== undefined) await send(write, undefined);
      };
    }),
  ];
}

interface QueryWrite {
  readonly adapter: MikroOrmAdapter;
  readonly em: EntityManager;
  readonly handle: object | undefined;
  readonly sender: unknown;
  readonly operation: Operation;
}

/** What a query builder of the app's is about to write; undefined if nobody is to know. */
function writeOf(builder: QueryBuilder): QueryWrite | undefined {
  const { em, type } = builder;
  const operation = OPERATIONS[type];
  if (em === undefined || operation === undefined) return undefined;
  const adapter = attached.get(em.config);
  if (adapter === undefined || (adapter.options.bulk !== 'throw' && isIdle())) return undefined;
  const sender = builder.mainAlias.meta?.class;
  // A table without an entity has no receivers.
  if (sender === undefined) return undefined;
  return { adapter, em, handle: builder.context, sender, operation: isUpsert(builder) ? 'upsert' : operation };
}

function isUpsert(builder: QueryBuilder): boolean {
  if (builder.type !== 'INSERT') return false;
  try {
    return UPSERT.test(builder.getQuery());
  } catch {
    // It fails in the same way when it is executed.
    return false;
  }
}

function execute(write: QueryWrite, natively: () => Promise<unknown>): Promise<unknown> {
  return new EntityManagerCall('query builder').perform(async () => {
    const checked = announce(write);
    if (checked !== undefined) await checked;
    const result = await natively();
    const { affectedRows } = Object(result) as { affectedRows?: unknown };
    await send(write, Array.isArray(result) ? result.length : affectedRows);
    return result;
  });
}

/** To be called in the call of the app, for its line. */
function announce({ adapter, handle, sender, operation }: QueryWrite): Promise<void> | undefined {
  const heard = adapter.familyOf(sender).find((each) => hasReceivers(operation, each));
  adapter.bulk.announce(operation, heard ?? sender, ADVICE);
  return adapter.checkOutside(handle, () => `a query builder of ${senderName(sender)}`);
}

function send({ adapter, em, handle, sender, operation }: QueryWrite, count: unknown): Promise<void> {
  return adapter.send(postBulk, sender, em, () => ({ operation, count: count as number | undefined }), handle);
}

/** Notice a receiver that writes by SQL outside of its transaction. What MikroORM itself executes was seen before. */
function interceptSql(connection: object): () => void {
  return patch(ownerOf(connection, 'execute'), 'execute', (original) => {
    return function (this: { readonly config: object }, ...args: unknown[]) {
      const natively = (): unknown => Reflect.apply(original, this as never, args as never);
      const [query, , , transaction] = args;
      const adapter = isIdle() || currentCall() !== undefined ? undefined : attached.get(this.config);
      if (adapter === undefined || transaction !== undefined || !WRITE.test(sqlOf(query))) return natively();
      const checked = adapter.checkOutside(undefined, () => 'execute()');
      return checked === undefined ? natively() : checked.then(natively);
    };
  });
}

function sqlOf(query: unknown): string {
  const { sql = query } = Object(query) as { sql?: unknown };
  return typeof sql === 'string' ? sql : '';
}
