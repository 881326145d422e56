import type { Model, ModelClass } from 'objection';
import { callSite } from '../../core/origin.ts';
import { shared } from '../../core/shared.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard, hasReceivers, nobodyListens } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import type { Query } from './query.ts';

/** The options of `withSignals()`, complete. */
export interface ObjectionOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

/** What the models of one base class have in common. */
export class Mixin {
  readonly options: ObjectionOptions;
  readonly bulk: BulkGuard;
  readonly outside: OutsideGuard;

  constructor(options: ObjectionOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
    this.outside = new OutsideGuard(options.outside);
  }

  /** Note the line that makes a query, if it may be warned of: when the query is executed, that call has returned. */
  noteSite(query: Query, sender: unknown): void {
    const isCaused = currentCause() !== undefined;
    if (!isCaused && nobodyListens()) return;
    const warnsOfBulk = this.options.bulk === 'warn' || this.options.bulk === 'individual';
    const isMissed = warnsOfBulk && (hasReceivers('update', sender) || hasReceivers('delete', sender));
    if (isMissed || (this.options.outside === 'warn' && isCaused)) sites.set(query, callSite());
  }
}

const sites = new WeakMap<Query, string>();

/** The line that made a query; `''` if that is not known. */
export function siteOf(query: Query): string {
  return sites.get(query) ?? '';
}

const mixins = new WeakMap<object, Mixin>();
/** Classes with signals of any copy of this library: two would send everything twice. */
const claimed: WeakSet<object> = shared('objection', () => new WeakSet());
/** The classes that `bindKnex()` and `bindTransaction()` have made, and the models that they stand for. */
const bound = new WeakMap<object, object>();

/** What the class was mixed with, or one that it extends; undefined for a class without signals. */
export function mixinOf(model: object): Mixin | undefined {
  if (known.has(model)) return known.get(model);
  const mixin = chainOf(model)
    .map((each) => mixins.get(each))
    .find((each) => each !== undefined);
  known.set(model, mixin);
  return mixin;
}
const known = new WeakMap<object, Mixin | undefined>();

/** Have a class, and those that extend it, send signals. */
export function register(model: object, mixin: Mixin): void {
  mixins.set(model, mixin);
  claimed.add(model);
}

export function hasSignals(model: object): boolean {
  return chainOf(model).some((each) => claimed.has(each));
}

/** Note that a class stands for another: `bindKnex()` makes such. */
export function stand(model: object, original: object): void {
  bound.set(model, original);
}

export function senderOf(model: object): ModelClass<Model> {
  return (bound.get(model) ?? model) as ModelClass<Model>;
}

function chainOf(model: object): object[] {
  const chain: object[] = [];
  for (let each: object | null = model; each !== null; each = Object.getPrototypeOf(each) as object | null)
    chain.push(each);
  return chain;
}
