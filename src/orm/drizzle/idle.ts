/**
 * Queries that are built while nobody listens. They are Drizzle's own objects and not proxies of them, so that they
 * cost little more than without signals; only when one is run, it is asked again whether somebody listens.
 */
import { nobodyListens } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import type { Handle } from './handle.ts';
import { type Hook, intercept } from './intercept.ts';
import type { Builder, Prepared } from './internals.ts';

type RunHooks = ReadonlyMap<PropertyKey, Hook>;

/** What is called in place of a method, with what is known of the object that it is called on. */
type Instead<T> = (known: T, object: object, original: (...args: unknown[]) => unknown, args: unknown[]) => unknown;

/** Hooks some methods of single objects, by functions that all objects of a class have in common. */
class Hooked<T> {
  private readonly known = new WeakMap<object, T>();
  private readonly replacements = new WeakMap<object, readonly (readonly [string, PropertyDescriptor])[]>();
  private readonly instead: Readonly<Record<string, Instead<T>>>;

  constructor(instead: Readonly<Record<string, Instead<T>>>) {
    this.instead = instead;
  }

  hook(object: object, known: T): object {
    this.known.set(object, known);
    const prototype = Object.getPrototypeOf(object) as object;
    let replacements = this.replacements.get(prototype);
    if (replacements === undefined) this.replacements.set(prototype, (replacements = this.replace(prototype)));
    for (const [name, replacement] of replacements) Object.defineProperty(object, name, replacement);
    return object;
  }

  private replace(prototype: object): [string, PropertyDescriptor][] {
    const { known } = this;
    return Object.entries(this.instead).flatMap(([name, instead]): [string, PropertyDescriptor][] => {
      const method: unknown = Reflect.get(prototype, name);
      if (typeof method !== 'function') return [];
      const hooked = function (this: object, ...args: unknown[]): unknown {
        const about = known.get(this);
        // A copy of the query is another object.
        if (about === undefined) return Reflect.apply(method, this, args);
        return instead(about, this, (...given) => Reflect.apply(method, this, given) as unknown, args);
      };
      const value = Object.defineProperties(hooked, {
        name: { value: method.name },
        length: { value: method.length },
      });
      return [[name, { value, writable: true, configurable: true, enumerable: false }]];
    });
  }
}

/** Whether a write of the handle that is built or run now has nothing to do with signals. */
export function isIdle({ shared }: Handle): boolean {
  return nobodyListens() && shared.options.bulk !== 'throw' && shared.turns.isFree && currentCause() === undefined;
}

/** How the runs of a query are hooked, if it turns out that they must be. */
export interface IdleQuery {
  readonly handle: Handle;
  readonly hooks: () => { readonly query: RunHooks; readonly prepared: RunHooks };
}

const queries = new Hooked<IdleQuery>({
  // Every method that runs a query calls this.
  _prepare({ handle, hooks }, _query, original, args) {
    const prepared = original(...args) as Prepared & object;
    return isIdle(handle) ? prepared : intercept(prepared, hooks().query);
  },
  prepare({ hooks }, query, _original, args) {
    // It is run later, when somebody may listen.
    return intercept(unhooked(query as Builder).prepare(...args), hooks().prepared);
  },
});

/** The same query, without hooks. */
function unhooked(query: Builder): Builder & { prepare(...args: unknown[]): object } {
  const prototype = Object.getPrototypeOf(query) as object;
  return Object.create(prototype, Object.getOwnPropertyDescriptors(query)) as ReturnType<typeof unhooked>;
}

export function watchIdle(builder: object, known: IdleQuery): object {
  return queries.hook(builder, known);
}

type Build = (built: object, given: unknown) => object;
const step: Instead<Build> = (build, begun, original, args) => {
  const built = original(...args) as object;
  return built === begun ? built : build(built, args[0]);
};
const steps = new Hooked<Build>({ values: step, set: step, select: step });

/** What begins a query, as `insert()` gives it; `build` is called with the query. */
export function beginIdle(begun: object, build: Build): object {
  return steps.hook(begun, build);
}
