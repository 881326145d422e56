/**
 * Queries that are built while nobody listens. They are Drizzle's own objects and not proxies of them, so that they
 * cost little more than without signals; only when one is run, it is asked again whether somebody listens.
 */
import { isObject } from '../../core/describe.ts';
import { nobodyListens } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import type { Handle } from './handle.ts';
import { type Hook, intercept } from './intercept.ts';
import type { Builder, Prepared } from './internals.ts';
import type { Query } from './query.ts';

type RunHooks = ReadonlyMap<PropertyKey, Hook>;

class Itself {
  constructor(object: object) {
    return object;
  }
}

/**
 * What is known of an object, in a private field of that: an entry of a `WeakMap` for each query would cost more than
 * all else that is done here, and slow every garbage collection.
 */
class Known extends Itself {
  readonly #known: IdleQuery;

  constructor(object: object, known: IdleQuery) {
    super(object);
    this.#known = known;
  }

  static of(object: unknown): IdleQuery | undefined {
    return isObject(object) && #known in object ? object.#known : undefined;
  }
}

/** Whether a write of the handle that is built or run now has nothing to do with signals. */
export function isIdle({ shared }: Handle): boolean {
  return nobodyListens() && shared.options.bulk !== 'throw' && shared.turns.isFree && currentCause() === undefined;
}

/** A query that was built while nobody listened. */
export interface IdleQuery {
  readonly handle: Handle;
  readonly query: Query;
  /** How its runs are hooked, if it turns out that they must be. */
  readonly hooks: (idle: IdleQuery) => { readonly query: RunHooks; readonly prepared: RunHooks };
}

export function watchIdle(idle: IdleQuery): object {
  const { builder } = idle.query;
  new Known(builder, idle);
  return Object.defineProperty(builder, '_prepare', hookOf(builder));
}

/** What a query writes that was built while nobody listened. */
export function idleQueryOf(builder: unknown): Query | undefined {
  return Known.of(builder)?.query;
}

const hooks = new WeakMap<object, PropertyDescriptor>();

/** Every method that runs a query calls `_prepare()`: one function for all queries of a class. */
function hookOf(builder: Builder): PropertyDescriptor {
  const prototype = Object.getPrototypeOf(builder) as Builder;
  let hook = hooks.get(prototype);
  if (hook === undefined) {
    const { _prepare } = prototype;
    const value = function (this: Builder, ...args: []): Prepared {
      const idle = Known.of(this);
      const prepared: Prepared & object = Reflect.apply(_prepare, this, args);
      // A copy of the query is another object.
      if (idle === undefined) return prepared;
      // Given something by `prepare()`: it is run later, when somebody may listen.
      if (args.length > 0) return intercept(prepared, idle.hooks(idle).prepared);
      return isIdle(idle.handle) ? prepared : intercept(prepared, idle.hooks(idle).query);
    };
    const looks = { name: { value: _prepare.name }, length: { value: _prepare.length } };
    hook = { value: Object.defineProperties(value, looks), writable: true, configurable: true, enumerable: false };
    hooks.set(prototype, hook);
  }
  return hook;
}

type Build = (built: object, given: unknown) => object;
type Step = (given: unknown, ...more: unknown[]) => unknown;

/** What begins a query, as `insert()` gives it; `build` is called with the query. */
export function beginIdle(begun: object, build: Build): object {
  return new Proxy(begun, new Begun(build));
}

class Begun implements ProxyHandler<object> {
  private readonly build: Build;

  constructor(build: Build) {
    this.build = build;
  }

  get(begun: object, name: PropertyKey, receiver: unknown): unknown {
    const member: unknown = Reflect.get(begun, name, receiver);
    if (typeof member !== 'function' || !Object.hasOwn(STEPS, name)) return member;
    return STEPS[name as keyof typeof STEPS]((given, ...more) => {
      const built = Reflect.apply(member, begun, [given, ...more]) as object;
      return built === begun ? receiver : this.build(built, given);
    });
  }
}

/** Functions that are called as the methods that they stand for. */
const STEPS = {
  values: (step: Step) => ({ values: (given: unknown, ...more: unknown[]) => step(given, ...more) }).values,
  set: (step: Step) => ({ set: (given: unknown, ...more: unknown[]) => step(given, ...more) }).set,
  select: (step: Step) => ({ select: (given: unknown, ...more: unknown[]) => step(given, ...more) }).select,
};
