import { describe, signalName } from './describe.ts';
import type { Home } from './registration.ts';
import { shared } from './shared.ts';
import type { AnySignal } from './types.ts';

/** How many receivers of one sender are taken for a leak. */
export const limits: {
  /** Of signals that have no number of their own. */
  every: number;
  /** No number is lower: what is asked first. */
  lowest: number;
  readonly of: WeakMap<AnySignal, number>;
} = /* @__PURE__ */ shared('limits', () => ({ every: 10, lowest: 10, of: new WeakMap() }));

/** From how many registrations on it is worth counting again. */
const countAt = /* @__PURE__ */ new WeakMap<Home, number>();

/** Warn, in development and once, of more receivers than a sender is likely to have. Never throws. */
export function warnOfLeak(signal: AnySignal, home: Home): void {
  const { registrations, sender } = home;
  const { size } = registrations;
  const limit = limits.of.get(signal) ?? limits.every;
  if (size <= limit || size < (countAt.get(home) ?? 0)) return;
  // those with an owner and weak ones go by themselves
  const strong = registrations.values().filter(({ target }) => typeof target === 'function').length;
  const leaks = strong > limit;
  countAt.set(home, leaks ? Infinity : size * 2);
  try {
    const { process } = globalThis as {
      process?: { env: Record<string, string | undefined>; emitWarning(message: string, type: string): void };
    };
    if (leaks && process?.env.NODE_ENV !== 'production')
      process?.emitWarning(
        `${String(strong)} receivers of ${signalName(signal)} for ${sender === undefined ? 'any sender' : describe(sender)} are held strongly: a leak? Disconnect them, give them an owner, or see setMaxListeners()`,
        'MaxListenersExceededWarning',
      );
  } catch {
    // An app may have made warnings throw, and Deno may refuse the environment.
  }
}
