import type { Registration } from './registration.ts';
import type { AnyFunction } from './types.ts';

type SilentPair = readonly [AnyFunction, undefined];

/** Whom a send from one sender calls, in which order. Never changes: a connect or disconnect makes the next send ask for a new one. */
export class Plan {
  readonly registrations: readonly Registration[];
  /** What dispatch can call with nothing in between; undefined if one of them wants more than to be called. */
  readonly receivers: readonly AnyFunction[] | undefined;
  /** What `send()` returns when receivers that are called as they are all return nothing; made by the first such send. */
  silence: readonly SilentPair[] | undefined = undefined;

  constructor(registrations: Registration[]) {
    this.registrations = registrations.sort(byDispatchOrder);
    this.receivers = registrations.every(({ plain }) => plain) ? registrations.map(({ target }) => target as AnyFunction) : undefined;
  }
}

/** Pairs of receivers that have returned nothing; shared, and so frozen. */
export function silenceOf({ receivers = [] }: Plan): readonly SilentPair[] {
  return receivers.length === 0 ? NOTHING : Object.freeze(receivers.map((receiver) => Object.freeze([receiver, undefined] as const)));
}

/** The result of a send that called nobody. */
export const NOTHING: readonly never[] = /* @__PURE__ */ Object.freeze([]);

/** Higher priority first, then connect order. */
export function byDispatchOrder(a: Registration, b: Registration): number {
  return b.settings.priority - a.settings.priority || a.order - b.order;
}
