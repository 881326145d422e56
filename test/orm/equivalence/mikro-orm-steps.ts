/** What a program does with MikroORM, as data, and how that is done. */
import { Collection, type EntityManager, type MikroORM, raw, RequestContext, Utils, wrap } from '@mikro-orm/core';
import { settle } from '../equivalence.ts';
import { CLASSES, type Name } from './mikro-orm-entities.ts';

/** The method, and its arguments: `{ '@held': 0 }` and its like stand for what is no data; see `valueOf()`. */
export type Call = readonly [method: string, ...args: unknown[]];

export type Step =
  | { readonly call: Call }
  | { readonly repository: Name; readonly call: Call }
  | { readonly build: Name; readonly data: object }
  | { readonly entity: number; readonly calls: readonly Call[] }
  | { readonly query: Name; readonly calls: readonly Call[] }
  | { readonly kysely: Name; readonly call: Call }
  | { readonly transaction: readonly Step[]; readonly how: string; readonly options: object; readonly end: string }
  | { readonly fork: readonly Step[]; readonly options: object }
  | { readonly request: readonly Step[]; readonly transactional: boolean };

/** An EntityManager, and the entities that a program has got so far. */
export interface Context {
  readonly orm: MikroORM;
  readonly em: EntityManager;
  readonly held: object[];
  /**
   * Whether a transaction is open, whatever the EntityManager: a write past it waits for ever, on SQLite for its only
   * connection, elsewhere for a row that is locked.
   */
  readonly isInTransaction?: boolean;
}

/** Run a step. */
export async function perform(step: Step, context: Context): Promise<unknown> {
  const { orm, em } = context;
  if ('repository' in step) return play(em.getRepository(CLASSES[step.repository]), step.call, context);
  if ('call' in step && !('kysely' in step)) return play(em, step.call, context);
  if ('build' in step) {
    const built = Object.assign(new CLASSES[step.build](), valueOf(step.data, context));
    context.held.push(built);
    return built;
  }
  if ('entity' in step) return onEntity(step.entity, step.calls, context);
  if ('query' in step) {
    let query = (em as unknown as Record<'qb', (of: unknown) => object>).qb(CLASSES[step.query]);
    for (const [method, ...args] of step.calls) query = invoke(query, method, args, context) as object;
    const result = await (query as { execute(): Promise<object> }).execute();
    // SQLite tells of the last insert of its connection, whatever the statement is.
    return step.calls[0]?.[0] === 'insert' ? result : { ...result, insertId: undefined };
  }
  if ('kysely' in step) return withKysely(step.kysely, step.call, context);
  if ('fork' in step) {
    const within = context.isInTransaction === true ? { keepTransactionContext: true } : {};
    const fork = em.fork({ ...step.options, ...within });
    return [await all(step.fork, { ...context, em: fork }), await settle(fork.flush())];
  }
  if ('request' in step) {
    if (context.isInTransaction === true) return all(step.request, context);
    return RequestContext.create(orm.em, async () => {
      const inner = { ...context, em: orm.em };
      const { request, transactional } = step;
      if (!transactional) return [await all(request, inner), await settle(orm.em.flush())];
      return inTransaction({ transaction: request, how: 'transactional', options: {}, end: 'commit' }, inner);
    });
  }
  return inTransaction(step, context);
}

async function all(steps: readonly Step[], context: Context): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  for (const step of steps) outcomes.push(await settle(perform(step, context)));
  return outcomes;
}

async function inTransaction(
  { transaction, how, options: given, end }: Extract<Step, { transaction: unknown }>,
  context: Context,
): Promise<unknown> {
  const { em } = context;
  const isPast = ['requires_new', 'not_supported'].includes((given as { propagation?: string }).propagation ?? '');
  const options = isPast && context.isInTransaction === true ? {} : { ...given };
  const around: unknown = em.getTransactionContext<object>();
  const outcomes: unknown[] = [];
  const body = async (tx: EntityManager): Promise<string> => {
    outcomes.push(
      ...(await all(transaction, { ...context, em: em === context.orm.em ? em : tx, isInTransaction: true })),
    );
    if (end === 'throw') throw new RangeError('thrown in the transaction');
    return 'returned';
  };
  if (how === 'transactional') return [await settle(em.transactional(body, options)), outcomes];
  if (how === 'connection') {
    const inner = em.fork();
    const done = em.getConnection('write').transactional(
      (handle) => {
        inner.setTransactionContext(handle as object);
        return body(inner);
      },
      { ctx: around as never },
    );
    return [await settle(done), outcomes];
  }
  const keepTransactionContext = context.isInTransaction === true;
  const inner = em.fork({ clear: false, keepTransactionContext });
  outcomes.push(await settle(inner.begin({ ...options, ctx: around as never })));
  outcomes.push(await settle(body(inner)));
  if (end !== 'throw') outcomes.push(await settle(inner.commit()));
  // Of what has failed; what is ended already is refused.
  outcomes.push(await settle(inner.rollback()));
  return outcomes;
}

