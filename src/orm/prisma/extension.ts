import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, isObject } from '../../core/describe.ts';
import { postBulk } from '../../models.ts';
import { hasReceivers, nobodyListens } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import { assertSupported } from '../supported.ts';
import { WrappedDatabase, WriteScope } from '../write-scope.ts';
import {
  assertKnown,
  type Client,
  doomsTransactions,
  executeUnseen,
  mayNest,
  type Operation,
  type Params,
  poolSizeOf,
  transactionOf,
  unlike,
} from './client.ts';
import { extendWhile } from './extend-while.ts';
import type { PlacedWrite } from './placed-write.ts';
import { needsNoSignals, operationOf, planOf } from './plan.ts';
import type { Place, PrismaOptions, WritePlan } from './write-plan.ts';
import { writeRows } from './writes.ts';

const ADVICE = 'Write rows one by one, listen to postBulk, or extend with another `bulk` option.';

/** What `$extends()` calls: it gives a client whose operations and transactions are known here. */
export function extension(options: PrismaOptions): (client: object) => object {
  return (client) => {
    if (!isObject(client) || !('$extends' in client))
      throw new TypeError(`signals() is for $extends() of a Prisma Client, not for ${describe(client)}`);
    assertSupported('Prisma', (client as Client)._clientVersion, '7.0.0', '8.0.0');
    assertKnown(client);
    return new ExtendedDatabase(options).extend(client as Client);
  };
}

type Scope = WriteScope<PrismaOptions>;

interface Batch {
  readonly inTransaction: boolean;
  /** What is sent when all of it is done: when one operation fails, those before it are undone, and nobody is told. */
  readonly waiting: (() => Promise<void>)[];
}

/** What all clients have in common that come of the one that was extended. */
class ExtendedDatabase {
  private readonly database: WrappedDatabase<PrismaOptions>;
  /** The open transactions, by what Prisma calls them. The `tx` of each is the client of its innermost savepoint. */
  private readonly open = new Map<unknown, Scope>();
  /** The batch that an operation is part of, which Prisma does not tell when it is begun in a transaction. */
  private readonly batch = new AsyncLocalStorage<Batch | undefined>();

  constructor(options: PrismaOptions) {
    this.database = new WrappedDatabase(options);
  }

  /**
   * Extend a client. Whatever extends it further comes before this extension: so what arrives here is what is written,
   * and what is read and written here is seen by nobody else's extension.
   */
  extend(client: Client): Client {
    const { $extends, $transaction } = client;
    const root: Scope = new WriteScope(this.database);
    const operate = (operation: Operation): Promise<unknown> => this.operate(operation, root);
    const transact = (of: Client, work: unknown, options: unknown[]): Promise<unknown> =>
      this.transact(of, (body) => $transaction.call(of, body, ...options), work, root);
    const extendFurther = (of: Client, more: unknown): unknown => {
      if (typeof more === 'function') return (more as (client: Client) => unknown)(of);
      const further = this.extend($extends.call(client, more));
      return Object.defineProperty(further, '_appliedParent', { value: of, configurable: true });
    };
    // A receiver may be the last one, and disconnected while it runs.
    const isNeeded = (): boolean =>
      this.database.options.bulk === 'throw' || !nobodyListens() || currentCause() !== undefined;
    const extended = extendWhile(isNeeded, client, {
      name: 'tocsin',
      query: { $allModels: { $allOperations: operate } },
      client: {
        $transaction(this: Client, work: unknown, ...options: unknown[]) {
          return transact(this, work, options);
        },
        $extends(this: Client, more: unknown) {
          return extendFurther(this, more);
        },
      },
    });
    root.tx = extended;
    return extended;
  }

  private operate(operation: Operation, root: Scope): Promise<unknown> {
    const { args, query, __internalParams: params } = operation;
    if (!isObject(params)) throw unlike('__internalParams in $allOperations');
    const { transaction } = params;
    const kind = operationOf(operation.operation);
    const scope =
      transaction === undefined ? root : transaction.kind === 'itx' ? this.open.get(transaction.id) : undefined;
    this.checkOutside(operation, root, scope ?? root);
    if (kind === undefined) return query(args);
    const { options, bulk } = this.database;
    const batch = this.batch.getStore();
    const isBatch = batch?.inTransaction === true || scope === undefined;
    // In a transaction Prisma does them one by one, and none is undone when another fails.
    const together = scope === undefined && batch?.inTransaction === false ? batch : undefined;
    const place: Place = isBatch ? 'batch' : transaction === undefined ? 'outside' : 'transaction';
    const plan = planOf(operation, (scope ?? root).tx as Client, options, place);
    for (const each of plan.bulk) {
      const isWarned =
        options.bulk === 'throw' || options.bulk === 'signal' || !hasReceivers(each.operation, each.model);
      bulk.announce(each.operation, each.model, ADVICE, isWarned ? '' : siteOf(params));
    }
    if (needsNoSignals(plan)) return query(args);
    if (place !== 'outside' || !options.atomic)
      return this.batch.run(undefined, () => perform(plan, scope ?? root, operation, together));
    return this.begin(root, (inner) => perform(plan, inner, operation));
  }

