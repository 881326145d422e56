import { shared } from './shared.ts';
import type { AnySignal } from './types.ts';

/** The signals that have a name, held weakly: what a listing of them all can find. */
const named: Set<WeakRef<AnySignal>> = shared('named', () => new Set());
let sweepAt = 64;

export function remember(signal: AnySignal): void {
  named.add(new WeakRef(signal));
  if (named.size < sweepAt) return;
  for (const reference of named) if (reference.deref() === undefined) named.delete(reference);
  sweepAt = Math.max(64, named.size * 2);
}

/** Those alive, in the order in which they were made. */
export function namedSignals(): AnySignal[] {
  return [...named].flatMap((reference) => reference.deref() ?? []);
}
