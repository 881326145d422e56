import { IterableWeakSet } from './iterable-weak-set.ts';
import { shared } from './shared.ts';
import type { AnySignal } from './types.ts';

/** The signals that have a name, in the order in which they were made: what a listing of them all can find. */
export const named: IterableWeakSet<AnySignal> = /* @__PURE__ */ shared('named', () => new IterableWeakSet());
