import { dispose } from '../core/dispose.ts';
import { shared } from '../core/shared.ts';

/** What any copy of the library sends for: two would send everything twice. */
const claimed: WeakSet<object> = shared('attached', () => new WeakSet());

/**
 * Begin to send for a database, once. `begin` returns what undoes it.
 *
 * @throws Error if it is sent for already.
 */
export function attachOnce(database: object, kind: string, begin: () => () => void): Disposable {
  if (claimed.has(database)) {
    throw new Error(
      `attachSignals() was already called for this ${kind}: its signals would be sent twice. Dispose of the first.`,
    );
  }
  const undo = begin();
  claimed.add(database);
  let ended = false;
  return {
    [dispose]: () => {
      if (ended) return;
      ended = true;
      claimed.delete(database);
      undo();
    },
  };
}