  /** Notice a receiver that uses the app's client while its own transaction is open. */
  private checkOutside({ model, operation, __internalParams: params }: Operation, root: Scope, scope: Scope): void {
    const { outside } = this.database;
    if (outside.policy === 'ignore') return;
    const poolIsFull = (): boolean => this.open.size >= poolSizeOf(root.tx as Client);
    if (operationOf(operation) === undefined && !poolIsFull()) return;
    outside.check({
      database: this.database,
      transaction: scope.transaction,
      description: `${operation}() of ${model}`,
      poolIsFull,
      site: () => siteOf(params),
    });
  }

  /** A transaction of our own, for one write. */
  private begin(root: Scope, work: (scope: Scope) => Promise<unknown>): Promise<unknown> {
    const client = root.tx as Client;
    // What other extensions make of $transaction() is for the app's transactions.
    const { $transaction } = client._originalClient;
    return this.run(root, true, work, (body) =>
      $transaction.call(client, body, { ...this.database.options.transaction }),
    );
  }

  /** A transaction of the app, or a savepoint in one. */
  private transact(
    client: Client,
    open: (work: unknown) => Promise<unknown>,
    work: unknown,
    root: Scope,
  ): Promise<unknown> {
    const transaction = transactionOf(client);
    const scope = transaction === undefined ? root : this.open.get(transaction.id);
    if (!isCallback(work)) {
      const batch: Batch = { inTransaction: transaction !== undefined, waiting: [] };
      return this.batch
        .run(batch, () => open(work))
        .then(async (results) => {
          for (const send of batch.waiting) await send();
          return results;
        });
    }
    if (scope === undefined || !mayNest(client)) return open(work);
    return this.run(scope, false, (_inner, handle) => Promise.resolve(work(handle)), open);
  }

  private run(
    scope: Scope,
    own: boolean,
    work: (scope: Scope, handle: Client) => Promise<unknown>,
    open: (body: (handle: Client) => Promise<unknown>) => Promise<unknown>,
  ): Promise<unknown> {
    return scope.runTransaction<Client, unknown>({
      own,
      open,
      isDoomed,
      body: async (handle, inner) => {
        if (scope.transaction !== undefined) return this.inSavepoint(scope, handle, () => work(scope, handle));
        const id = transactionOf(handle)?.id;
        if (id === undefined) throw unlike('the id of a transaction in _createPrismaPromise()');
        inner.tx = handle;
        this.open.set(id, inner);
        try {
          return await work(inner, handle);
        } finally {
          this.open.delete(id);
        }
      },
    });
  }

  private async inSavepoint(scope: Scope, handle: Client, work: () => Promise<unknown>): Promise<unknown> {
    const surrounding = scope.tx;
    scope.tx = handle;
    try {
      return await work();
    } finally {
      scope.tx = surrounding;
    }
  }
}

function isCallback(work: unknown): work is (client: Client) => unknown {
  return typeof work === 'function';
}

/** Do a write, with the signals that it sends. */
async function perform(
  plan: WritePlan,
  scope: Scope,
  { args, query, __internalParams }: Operation,
  batch?: Batch,
): Promise<unknown> {
  const client = scope.tx as Client;
  const write = scope.write();
  const params: Params =
    scope.transaction === undefined ? __internalParams : { ...__internalParams, transaction: transactionOf(client) };
  const all = Object.keys(client._globalOmit?.[plan.model.charAt(0).toLowerCase() + plan.model.slice(1)] ?? {});
  const omit = all.length === 0 ? {} : { omit: Object.fromEntries(all.map((name) => [name, false])) };
  const place: PlacedWrite = {
    options: scope.database.options,
    client,
    send: write.send,
    read: async (action, what) => await query({ ...what, ...omit }, { ...params, action, dataPath: [] }),
    write: async (changed, different) => {
      write.issue();
      return await query(changed, { ...params, dataPath: [], ...different });
    },
    untouched: async () => {
      write.issue();
      return await query(args, params);
    },
  };
  const result = plan.selection === undefined ? await place.untouched() : await writeRows(plan, place);
  const own = (result as { count?: number } | undefined)?.count ?? (Array.isArray(result) ? result.length : undefined);
  const send = async (): Promise<void> => {
    for (const { model, operation, where, values } of plan.bulk) {
      const count = values === plan.args.data && model === plan.model ? own : undefined;
      await write.send(postBulk, model, { operation, where, values, count });
    }
  };
  if (batch === undefined) await send();
  else batch.waiting.push(send);
  return result;
}

/** Of all that may be wrong with a transaction, this alone the commit does not tell. */
async function isDoomed(client: Client): Promise<boolean> {
  if (!doomsTransactions(client)) return false;
  try {
    await executeUnseen(client, 'select 1');
    return false;
  } catch (error) {
    return String(error).includes('25P02');
  }
}

/** Where the app has called: Prisma begins only when it is awaited, and has kept the place. */
function siteOf({ callsite }: Params): string {
  const location = callsite?.getLocation();
  if (location === null || location === undefined) return '';
  return [location.fileName, location.lineNumber, location.columnNumber].filter((part) => part !== null).join(':');
}
