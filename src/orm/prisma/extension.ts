import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, isObject } from '../../core/describe.ts';
import { callSite, hasAnyReceivers } from '../bulk.ts';
import { Scope, WrappedDatabase } from '../scope.ts';
import { type Client, delegateOf, modelOf, type Operation, type Params, transactionId } from './client.ts';
import { isNative, isSilent, operationOf, perform, type Place, planOf, type PrismaOptions } from './writes.ts';

const ADVICE = 'Write rows one by one, listen to postBulk, or extend with another `bulk` option.';

/** What `$extends()` calls: it gives a client whose operations and transactions are known here. */
export function extension(options: PrismaOptions): (client: object) => object {
  return (client) => {
    if (!isObject(client) || !('$extends' in client))
      throw new TypeError(`signals() is for $extends() of a Prisma Client, not for ${describe(client)}`);
    return new ExtendedClient(client as Client, options).wrapped;
  };
}

/** A place in a transaction, without what is different for each operation. */
type Surroundings = Omit<Place, 'query'>;

class ExtendedClient {
  readonly wrapped: object;
  private readonly root: Surroundings;
  /** The open transactions, by what Prisma calls them; the innermost savepoint of each. */
  private readonly open = new Map<unknown, Surroundings>();
  private readonly sites = new AsyncLocalStorage<string>();

  constructor(client: Client, options: PrismaOptions) {
    const scope = new Scope<PrismaOptions>(new WrappedDatabase(options));
    const extended = client.$extends({
      name: 'tocsin',
      query: { $allModels: { $allOperations: (operation: Operation) => this.operate(operation) } },
    });
    this.root = { scope, client: extended };
    this.wrapped = scope.tx = this.wrap(this.root);
  }

  private async operate(operation: Operation): Promise<unknown> {
    const { model, args, query, __internalParams: params } = operation;
    if (model === undefined || operationOf(operation.operation) === undefined || isNative()) return query(args);
    const { database } = this.root.scope;
    const plan = planOf(operation, this.root.client, database.options);
    const { transaction } = params;
    const batch = transaction?.kind === 'batch';
    const bulk =
      batch && plan.rows
        ? {
            ...plan,
            rows: false,
            bulk: [
              { model, operation: operationOf(operation.operation) ?? 'update', values: args.data, where: args.where },
              ...plan.bulk,
            ],
          }
        : plan;
    for (const each of bulk.bulk) database.bulk.announce(each.operation, each.model, ADVICE, this.sites.getStore());
    if (isSilent(bulk)) return query(args);
    // of what is not in a transaction, or in a batch, whose queries are sent all at once
    if (transaction === undefined && database.options.atomic)
      return this.transaction(this.root, (place) => perform(bulk, { ...place, query: inside(operation, place) }));
    const place = (transaction?.kind === 'itx' ? this.open.get(transaction.id) : undefined) ?? this.root;
    return place.scope.write(() =>
      perform(bulk, {
        ...place,
        query: async (changed, whole) => await query(changed, whole === true ? { ...params, dataPath: [] } : params),
      }),
    );
  }

  /** Run a transaction, or a savepoint in one. */
  private transaction<T>(
    { scope, client }: Surroundings,
    work: (place: Surroundings) => Promise<T>,
    ...options: unknown[]
  ): Promise<T> {
    return scope.transaction(async (inner) => {
      const result = await client.$transaction(
        async (transaction) => {
          const id = transactionId(transaction);
          const surrounding = this.open.get(id);
          const place = { scope: inner, client: transaction };
          inner.tx = this.wrap(place);
          this.open.set(id, place);
          try {
            return await work(place);
          } finally {
            if (surrounding === undefined) this.open.delete(id);
            else this.open.set(id, surrounding);
          }
        },
        ...options,
      );
      return result as T;
    });
  }

  /** The client, whose transactions are watched. */
  private wrap(place: Surroundings): object {
    return new Proxy(place.client, {
      get: (target, name) => {
        if (name === '$transaction') {
          return (work: unknown, ...options: unknown[]) =>
            typeof work === 'function'
              ? this.transaction(
                  place,
                  ({ scope }) => (work as (client: unknown) => Promise<unknown>)(scope.tx),
                  ...options,
                )
              : target.$transaction(work as object[], ...options);
        }
        if (name === '$extends') return (more: unknown) => this.wrap({ ...place, client: target.$extends(more) });
        const member: unknown = Reflect.get(target, name, target);
        if (typeof name === 'string' && isObject(member) && modelOf(target, name) !== undefined && this.isLoud())
          return this.located(delegateOf(target, name));
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  }

  private isLoud(): boolean {
    const { bulk } = this.root.scope.database.options;
    return (bulk === 'warn' || bulk === 'individual') && hasAnyReceivers();
  }

  /** The methods of a model, whose writes know the line that called them: they only begin when they are awaited. */
  private located(delegate: object): object {
    return new Proxy(delegate, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function' || typeof name === 'symbol' || operationOf(name) === undefined) return member;
        return (...args: unknown[]) => {
          const site = callSite();
          const promise = Reflect.apply(member, target, args) as Promise<unknown>;
          return new Proxy(promise, {
            get: (pending, method) => {
              const action: unknown = Reflect.get(pending, method, pending);
              // what begins the query; the last is how a batch does
              if (!['then', 'catch', 'finally', 'requestTransaction'].includes(String(method))) return action;
              return (...callbacks: unknown[]) =>
                this.sites.run(site, () => Reflect.apply(action as () => unknown, pending, callbacks) as unknown);
            },
          });
        };
      },
    });
  }
}

/** The caller's operation, done in a transaction that was begun for it. Prisma only begins when it is waited for. */
function inside({ query, __internalParams: params }: Operation, { client }: Surroundings): Place['query'] {
  const transaction: Params['transaction'] = { kind: 'itx', id: transactionId(client) };
  return async (args, whole) => await query(args, { ...params, transaction, ...(whole === true && { dataPath: [] }) });
}
