import { describe, expect, test } from 'vitest';
import {
  connectReceivers,
  disconnectReceivers,
  on,
  once,
  onError,
  postSave,
  preSave,
  receiver,
  Signal,
} from '../../src/index.ts';

class User {}
const listener = (): string => 'heard';
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable(() => undefined, {});
  revoke();
  return proxy;
};

/** Expect a TypeError that says `message`, and a signal that is as it was. */
function expectRefused(attempt: (signal: Signal) => unknown, message: RegExp): void {
  const signal = new Signal('saved');
  const stays = signal.connect(listener, { sender: 'stays' });
  expect(() => attempt(signal)).toThrow(TypeError);
  expect(() => attempt(signal)).toThrow(message);
  expect(signal.connections).toEqual([stays]);
  expect(signal.hasListeners()).toBe(false);
  expect(signal.send('stays')).toHaveLength(1);
}

describe('connect() refuses at once and registers nothing:', () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /A receiver must be a function .* not undefined/],
    ['null', null, /not null/],
    ['a string', 'onSave', /not "onSave"/],
    ['a plain object', { handle: listener }, /not \{ handle \}/],
    ['an EventListener object', { handleEvent: listener }, /not \{ handleEvent \}/],
    ['a class', class Mailer {}, /class Mailer: a class cannot be called/],
    ['a built-in constructor', Map, /class Map/],
    ['a number', 5, /not 5/],
    ['a bigint', 5n, /not 5n/],
    ['an instance', new Date(), /an instance of Date/],
    ['an array', [listener], /an array of 1/],
  ])('%s as receiver', (_name, value, message) => {
    expectRefused((signal) => signal.connect(value as never), message);
  });

  test.each<[string, unknown, RegExp]>([
    ['an unknown option', { sendr: User }, /Unknown option "sendr" of connect\(\); it takes sender, /],
    ['a symbol option', { [Symbol('sender')]: User }, /Unknown option Symbol\(sender\)/],
    ['a lost sender', { sender: undefined }, /sender is undefined.*circle of imports/],
    ['a lost owner', { owner: undefined }, /owner must be an object, not undefined/],
    ['a string owner', { owner: 'mailer' }, /owner must be an object, not "mailer"/],
    ['a null owner', { owner: null }, /not null/],
    ['weak with owner', { weak: true, owner: {} }, /weak and owner exclude each other/],
    ['weak as a string', { weak: 'yes' }, /weak must be true or false, not "yes"/],
    ['once as a number', { once: 1 }, /once must be true or false, not 1/],
    ['subclasses as null', { subclasses: null, sender: User }, /subclasses must be true or false, not null/],
    ['replace as a string', { replace: 'y', dispatchUid: 1 }, /replace must be true or false/],
    ['replace without dispatchUid', { replace: true }, /replace needs a dispatchUid/],
    ['subclasses without sender', { subclasses: true }, /subclasses needs a class as sender, not undefined/],
    ['subclasses of an instance', { subclasses: true, sender: new User() }, /not an instance of User/],
    ['subclasses of an arrow', { subclasses: true, sender: () => User }, /subclasses needs a class/],
    ['a string priority', { priority: '1' }, /priority must be a finite number, not "1"/],
    ['NaN priority', { priority: Number.NaN }, /not NaN/],
    ['infinite priority', { priority: Infinity }, /not Infinity/],
    ['a lost dispatchUid', { dispatchUid: undefined }, /dispatchUid is undefined/],
    [
      'a controller for signal',
      { signal: new AbortController() },
      /signal must be an AbortSignal, not an instance of AbortController.*controller\.signal/,
    ],
    ['null for signal', { signal: null }, /signal must be an AbortSignal, not null/],
    ['a half AbortSignal', { signal: { aborted: false } }, /signal must be an AbortSignal/],
    ['afterCommit on a plain signal', { afterCommit: true }, /afterCommit is only for postSave/],
    ['a sender in place of options', User, /options of connect\(\) must be a plain object, not class User/],
    ['null options', null, /must be a plain object, not null/],
    ['an array of options', [{ sender: User }], /must be a plain object, not an array of 1/],
    ['an instance for options', new User(), /must be a plain object, not an instance of User/],
    ['a string for options', 'sender', /must be a plain object, not "sender"/],
  ])('%s', (_name, options, message) => {
    expectRefused((signal) => signal.connect(() => undefined, options as never), message);
  });

  test('an AbortSignal that refuses its listener: nothing stays registered', () => {
    const broken = {
      aborted: false,
      addEventListener() {
        throw new TypeError('no listeners here');
      },
      removeEventListener() {},
    };
    expectRefused(
      (signal) => signal.connect(() => undefined, { signal: broken, sender: User, owner: {} }),
      /no listeners here/,
    );
  });

  test('options that are undefined stand for their default, where that cannot change who hears', () => {
    const signal = new Signal();
    signal.connect(listener, {
      weak: undefined,
      once: undefined,
      priority: undefined,
      signal: undefined,
      replace: undefined,
    } as never);
    expect(signal.send(null)).toHaveLength(1);
  });

  test('options without a prototype are fine', () => {
    const signal = new Signal();
    signal.connect(listener, Object.assign(Object.create(null) as object, { priority: 1 }));
    expect(signal.send(null)).toHaveLength(1);
  });

  test('naming what was passed never throws', () => {
    const hostile = Object.defineProperty(() => undefined, 'name', {
      get() {
        throw new Error('nameless');
      },
    });
    const signal = new Signal();
    signal.connect(hostile);
    expect(() => signal.connect(hostile, { once: true })).toThrow(/\(unnameable\) is already connected/);
    expect(() => signal.connect(listener, { owner: 5, sender: revoked() } as never)).toThrow(TypeError);
    expect(() => signal.connect(Object.create(null) as never)).toThrow(/not \{ +\}/);
    expect(() => signal.connect(revoked() as never, { weak: true, owner: {} })).toThrow(TypeError);
    expect(() => signal.connect('x'.repeat(500) as never)).toThrow(/x\.\.\."/);
  });
});

