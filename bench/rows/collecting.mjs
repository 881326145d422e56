/** Row 3: the answers of ten receivers, each with who gave it. */
import { Signal } from '../../dist/index.js';
import { payloads, peer, receivers } from '../peers.mjs';

const answering = () => receivers(10, { body: 'return args.amount + n' });
const row = (connect) => async () => {
  const send = await connect(answering());
  let pairs = 0;
  let calls = 0;
  return {
    run(times) {
      for (let index = 0; index < times; index++) pairs += send(null, payloads[index & 15]).length;
      calls += times;
    },
    check() {
      if (pairs !== 10 * calls) throw new Error(`${pairs} answers in ${calls} sends`);
    },
  };
};
const tocsin = row((functions) => {
  const signal = new Signal('saved');
  for (const receiver of functions) signal.connect(receiver);
  return (sender, args) => signal.send(sender, args);
});

export const contenders = {
  tocsin,
  'tocsin again': tocsin,
  'a loop that makes pairs': row((functions) => (sender, args) => {
    const pairs = [];
    for (const receiver of functions) pairs.push([receiver, receiver(sender, args)]);
    return pairs;
  }),
  // answers without who gave them
  'typed-signals, CollectorArray': row(async (functions) => {
    const { CollectorArray, Signal: TypedSignal } = await peer('typed-signals');
    const signal = new TypedSignal();
    const collector = new CollectorArray(signal);
    for (const receiver of functions) signal.connect(receiver);
    return (sender, args) => {
      collector.reset();
      collector.emit(sender, args);
      return collector.getResult();
    };
  }),
};
