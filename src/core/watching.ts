import { shared } from './shared.ts';
import type { AnySignal } from './types.ts';

/** Who is told that a connection of a signal was made or has ended: nobody, until something is watched. */
export const watching: { changed: ((signal: AnySignal) => void) | undefined } = /* @__PURE__ */ shared(
  'watching',
  () => ({ changed: undefined }),
);
