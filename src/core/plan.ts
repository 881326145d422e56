import type { Registration } from './registration.ts';
import type { SenderMap } from './sender-map.ts';
import type { AnyFunction } from './types.ts';

/**
 * Whom a send calls, in which order. Never changes: a connect or disconnect makes the next send ask for a new one, and
 * so a send in flight learns of it by comparing the plan of the signal with the one that it began with.
 */
export class Plan {
  /** What `send()` can call with nothing in between; undefined if one of them wants more than to be called. */
  readonly receivers: readonly AnyFunction[] | undefined;
  /** In the plan of a signal: those of the senders that others hear, too, as far as they have sent. */
  readonly senders: SenderMap<Plan> | undefined;
  /** What `send()` returns when nobody has answered; made by the first such send. */
  silence: Silence | undefined = undefined;
  readonly registrations: readonly Registration[];

  constructor(registrations: readonly Registration[], receivers: Plan['receivers'], senders?: SenderMap<Plan>) {
    this.receivers = receivers;
    this.senders = senders;
    this.registrations = registrations;
  }
}

/** What calls nobody in the place of a receiver. */
export const nobody: AnyFunction = () => undefined;

/** The result of a send that nobody has answered. */
export type Silence = readonly (readonly [AnyFunction, undefined])[];

export function silenceOf(receivers: readonly AnyFunction[]): Silence {
  return Object.freeze(receivers.map((receiver) => Object.freeze([receiver, undefined] as const)));
}

/**
 * What lies ready on the signal itself, for each object that a send has to fetch costs it more than all that it does.
 * Cleared with each change, by the registry, and made by the next send.
 */
export interface Ready {
  /** The one receiver of every send, or `nobody`; undefined where there are more, or where more is to be done. */
  [onlyReceiver]: AnyFunction | undefined;
  /** What a send returns when that one does not answer. */
  [onlySilence]: Silence | undefined;
  /** Whom a send calls, or how those of a sender are found. */
  [currentPlan]: Plan | undefined;
}
export const onlyReceiver: unique symbol = /* @__PURE__ */ Symbol('onlyReceiver') as never;
export const onlySilence: unique symbol = /* @__PURE__ */ Symbol('onlySilence') as never;
export const currentPlan: unique symbol = /* @__PURE__ */ Symbol('currentPlan') as never;

/** Higher priority first, then connect order. */
export function byDispatchOrder(a: Registration, b: Registration): number {
  return b.settings.priority - a.settings.priority || a.order - b.order;
}
