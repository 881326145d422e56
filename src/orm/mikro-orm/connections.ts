import type { EntityManager } from '@mikro-orm/core';
import { currentCall } from '../causal-context.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, isIdle, type MikroOrmAdapter } from './adapter.ts';
import { EntityManagerCall } from './calls.ts';
import type { FollowedTransaction } from './transactions.ts';

type Natively = (argument?: object) => Promise<object>;
type Interceptor = (adapter: MikroOrmAdapter, argument: never, natively: Natively) => Promise<unknown>;

const INTERCEPTORS: Readonly<Record<string, Interceptor>> = { begin, commit, rollback, transactional };

/** Follow the transactions that are begun, by an EntityManager or on the connection itself. Returns what ends that. */
export function interceptTransactions(em: EntityManager): () => void {
  const connection = em.getConnection('write');
  const undo = Object.entries(INTERCEPTORS).map(([name, interceptor]) =>
    patch(ownerOf(connection, name), name, (original) => {
      return function (this: { readonly config: object }, ...args: (object | undefined)[]) {
        const adapter = attached.get(this.config);
        if (adapter === undefined || !concerns(adapter, name, args))
          return Reflect.apply(original, this as never, args as never);
        const [first, ...rest] = args;
        const natively: Natively = (argument = first) =>
          Reflect.apply(original, this as never, [argument, ...rest] as never) as Promise<object>;
        return interceptor(adapter, first as never, natively);
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

/**
 * A transaction that a flush begins for itself while nobody listens is only followed from the first savepoint on, or
 * the first receiver; one of the app's from its beginning, for it may set savepoints by SQL.
 */
function concerns({ transactions }: MikroOrmAdapter, name: string, args: readonly (object | undefined)[]): boolean {
  const [first, second] = args;
  if (name === 'commit' || name === 'rollback') return first !== undefined && transactions.known(first) !== undefined;
  const options = (name === 'begin' ? first : second) as BeginOptions | undefined;
  return options?.ctx !== undefined || options?.eventBroadcaster === undefined || !isIdle();
}

interface BeginOptions {
  readonly ctx?: object;
  readonly readOnly?: boolean;
  /** Tells the EntityManager that begins it. */
  readonly eventBroadcaster?: object;
}

async function begin(adapter: MikroOrmAdapter, options: BeginOptions | undefined, natively: Natively): Promise<object> {
  const call = currentCall();
  if (options?.ctx === undefined) await adapter.checkOutside(undefined, () => 'a transaction of its own');
  const handle = await natively();
  const isOfFlush = call instanceof EntityManagerCall && call.method === 'flush';
  const followed = await adapter.transactions.follow(handle, isOfFlush ? 'call' : 'app');
  if (options?.readOnly === true) followed.isReadOnly = true;
  return handle;
}

/** What is asked for in it belongs to it, whichever payload is asked. */
function transactional(
  { transactions }: MikroOrmAdapter,
  work: (handle: object) => Promise<unknown>,
  natively: Natively,
): Promise<object> {
  return natively((handle: object) => transactions.known(handle)?.nodeOfCall.run(() => work(handle)) ?? work(handle));
}

/** When it fails, the connection is held until the rollback. */
async function commit({ transactions }: MikroOrmAdapter, handle: object, natively: Natively): Promise<object> {
  const followed = transactions.known(handle) as FollowedTransaction;
  const result = await natively();
  if (!isSavepoint(handle)) followed.node.commit();
  await settleIfEnded(followed);
  return result;
}

async function rollback({ transactions }: MikroOrmAdapter, handle: object, natively: Natively): Promise<object> {
  const followed = transactions.known(handle) as FollowedTransaction;
  try {
    return await natively();
  } finally {
    if (!isSavepoint(handle)) followed.rollback();
    await settleIfEnded(followed);
  }
}

/** What waits runs when the call of the EntityManager has returned, if one has ended it. */
async function settleIfEnded({ node, openedBy }: FollowedTransaction): Promise<void> {
  if (node.state === 'open') return;
  const call = currentCall();
  if (call instanceof EntityManagerCall) call.ended.add(node);
  // One that was begun unseen settles by itself: this may be in a flush.
  else if (openedBy !== 'unknown') await node.settle();
}

function isSavepoint(handle: object): boolean {
  return 'savepointName' in handle;
}
