import type { Registration } from './registration.ts';
import { PLAIN } from './options.ts';
import type { AnyFunction } from './types.ts';

type SilentPair = readonly [AnyFunction, undefined];

/** Whom a send from one sender calls, in which order. Never changes: a connect or disconnect makes the next send ask for a new one. */
export class Plan {
  readonly registrations: readonly Registration[];
  /** Whether dispatch can call them all with nothing in between. */
  readonly plain: boolean;
  /**
   * What `send()` returns when a plain plan's receivers all return nothing. Made ahead of the send, for a receiver that disconnects
   * another is not known any more afterwards.
   */
  readonly silence: readonly SilentPair[];

  constructor(registrations: Registration[]) {
    this.registrations = registrations.length > 1 ? registrations.sort(byDispatchOrder) : registrations;
    this.plain = registrations.every(isPlain);
    this.silence = this.plain && registrations.length > 0 ? Object.freeze(registrations.map(({ pair }) => pair)) : NOTHING;
  }
}

/** The result of a send that called nobody. */
export const NOTHING: readonly never[] = Object.freeze([]);

/** A strong receiver that is called as it is, as often as there are sends, and at once. */
function isPlain({ settings }: Registration): boolean {
  return settings === PLAIN || !(settings.weak || settings.owned || settings.once || settings.afterCommit || settings.thisArgument !== undefined);
}

/** Higher priority first, then connect order. */
export function byDispatchOrder(a: Registration, b: Registration): number {
  return b.settings.priority - a.settings.priority || a.order - b.order;
}
