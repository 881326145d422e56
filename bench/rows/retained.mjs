/**
 * Row 7: what 100,000 short-lived owners, senders or receivers leave behind, when nobody sends. Bytes each, of a first
 * and a second batch.
 */
import { setImmediate } from 'node:timers/promises';
import { Signal } from '../../dist/index.js';

const COUNT = 100_000;
const { signal: abortSignal } = new AbortController();
const ways = {
  owners: (signal) => {
    signal.connect(() => undefined, { owner: {} });
  },
  'owners whose receivers close over them': (signal) => {
    const owner = {};
    signal.connect(() => owner, { owner });
  },
  senders: (signal) => {
    signal.connect(() => undefined, { sender: {} });
  },
  'senders with an owner each': (signal) => {
    signal.connect(() => undefined, { sender: {}, owner: {} });
  },
  'senders on one AbortSignal': (signal) => {
    signal.connect(() => undefined, { sender: {}, signal: abortSignal });
  },
  'weak receivers': (signal) => {
    signal.connect(() => signal, { weak: true });
  },
  // what the engine itself keeps of so many
  'a WeakMap and a Set of WeakRefs, swept by hand': (signal, { map, set }) => {
    const owner = {};
    map.set(owner, { owner });
    set.add(new WeakRef(owner));
  },
};

export const contenders = Object.fromEntries(
  Object.entries(ways).map(([name, connect]) => [name, async () => connect]),
);

export async function measure(connect) {
  const signal = new Signal();
  const own = { map: new WeakMap(), set: new Set() };
  for (let index = 0; index < 1000; index++) connect(signal, own);
  const start = await used(own);
  for (let index = 0; index < COUNT; index++) connect(signal, own);
  const first = await used(own);
  for (let index = 0; index < COUNT; index++) connect(signal, own);
  const second = await used(own);
  if (signal.connections.length > 0) throw new Error(`${signal.connections.length} are still connected`);
  return [(first - start) / COUNT, (second - first) / COUNT];
}

async function used({ set }) {
  for (let round = 0; round < 5; round++) {
    await setImmediate();
    globalThis.gc();
  }
  for (const reference of set) if (reference.deref() === undefined) set.delete(reference);
  await setImmediate();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
