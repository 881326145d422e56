/** Row 11: bytes that a send allocates, when its receivers are strong and say nothing. */
import { Signal } from '../../dist/index.js';

const signalOf = (count, options) => {
  const signal = new Signal('saved');
  for (let index = 0; index < count; index++) signal.connect(() => (index < 0 ? index : undefined), options);
  return signal;
};
class User {}
export const contenders = {
  'no receiver': async () => signalOf(0),
  'one receiver': async () => signalOf(1),
  'ten receivers': async () => signalOf(10),
  'ten receivers of one sender': async () => signalOf(10, { sender: User }),
  'ten receivers with a priority': async () => signalOf(10, { priority: 1 }),
  'one receiver that answers': async () => {
    const signal = new Signal();
    signal.connect(() => 1);
    return signal;
  },
};

/** A result that somebody may look at, or the compiler would not make it. */
export let latest;

export async function measure(signal) {
  // as much as fits into the young generation: a collection in between would hide it
  const SENDS = 4000;
  const payload = {};
  const run = () => {
    for (let index = 0; index < SENDS; index++) latest = signal.send(User, payload);
  };
  for (let index = 0; index < 50; index++) run();
  let least = Infinity;
  for (let round = 0; round < 7; round++) {
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    run();
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  return least / SENDS;
}
