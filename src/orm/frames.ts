import { AsyncLocalStorage } from 'node:async_hooks';
import { shared } from '../core/shared.ts';

/** A receiver that is running on behalf of a write, and the one whose own write caused that. */
export interface Frame {
  readonly parent: Frame | undefined;
  readonly depth: number;
  /** `postSave User → createProfile` */
  readonly label: string;
  /** What serialises the queries of that write: a connection, a query runner. */
  readonly resource: object;
}

const frames: AsyncLocalStorage<Frame | undefined> = shared('frames', () => new AsyncLocalStorage());

/** The receiver in which the current code runs, across awaits. */
export function currentFrame(): Frame | undefined {
  return frames.getStore();
}

/** Run as if still in `frame`: what is put off until a commit belongs to the receiver that asked for it. */
export function inFrame<T>(frame: Frame | undefined, run: () => T): T {
  return frames.run(frame, run);
}
