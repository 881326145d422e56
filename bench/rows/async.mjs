/** Row 5: wait for one or ten async receivers, all at once or one after the other. */
import { Signal } from '../../dist/index.js';
import { payloads, peer, receivers, total } from '../peers.mjs';

const row =
  (connect) =>
  async ({ receivers: count, serial }) => {
    const functions = receivers(count).map((receiver) => async (sender, args) => {
      receiver(sender, args);
    });
    const send = await connect(functions, serial);
    if (send === undefined) throw new Error('has no such send');
    return {
      async run(times) {
        for (let index = 0; index < times; index++) await send(null, payloads[index & 15]);
      },
      check() {
        if (total.value === 0) throw new Error('nobody was called');
      },
    };
  };
const tocsin = row((functions, serial) => {
  const signal = new Signal('saved');
  for (const receiver of functions) signal.connect(receiver);
  return serial
    ? (sender, args) => signal.sendAsync(sender, args, { serial: true })
    : (sender, args) => signal.sendAsync(sender, args);
});

export const contenders = {
  tocsin,
  'tocsin again': tocsin,
  'a loop of promises': row((functions, serial) =>
    serial
      ? async (sender, args) => {
          for (const receiver of functions) await receiver(sender, args);
        }
      : (sender, args) => Promise.all(functions.map((receiver) => receiver(sender, args))),
  ),
  emittery: row(async (functions, serial) => {
    const { default: Emittery } = await peer('emittery');
    const emitter = new Emittery();
    // since version 2 a listener gets an event that holds the data
    for (const receiver of functions)
      emitter.on('saved', ({ sender, args, data }) => receiver(data?.sender ?? sender, data?.args ?? args));
    return serial
      ? (sender, args) => emitter.emitSerial('saved', { sender, args })
      : (sender, args) => emitter.emit('saved', { sender, args });
  }),
  hookable: row(async (functions, serial) => {
    const { createHooks } = await peer('hookable');
    const hooks = createHooks();
    for (const receiver of functions) hooks.hook('saved', receiver);
    return serial
      ? (sender, args) => hooks.callHook('saved', sender, args)
      : (sender, args) => hooks.callHookParallel('saved', sender, args);
  }),
  tapable: row(async (functions, serial) => {
    const { AsyncParallelHook, AsyncSeriesHook } = await peer('tapable');
    const hook = new (serial ? AsyncSeriesHook : AsyncParallelHook)(['sender', 'args']);
    functions.forEach((receiver, index) => hook.tapPromise(`receiver ${index}`, receiver));
    return (sender, args) => hook.promise(sender, args);
  }),
  'mini-signals': row(async (functions, serial) => {
    const { MiniSignal } = await peer('mini-signals');
    const signal = new MiniSignal();
    for (const receiver of functions) signal.add(receiver);
    return serial
      ? (sender, args) => signal.dispatchSerial(sender, args)
      : (sender, args) => signal.dispatchParallel(sender, args);
  }),
};
