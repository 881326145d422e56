import { describe } from './describe.ts';
import { limits } from './leak.ts';
import { isSignal } from './signal.ts';
import type { AnySignal } from './types.ts';

/**
 * From how many on receivers are taken for a leak: in development (unless `NODE_ENV` is `production`) a warning names
 * the signal and the sender that more than `n` strongly held receivers listen to, once for each. 10 by default, as in
 * `node:events`; 0 or `Infinity` turns it off. It limits nothing. Receivers with an `owner` and weak ones do not count,
 * for they go by themselves.
 *
 * @param signals - for which; for all others, if none is given.
 * @throws TypeError if `n` is no number of at least 0, or one is no signal.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * setMaxListeners(50, saved) // for one signal
 * setMaxListeners(0) // for all others: no warnings
 * setMaxListeners(10) // as it was
 * ```
 */
export function setMaxListeners(n: number, ...signals: readonly AnySignal[]): void {
  if (typeof n !== 'number' || !(n >= 0))
    throw new TypeError(`setMaxListeners() takes a number of at least 0, not ${describe(n)}`);
  for (const signal of signals)
    if (!isSignal(signal)) throw new TypeError(`setMaxListeners() takes signals, not ${describe(signal)}`);
  const most = n === 0 ? Infinity : n;
  for (const signal of signals) limits.of.set(signal, most);
  if (signals.length === 0) limits.every = most;
  limits.lowest = Math.min(limits.lowest, most);
}
