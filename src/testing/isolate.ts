import { dispose } from '../core/dispose.ts';
import { type Registry, registry } from '../core/registry.ts';
import type { AnySignal } from '../core/types.ts';
import { watching } from '../core/watching.ts';
import { signalsOf } from './signals.ts';

/** A signal, as far as its registrations can be put aside. */
interface Isolated {
  [registry]: Registry;
}

/** What each isolated signal had, and the empty registries that took its place since, the latest last. */
const layers = new WeakMap<Isolated, Registry[]>();

/**
 * Put the registrations of these signals aside: inside nobody listens, and what is connected there is gone afterwards.
 * Disposing of it brings them back exactly as they were: order, priorities, uids, weak receivers and owners. A
 * `Connection` from outside can still be disconnected inside.
 *
 * Several may overlap, and end in any order.
 *
 * @throws TypeError if one is no signal; nothing is isolated then.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * saved.connect(() => 'mailed')
 *
 * const isolated = isolate(saved)
 * saved.send('orders').length // 0
 * isolated[Symbol.dispose]()
 * saved.send('orders').length // 1
 * ```
 */
export function isolate(...signals: readonly AnySignal[]): Disposable {
  const ends = (signalsOf(signals, 'isolate()') as unknown as Isolated[]).map(putAside);
  return {
    [dispose]: () => {
      for (const end of ends.splice(0)) end();
    },
  };
}

function putAside(signal: Isolated): () => void {
  let stack = layers.get(signal);
  if (stack === undefined) layers.set(signal, (stack = [signal[registry]]));
  const layer = signal[registry].fresh();
  stack.push(layer);
  layer.takePlace();
  watching.changed?.(layer.signal);
  return () => {
    stack.splice(stack.indexOf(layer), 1);
    (stack.at(-1) as Registry).takePlace();
    if (stack.length === 1) layers.delete(signal);
    watching.changed?.(layer.signal);
  };
}
