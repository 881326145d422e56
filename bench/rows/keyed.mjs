/** Row 2: many senders with a receiver each, and three that hear every sender. */
import { EventEmitter } from 'node:events';
import { Signal } from '../../dist/index.js';
import { payloads, peer, total } from '../peers.mjs';

/** One receiver of each sender; they differ in what they close over, as those of many instances do. */
const receiverFor = (n) => (sender, args) => {
  total.value = (total.value + args.amount + n) | 0;
};

const row =
  (connect) =>
  async ({ senders: count }) => {
    const senders = Array.from({ length: count }, (_, id) => ({ id }));
    const send = await connect(senders, [receiverFor(1), receiverFor(2), receiverFor(3)]);
    // the first send of each is another story: it makes a plan
    for (const sender of senders) send(sender, payloads[0]);
    // in no order that a cache could like, and the same for all
    const order = Uint32Array.from({ length: 1 << 16 }, (_, index) => (index * 2654435761) % count);
    let next = 0;
    return {
      run(times) {
        for (let index = 0; index < times; index++) send(senders[order[next++ & 0xffff]], payloads[index & 15]);
      },
      check() {
        if (total.value === 0) throw new Error('nobody was called');
      },
    };
  };

/** An emitter for each sender, found through a WeakMap, and one for all. */
const emitterPerSender = (make, on, emit) =>
  row(async (senders, forAll) => {
    const create = await make();
    const emitters = new WeakMap();
    senders.forEach((sender, id) => {
      const emitter = create();
      on(emitter, receiverFor(id));
      emitters.set(sender, emitter);
    });
    const all = create();
    for (const receiver of forAll) on(all, receiver);
    return (sender, args) => {
      const emitter = emitters.get(sender);
      if (emitter !== undefined) emit(emitter, sender, args);
      emit(all, sender, args);
    };
  });

/** One emitter, and in each handler a question. */
const filtering = (make, on, emit) =>
  row(async (senders, forAll) => {
    const emitter = (await make())();
    senders.forEach((mine, id) => {
      const receiver = receiverFor(id);
      on(emitter, (sender, args) => {
        if (sender === mine) receiver(sender, args);
      });
    });
    for (const receiver of forAll) on(emitter, receiver);
    return (sender, args) => emit(emitter, sender, args);
  });

const node = [
  async () => () => new EventEmitter().setMaxListeners(0),
  (emitter, receiver) => emitter.on('saved', receiver),
  (emitter, sender, args) => emitter.emit('saved', sender, args),
];
const ee3 = [
  async () => {
    const { EventEmitter: Emitter } = await peer('eventemitter3');
    return () => new Emitter();
  },
  node[1],
  node[2],
];
const nano = [async () => (await peer('nanoevents')).createNanoEvents, node[1], node[2]];

const tocsin = row((senders, forAll) => {
  const signal = new Signal('saved');
  senders.forEach((sender, id) => signal.connect(receiverFor(id), { sender }));
  for (const receiver of forAll) signal.connect(receiver);
  return (sender, args) => signal.send(sender, args);
});

export const contenders = {
  tocsin,
  'tocsin again': tocsin,
  'node:events, one for each sender': emitterPerSender(...node),
  'eventemitter3, one for each sender': emitterPerSender(...ee3),
  'nanoevents, one for each sender': emitterPerSender(...nano),
  'node:events, filtering': filtering(...node),
  'eventemitter3, filtering': filtering(...ee3),
  'nanoevents, filtering': filtering(...nano),
  'a look-up in a WeakMap': row((senders, [receiver]) => {
    const found = new WeakMap(senders.map((sender, id) => [sender, receiverFor(id)]));
    return (sender, args) => {
      (found.get(sender) ?? receiver)(sender, args);
    };
  }),
};
