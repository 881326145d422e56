/** Row 4: one of ten receivers throws, and the others are called all the same. */
import { Signal } from '../../dist/index.js';
import { payloads, peer, receivers, total } from '../peers.mjs';

const failure = new Error('declined');
const row = (connect) => async () => {
  const functions = receivers(10);
  functions[4] = (_sender, args) => {
    total.value += args.amount;
    throw failure;
  };
  let errors = 0;
  let calls = 0;
  const send = await connect(functions, () => {
    errors++;
  });
  return {
    run(times) {
      for (let index = 0; index < times; index++) send(null, payloads[index & 15]);
      calls += times;
    },
    check() {
      if (errors !== calls) throw new Error(`${errors} errors in ${calls} sends`);
    },
  };
};
const tocsin = row((functions, failed) => {
  const signal = new Signal('saved');
  for (const receiver of functions) signal.connect(receiver);
  return (sender, args) => {
    for (const [, { status }] of signal.sendRobust(sender, args)) if (status === 'rejected') failed();
  };
});

export const contenders = {
  tocsin,
  'tocsin again': tocsin,
  'a loop of try and catch that makes outcomes': row((functions, failed) => (sender, args) => {
    const outcomes = [];
    for (const receiver of functions) {
      try {
        outcomes.push([receiver, { status: 'fulfilled', value: receiver(sender, args) }]);
      } catch (reason) {
        outcomes.push([receiver, { status: 'rejected', reason }]);
      }
    }
    for (const [, { status }] of outcomes) if (status === 'rejected') failed();
  }),
  // tells a handler of the process, and not who failed
  '@lumino/signaling': row(async (functions, failed) => {
    const { Signal: LuminoSignal } = await peer('@lumino/signaling');
    LuminoSignal.setExceptionHandler(failed);
    const signal = new LuminoSignal({});
    for (const receiver of functions) signal.connect(receiver);
    return (_sender, args) => signal.emit(args);
  }),
};
