/** Row 1: tell 0 to 100 receivers; one hot signal, or 32 signals in turn, as in an app. */
import { EventEmitter } from 'node:events';
import { Signal } from '../../dist/index.js';
import { payloads, peer, receivers, total } from '../peers.mjs';

const SENDER = { name: 'sender' };

/** Make the signals; `connect(functions)` returns how one is sent. */
const row = (connect) => async (params) => {
  const sends = [];
  const functions = receivers(params.receivers * params.signals);
  for (let index = 0; index < params.signals; index++)
    sends.push(await connect(functions.slice(index * params.receivers, (index + 1) * params.receivers)));
  let next = 0;
  let calls = 0;
  return {
    run(times) {
      const { length } = sends;
      for (let index = 0; index < times; index++) {
        sends[next](SENDER, payloads[index & 15]);
        if (++next === length) next = 0;
      }
      calls += times;
    },
    check() {
      if (params.receivers > 0 && calls > 0 && total.value === 0) throw new Error('nobody was called');
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
  'a loop over an array': row((functions) => (sender, args) => {
    for (let index = 0; index < functions.length; index++) (0, functions[index])(sender, args);
  }),
  'node:events': row((functions) => {
    const emitter = new EventEmitter().setMaxListeners(0);
    for (const receiver of functions) emitter.on('saved', receiver);
    return (sender, args) => emitter.emit('saved', sender, args);
  }),
  EventTarget: row((functions) => {
    class Saved extends Event {
      constructor(sender, args) {
        super('saved');
        this.sender = sender;
        this.args = args;
      }
    }
    const target = new EventTarget();
    for (const receiver of functions) target.addEventListener('saved', ({ sender, args }) => receiver(sender, args));
    return (sender, args) => target.dispatchEvent(new Saved(sender, args));
  }),
  eventemitter3: row(async (functions) => {
    const { EventEmitter: Emitter } = await peer('eventemitter3');
    const emitter = new Emitter();
    for (const receiver of functions) emitter.on('saved', receiver);
    return (sender, args) => emitter.emit('saved', sender, args);
  }),
  nanoevents: row(async (functions) => {
    const { createNanoEvents } = await peer('nanoevents');
    const emitter = createNanoEvents();
    for (const receiver of functions) emitter.on('saved', receiver);
    return (sender, args) => emitter.emit('saved', sender, args);
  }),
  mitt: row(async (functions) => {
    const { default: mitt } = await peer('mitt');
    const emitter = mitt();
    // one payload: the sender is part of it
    for (const receiver of functions) emitter.on('saved', ({ sender, args }) => receiver(sender, args));
    return (sender, args) => emitter.emit('saved', { sender, args });
  }),
  tseep: row(async (functions) => {
    const { EventEmitter: Emitter } = await peer('tseep');
    const emitter = new Emitter();
    for (const receiver of functions) emitter.on('saved', receiver);
    return (sender, args) => emitter.emit('saved', sender, args);
  }),
  tapable: row(async (functions) => {
    const { SyncHook } = await peer('tapable');
    const hook = new SyncHook(['sender', 'args']);
    functions.forEach((receiver, index) => hook.tap(`receiver ${index}`, receiver));
    return (sender, args) => hook.call(sender, args);
  }),
  '@lumino/signaling': row(async (functions) => {
    const { Signal: LuminoSignal } = await peer('@lumino/signaling');
    const signal = new LuminoSignal(SENDER);
    for (const receiver of functions) signal.connect(receiver);
    return (_sender, args) => signal.emit(args);
  }),
  'mini-signals': row(async (functions) => {
    const { MiniSignal } = await peer('mini-signals');
    const signal = new MiniSignal();
    for (const receiver of functions) signal.add(receiver);
    return (sender, args) => signal.dispatch(sender, args);
  }),
  'typed-signals': row(async (functions) => {
    const { Signal: TypedSignal } = await peer('typed-signals');
    const signal = new TypedSignal();
    for (const receiver of functions) signal.connect(receiver);
    return (sender, args) => signal.emit(sender, args);
  }),
  'js-signals': row(async (functions) => {
    const JsSignal = await peer('signals');
    const signal = new JsSignal();
    for (const receiver of functions) signal.add(receiver);
    return (sender, args) => signal.dispatch(sender, args);
  }),
  'ste-events': row(async (functions) => {
    const { EventDispatcher } = await peer('ste-events');
    const dispatcher = new EventDispatcher();
    for (const receiver of functions) dispatcher.subscribe(receiver);
    return (sender, args) => dispatcher.dispatch(sender, args);
  }),
  'rxjs Subject': row(async (functions) => {
    const { Subject } = await peer('rxjs');
    const subject = new Subject();
    for (const receiver of functions) subject.subscribe(({ sender, args }) => receiver(sender, args));
    return (sender, args) => subject.next({ sender, args });
  }),
};