describe('disconnect() refuses', () => {
  test.each<[string, unknown[], RegExp]>([
    ['nothing to go by', [], /needs a receiver or \{ dispatchUid \} to go by, not undefined/],
    [
      'options without dispatchUid',
      [{ sender: User }],
      /needs a receiver or \{ dispatchUid \} to go by, not \{ sender \}/,
    ],
    ['an empty object', [{}], /needs a receiver or \{ dispatchUid \} to go by, not \{ +\}/],
    [
      'an unknown option',
      [listener, { sendr: User }],
      /Unknown option "sendr" of disconnect\(\); it takes sender, owner/,
    ],
    ['a uid beside a receiver', [listener, { dispatchUid: 1 }], /Unknown option "dispatchUid"/],
    ['a lost sender', [listener, { sender: undefined }], /sender is undefined/],
    ['a string owner', [listener, { owner: 'x' }], /owner must be an object/],
    ['a string', ['listener'], /needs a receiver .* not "listener"/],
    ['null', [null], /needs a receiver .* not null/],
    ['a uid object and more', [{ dispatchUid: 1 }, {}], /needs a receiver/],
  ])('%s', (_name, args, message) => {
    expectRefused((signal) => Reflect.apply(signal.disconnect, signal, args) as boolean, message);
  });
});

describe('receiver() refuses', () => {
  test.each<[string, unknown, unknown, RegExp]>([
    ['no signal', undefined, undefined, /not undefined, usually by a circle of imports/],
    ['an empty list', [], undefined, /at least one signal/],
    ['a list with a hole', [new Signal(), undefined], undefined, /not undefined/],
    ['a string', 'postSave', undefined, /takes a signal or an array of signals, not "postSave"/],
    ['a class that looks alike', { connect() {}, name: 'x' }, undefined, /takes a signal/],
    ['an unknown option', new Signal(), { sendr: User }, /Unknown option "sendr"/],
    [
      'an option that does not suit every signal',
      [postSave, preSave],
      { afterCommit: true },
      /afterCommit is only for/,
    ],
  ])('%s', (_name, signals, options, message) => {
    expect(() => receiver(signals as never, options as never)).toThrow(TypeError);
    expect(() => receiver(signals as never, options as never)).toThrow(message);
  });

  test('a list is checked whole before the first signal is touched', () => {
    const first = new Signal('first');
    const second = new Signal('second');
    second.connect(listener, { priority: 3 });
    expect(() => receiver([first, second])(listener)).toThrow(/listener is already connected to second/);
    expect(first.connections).toEqual([]);
    expect(() => receiver([first, second])('listener' as never)).toThrow(/must be a function/);
    expect(first.connections).toEqual([]);
  });

  test.each([[class Mailer {}], [5], [undefined], [{}]])('to connect %s', (value) => {
    expect(() => receiver(new Signal())(value as never)).toThrow(TypeError);
  });
});

test('connectReceivers(), disconnectReceivers() and onError() refuse what they cannot use', () => {
  expect(() => {
    connectReceivers(undefined as never);
  }).toThrow(/takes an instance, usually this, not undefined/);
  expect(() => disconnectReceivers('mailer' as never)).toThrow(/takes the object given as owner, not "mailer"/);
  expect(() => onError({} as never)).toThrow(/takes a function/);
});

test('once() and on() refuse what they cannot use, and leave nothing connected', async () => {
  const signal = new Signal();
  await expect(once({} as never)).rejects.toThrow(/once\(\) takes a signal/);
  await expect(once(signal, { sendr: 1 } as never)).rejects.toThrow(/Unknown option "sendr" of once\(\)/);
  await expect(once(signal, { highWaterMark: 1 } as never)).rejects.toThrow(/Unknown option "highWaterMark"/);
  await expect(once(signal, { sender: undefined } as never)).rejects.toThrow(/sender is undefined/);
  expect(() => on('x' as never)).toThrow(/on\(\) takes a signal/);
  expect(() => on(signal, { signal: {} } as never)).toThrow(/must be an AbortSignal/);
  for (const highWaterMark of [0, -1, 1.5, '3', Number.NaN]) {
    expect(() => on(signal, { highWaterMark } as never)).toThrow(/highWaterMark must be a positive integer/);
  }
  expect(signal.connections).toEqual([]);
});

test('sendAsync() and sendRobustAsync() reject, and do not throw, for wrong options; nobody is called', async () => {
  const signal = new Signal();
  let calls = 0;
  signal.connect(() => calls++);
  await expect(signal.sendAsync(null, {}, { serial: 'yes' } as never)).rejects.toThrow(/serial must be true or false/);
  await expect(signal.sendAsync(null, {}, { parallel: true } as never)).rejects.toThrow(
    /Unknown option "parallel" of sendAsync\(\); it takes serial/,
  );
  await expect(signal.sendRobustAsync(null, {}, true as never)).rejects.toThrow(
    /options of sendRobustAsync\(\) must be a plain object/,
  );
  expect(calls).toBe(0);
});
