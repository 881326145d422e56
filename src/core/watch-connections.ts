import { describe } from './describe.ts';
import { dispose } from './dispose.ts';
import { parseOptions, type Rule } from './options.ts';
import { registry } from './registry.ts';
import { report, reportRejection } from './report.ts';
import { shared } from './shared.ts';
import { isSignal } from './signal.ts';
import type { AnySignal } from './types.ts';
import { watching } from './watching.ts';

/** What `watchConnections()` calls. */
export interface ConnectionWatcher {
  /** Somebody listens: start the source. */
  readonly first?: () => unknown;
  /** Nobody listens any more: stop it. */
  readonly last?: () => unknown;
}

type Settle = () => void;

const watched: WeakMap<AnySignal, Set<Settle>> = /* @__PURE__ */ shared('watched', () => new WeakMap());

const NOTHING = (): undefined => undefined;
const WATCHER = { first: NOTHING as () => unknown, last: NOTHING as () => unknown };
const aFunction: Rule = (value) => value !== undefined && typeof value !== 'function' && 'must be a function, not %';

/**
 * Start a source with the first listener of a signal and stop it with the last: a subscription, a timer, a file watch
 * that costs something while it runs.
 *
 * `first` is called within the `connect()` that gives the signal its first connection, whatever its sender; `last` when
 * the last one has ended, within the call that ended it, or after the collection that took it. They alternate: `first`
 * is called at once if somebody listens already, and `last` by disposing of the watch if somebody still does. `once()`
 * and `on()` count as listeners, recordings and traces do not; within `isolate()` nobody listens. Neither is awaited,
 * and what they throw or reject with is reported (`onError()`): it fails no `connect()`. A watch ends with its signal.
 *
 * @returns a `Disposable` that ends it.
 * @throws TypeError if it is no signal, or an option is unknown or no function.
 * @example
 * ```ts
 * const ticked = new Signal('ticked')
 * let timer: ReturnType<typeof setInterval> | undefined
 * watchConnections(ticked, {
 *   first: () => { timer = setInterval(() => ticked.send('clock'), 1000) },
 *   last: () => clearInterval(timer),
 * })
 *
 * const connection = ticked.connect(() => console.log('tick')) // starts the timer
 * connection.disconnect() // true, and stops it
 * ```
 */
export function watchConnections(signal: AnySignal, watcher: ConnectionWatcher): Disposable {
  if (!isSignal(signal)) throw new TypeError(`watchConnections() takes a signal, not ${describe(signal)}`);
  const { first, last } = parseOptions(watcher, 'watchConnections()', WATCHER, { first: aFunction, last: aFunction });
  let over = false;
  let running = false;
  let calling = false;
  const settle = (): void => {
    // what is called may connect and disconnect: its turn comes when the call has returned
    if (calling) return;
    for (let heard = !over && !signal[registry].empty; heard !== running; heard = !over && !signal[registry].empty) {
      running = heard;
      calling = true;
      const context = { signal, sender: undefined, receiver: heard ? first : last };
      try {
        reportRejection(context.receiver(), context);
      } catch (error) {
        report(error, context);
      }
      calling = false;
    }
  };
  watching.changed = tell;
  const all = watched.get(signal) ?? new Set();
  watched.set(signal, all.add(settle));
  settle();
  return {
    [dispose]: () => {
      over = true;
      all.delete(settle);
      settle();
    },
  };
}

function tell(signal: AnySignal): void {
  for (const settle of [...(watched.get(signal) ?? [])]) settle();
}
