/**
 * Row 8: bytes of a connection, and what a send from its sender adds. Receivers, senders and owners are there before,
 * and not counted.
 */
import { setImmediate } from 'node:timers/promises';
import { EventEmitter } from 'node:events';
import { Signal } from '../../dist/index.js';
import { peer } from '../peers.mjs';

const COUNT = 50_000;
const { signal: abortSignal } = new AbortController();
const way = (options) => async () => {
  const signal = new Signal();
  const senders = [];
  const connect = (receiver, object, index) => {
    const given = options?.(object, index);
    signal.connect(receiver, given);
    if (given?.sender !== undefined) senders[index] = given.sender;
  };
  // each sender that is known, or anybody once
  const send = () => {
    for (const sender of senders.length > 0 ? senders : [null]) signal.send(sender);
  };
  return { connect, send };
};

export const contenders = {
  strong: way(),
  'keyed by an object': way((sender) => ({ sender })),
  'keyed by a string': way((_object, index) => ({ sender: String(index) })),
  'with an owner': way((owner) => ({ owner })),
  weak: way(() => ({ weak: true })),
  'with a uid': way((_object, dispatchUid) => ({ dispatchUid })),
  'with a priority': way(() => ({ priority: 1 })),
  'on one AbortSignal': way(() => ({ signal: abortSignal })),
  'node:events': async () => {
    const emitter = new EventEmitter().setMaxListeners(0);
    return {
      connect: (receiver) => {
        emitter.on('saved', receiver);
      },
      send: () => {
        emitter.emit('saved');
      },
    };
  },
  eventemitter3: async () => {
    const { EventEmitter: Emitter } = await peer('eventemitter3');
    const emitter = new Emitter();
    return {
      connect: (receiver) => {
        emitter.on('saved', receiver);
      },
      send: () => {
        emitter.emit('saved');
      },
    };
  },
  'a Map': async () => {
    const map = new Map();
    return {
      connect: (receiver) => {
        map.set(receiver, receiver);
      },
      send() {
        if (map.size === 0) throw new Error();
      },
    };
  },
};

export async function measure({ connect, send }) {
  const receivers = Array.from({ length: COUNT }, (_, index) => () => (index < 0 ? index : undefined));
  const objects = Array.from({ length: COUNT }, (_, index) => ({ index }));
  // an object that is a key for the first time gets a hash, whoever asks for it
  const hashes = new WeakSet([...receivers, ...objects]);
  const start = await used();
  for (let index = 0; index < COUNT; index++) connect(receivers[index], objects[index], index);
  const connected = await used();
  send();
  const sent = await used();
  // and so all of them are still there
  if (!receivers.every((each) => hashes.has(each)) || !objects.every((each) => hashes.has(each))) throw new Error();
  return [(connected - start) / COUNT, (sent - connected) / COUNT];
}

async function used() {
  for (let round = 0; round < 5; round++) {
    await setImmediate();
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}
