import type { Registration } from './registration.ts';
import type { AnyFunction } from './types.ts';

/**
 * Whom a send from one sender calls, in which order. Never changes: a connect or disconnect makes the next send ask for
 * a new one.
 */
export class Plan {
  readonly registrations: readonly Registration[];
  /** What dispatch can call with nothing in between; undefined if one of them wants more than to be called. */
  readonly receivers: readonly AnyFunction[] | undefined;
  /**
   * What `send()` returns when receivers that are called as they are all return nothing; made by the first such send.
   */
  silence: readonly (readonly [AnyFunction, unknown])[] | undefined = undefined;

  constructor(registrations: Registration[]) {
    this.registrations = registrations.sort(byDispatchOrder);
    this.receivers = registrations.every(({ plain }) => plain)
      ? registrations.map(({ target }) => target as AnyFunction)
      : undefined;
  }
}

/** Higher priority first, then connect order. */
export function byDispatchOrder(a: Registration, b: Registration): number {
  return b.settings.priority - a.settings.priority || a.order - b.order;
}
