import { IterableWeakSet } from './iterable-weak-set.ts';
import { shared } from './shared.ts';
import type { AnySignal } from './types.ts';

/** The signals of the process that are alive, in the order in which they were made. */
export const everySignal: IterableWeakSet<AnySignal> = /* @__PURE__ */ shared(
  'everySignal',
  () => new IterableWeakSet(),
);
