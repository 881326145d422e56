import { describe } from '../core/describe.ts';
import { isSignal } from '../core/signal.ts';
import type { AnySignal } from '../core/types.ts';

/** One signal or several, checked. */
export function signalsOf(given: unknown, method: string): readonly AnySignal[] {
  const signals = Array.isArray(given) ? (given as unknown[]) : [given];
  for (const signal of signals)
    if (!isSignal(signal))
      throw new TypeError(`${method} takes a signal, or an array of signals, not ${describe(signal)}`);
  return signals as AnySignal[];
}