async function onEntity(index: number, calls: readonly Call[], context: Context): Promise<unknown> {
  const entity = heldAt(index, context);
  if (entity === undefined) return 'nothing is held';
  const outcomes: unknown[] = [];
  for (const [method, ...args] of calls)
    outcomes.push(await settle((async () => touch(entity, method, args, context))()));
  return [outcomes, entity];
}

/** Change an entity: a property, a collection, or by a method of `wrap()` or of the EntityManager that takes it. */
async function touch(entity: object, method: string, args: readonly unknown[], context: Context): Promise<unknown> {
  const [first, second, ...rest] = args;
  if (method === 'set') {
    (entity as Record<string, unknown>)[first as string] = valueOf(second, context);
    return 'set';
  }
  if (method === 'in') {
    // A value of an object is changed in place.
    Object.assign(Object((entity as Record<string, unknown>)[first as string]), valueOf(second, context));
    return 'changed';
  }
  // It would be loaded by the EntityManager that it is of, past the transaction.
  const of = (entity as { __helper?: { __em?: EntityManager } }).__helper?.__em;
  if (context.isInTransaction === true && of?.isInTransaction() === false) return 'of another EntityManager';
  if (method === 'collection') {
    const collection = (entity as Record<string, unknown>)[first as string];
    if (!(collection instanceof Collection)) return 'no such collection';
    return await invoke(collection, second as string, rest, context);
  }
  if (method === 'wrapped') return await invoke(wrap(entity), first as string, args.slice(1), context);
  const result: unknown = await invoke(context.em, method, [{ '@itself': entity }, ...args], context);
  return result === context.em ? 'the EntityManager' : result;
}

async function withKysely(name: Name, [method, ...args]: Call, { em }: Context): Promise<unknown> {
  const database = (em as unknown as { getKysely(): Record<string, (table: string) => object> }).getKysely();
  const table = em.getMetadata(CLASSES[name]).tableName;
  const [values] = args;
  const query =
    method === 'insertInto'
      ? (database.insertInto as never as (table: string) => { values(values: unknown): object })(table).values(values)
      : method === 'updateTable'
        ? (database.updateTable as never as (table: string) => { set(values: unknown): object })(table).set(values)
        : (database.deleteFrom as (table: string) => object)(table);
  return (query as { execute(): Promise<unknown> }).execute();
}

async function play(on: object, [method, ...args]: Call, context: Context): Promise<unknown> {
  if (method === 'stream') {
    const streamed: unknown[] = [];
    for await (const each of invoke(on, method, args, context) as AsyncIterable<unknown>) streamed.push(each);
    return streamed;
  }
  const result: unknown = await invoke(on, method, args, context);
  if (result === on || result === context.em) return 'itself';
  hold(result, context);
  return result;
}

function hold(result: unknown, { held }: Context): void {
  const found = Array.isArray(result) ? result.flat() : [result];
  for (const each of found) {
    if (Utils.isEntity<object>(each) && !held.includes(each)) held.push(each);
  }
}

function invoke(on: object, method: string, args: readonly unknown[], context: Context): unknown {
  const given = args.map((each) => valueOf(each, context));
  return Reflect.apply((on as Record<string, never>)[method] as never, on, given);
}

function heldAt(index: number, { held }: Context): object | undefined {
  return held[index % Math.max(held.length, 1)];
}

function valueOf(argument: unknown, context: Context): unknown {
  if (Array.isArray(argument)) return argument.map((each) => valueOf(each, context));
  if (typeof argument !== 'object' || argument === null) return argument;
  const [[kind, value] = ['', undefined]] = Object.entries(argument);
  switch (kind) {
    case '@itself':
      return value;
    case '@held':
      return heldAt(value as number, context) ?? null;
    case '@class':
      return CLASSES[value as Name];
    case '@raw':
      return raw(value as string);
    case '@date':
      return new Date(value as string);
    case '@absent':
      return undefined;
    case '@of': {
      // One of a class: MikroORM crashes on others, whatever is attached.
      const [name, index] = value as [Name, number];
      const some = context.held.filter((each) => each instanceof CLASSES[name]);
      return some[index % Math.max(some.length, 1)] ?? context.em.getReference(CLASSES[name], (index + 1) as never);
    }
    case '@reference': {
      const [name, key] = value as [Name, never];
      return context.em.getReference(CLASSES[name], key);
    }
    default:
      return Object.fromEntries(Object.entries(argument).map(([key, inner]) => [key, valueOf(inner, context)]));
  }
}
