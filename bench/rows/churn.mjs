/** Row 6: with so many connections there, connect one more and disconnect the oldest. Per pair of both. */
import { EventEmitter } from 'node:events';
import { Signal } from '../../dist/index.js';
import { peer } from '../peers.mjs';

/** `connect(receiver, index)` returns what `disconnect` takes. */
const row =
  (prepare) =>
  async ({ connections: size }) => {
    const { connect, disconnect, count } = await prepare(size);
    const queue = [];
    let index = 0;
    const add = () => {
      const number = index++;
      queue.push(connect(() => number, number));
    };
    while (queue.length < size) add();
    let head = 0;
    return {
      run(times) {
        for (let time = 0; time < times; time++) {
          add();
          disconnect(queue[head]);
          queue[head++] = undefined;
          // the queue must not become what is measured
          if (head > size + 1000 && head * 2 > queue.length) {
            queue.splice(0, head);
            head = 0;
          }
        }
      },
      check() {
        if (count !== undefined && count() !== size) throw new Error(`${count()} connections, not ${size}`);
      },
    };
  };

const signalWith = (options) =>
  row((size) => {
    const signal = new Signal('saved');
    const given = options?.(size);
    return {
      connect: (receiver, index) => {
        const connection = signal.connect(receiver, given?.(receiver, index));
        // a weak receiver must be held by somebody
        return given?.holds === true ? { connection, receiver } : connection;
      },
      disconnect:
        given?.holds === true ? ({ connection }) => connection.disconnect() : (connection) => connection.disconnect(),
      count: () => signal.connections.length,
    };
  });
/** Objects that are there already: making them is not what is measured. */
const pool = (size) => Array.from({ length: size + 4096 }, () => ({}));
const emitter = (make, on = 'on', off = 'off') =>
  row(async () => {
    const created = await make();
    return {
      connect: (receiver) => {
        created[on]('saved', receiver);
        return receiver;
      },
      disconnect: (receiver) => created[off]('saved', receiver),
    };
  });

const tocsin = signalWith();
export const contenders = {
  tocsin,
  'tocsin again': tocsin,
  'a Map': row(() => {
    const map = new Map();
    return {
      connect: (receiver) => {
        map.set(receiver, receiver);
        return receiver;
      },
      disconnect: (receiver) => map.delete(receiver),
      count: () => map.size,
    };
  }),
  'tocsin, with owners': signalWith((size) => {
    const owners = pool(size);
    return (_receiver, index) => ({ owner: owners[index % owners.length] });
  }),
  'tocsin, with one owner': signalWith(() => {
    const options = { owner: {} };
    return () => options;
  }),
  'tocsin, weak': signalWith(() => Object.assign(() => ({ weak: true }), { holds: true })),
  'tocsin, with uids': signalWith(() => (_receiver, index) => ({ dispatchUid: index })),
  'tocsin, on one AbortSignal': signalWith(() => {
    const { signal } = new AbortController();
    return () => ({ signal });
  }),
  'tocsin, keyed by objects': signalWith((size) => {
    const senders = pool(size);
    return (_receiver, index) => ({ sender: senders[index % senders.length] });
  }),
  'tocsin, keyed by strings': signalWith(() => (_receiver, index) => ({ sender: `sender ${index}` })),
  'node:events': emitter(async () => new EventEmitter().setMaxListeners(0)),
  eventemitter3: emitter(async () => {
    const { EventEmitter: Emitter } = await peer('eventemitter3');
    return new Emitter();
  }),
  mitt: emitter(async () => (await peer('mitt')).default()),
  nanoevents: row(async () => {
    const created = (await peer('nanoevents')).createNanoEvents();
    return {
      connect: (receiver) => created.on('saved', receiver),
      disconnect: (unbind) => {
        unbind();
      },
    };
  }),
  '@lumino/signaling': row(async () => {
    const { Signal: LuminoSignal } = await peer('@lumino/signaling');
    const signal = new LuminoSignal({});
    return {
      connect: (receiver) => {
        signal.connect(receiver);
        return receiver;
      },
      disconnect: (receiver) => signal.disconnect(receiver),
    };
  }),
  'typed-signals': row(async () => {
    const { Signal: TypedSignal } = await peer('typed-signals');
    const signal = new TypedSignal();
    return {
      connect: (receiver) => signal.connect(receiver),
      disconnect: (connection) => {
        connection.disconnect();
      },
    };
  }),
};
