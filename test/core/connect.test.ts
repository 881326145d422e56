import { inherits } from 'node:util';
import { describe, expect, test } from 'vitest';
import { isIdle } from '../../src/core/signal.ts';
import { receiver as decorate, Signal } from '../../src/index.ts';

class User {}
class Admin extends User {}

const listener = (): string => 'heard';
const responses = (pairs: readonly (readonly [unknown, unknown])[]) => pairs.map(([, response]) => response);

describe('name', () => {
  test("is the constructor's string", () => {
    expect(new Signal('saved').name).toBe('saved');
  });

  test('is empty without one', () => {
    expect(new Signal().name).toBe('');
  });

  test.each([5, null, {}, Symbol('saved')])('must be a string, not %s', (name) => {
    expect(() => new Signal(name as never)).toThrow(TypeError);
  });
});

describe('a receiver', () => {
  test('is called with sender, args and signal', () => {
    const signal = new Signal<{ size: number }>('pizzaDone');
    const calls: unknown[][] = [];
    signal.connect((...parameters: unknown[]) => calls.push(parameters));
    const args = { size: 30 };
    signal.send('store', args);
    expect(calls).toEqual([['store', args, signal]]);
    expect(calls[0]?.[1]).toBe(args);
  });

  test('gets one shared frozen empty object when there is no payload', () => {
    const signal = new Signal();
    const seen: object[] = [];
    signal.connect((_sender, args) => seen.push(args));
    signal.send(null);
    signal.send('other');
    expect(seen[0]).toEqual({});
    expect(Object.isFrozen(seen[0])).toBe(true);
    expect(seen[1]).toBe(seen[0]);
  });

  test('has undefined for this without an owner, and its own this when it is an arrow or bound', () => {
    const signal = new Signal<Record<string, never>, unknown, unknown>();
    const own = { name: 'own' };
    function plain(this: void): unknown {
      return this;
    }
    signal.connect(plain);
    signal.connect(plain.bind(own as never));
    signal.connect(plain, { sender: 'x', once: true });
    expect(responses(signal.send('x'))).toEqual([undefined, own, undefined]);
  });

  test('has the owner for this', () => {
    const signal = new Signal();
    const owner = { name: 'mailer' };
    signal.connect(
      function () {
        return this;
      },
      { owner },
    );
    expect(responses(signal.send(null))).toEqual([owner]);
  });

  test('may be any callable: a method, an async function, a proxy, a function without a prototype', () => {
    const signal = new Signal();
    const bare = (): string => 'bare';
    Object.setPrototypeOf(bare, null);
    signal.connect({ method: () => 'method' }.method);
    signal.connect(bare, { priority: -1 });
    signal.connect(new Proxy(() => 'proxy', {}));
    signal.connect(() => 'once', { once: true });
    expect(responses(signal.send(null))).toEqual(['method', 'proxy', 'once', 'bare']);
  });
});

describe('sender', () => {
  test('without it, or with null, every sender is heard', () => {
    const signal = new Signal();
    signal.connect(() => 'any');
    signal.connect(() => 'null', { sender: null });
    for (const sender of [User, 'x', 0, null, undefined, Number.NaN]) {
      expect(responses(signal.send(sender))).toEqual(['any', 'null']);
    }
  });

  test('only sends from that very value are heard', () => {
    const signal = new Signal();
    signal.connect(() => 'heard', { sender: User });
    expect(signal.send(User)).toHaveLength(1);
    expect(signal.send(Admin)).toHaveLength(0);
    expect(signal.send(new User())).toHaveLength(0);
    expect(signal.send(null)).toHaveLength(0);
    expect(signal.send(undefined)).toHaveLength(0);
  });

  test.each(['orders', '', 0, -1, 1n, true, false, Symbol('s'), Symbol.for('s'), Number.NaN, {}, [], () => undefined])(
    'may be any value: %s',
    (sender) => {
      const signal = new Signal();
      const connection = signal.connect(() => 'heard', { sender });
      expect(connection.sender).toBe(sender);
      expect(signal.send(sender)).toHaveLength(1);
      expect(signal.send('another')).toHaveLength(0);
      expect(connection.disconnect()).toBe(true);
      expect(signal.send(sender)).toHaveLength(0);
    },
  );

  test('0 and -0 are one sender, as Map keys are', () => {
    const signal = new Signal();
    signal.connect(() => 'heard', { sender: 0 });
    expect(signal.send(-0)).toHaveLength(1);
  });

  test('one receiver for every sender and for one is two registrations, called twice', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(receiver);
    signal.connect(receiver, { sender: User });
    expect(signal.send(User)).toHaveLength(2);
    expect(signal.send(Admin)).toHaveLength(1);
  });
});

describe('subclasses', () => {
  test('also hears subclasses, those defined later included', () => {
    const signal = new Signal();
    signal.connect(() => 'heard', { sender: User, subclasses: true });
    expect(signal.send(Admin)).toHaveLength(1);
    class Later extends Admin {}
    expect(signal.send(Later)).toHaveLength(1);
    expect(signal.send(User)).toHaveLength(1);
    expect(signal.send(class Stranger {})).toHaveLength(0);
    expect(signal.send(new Admin())).toHaveLength(0);
  });

  test('follows util.inherits(), which links the prototypes only, and hears each send once', () => {
    function Base(): void {}
    function Derived(): void {}
    inherits(Derived, Base);
    const signal = new Signal();
    signal.connect(() => 'heard', { sender: Base, subclasses: true });
    signal.connect(() => 'class', { sender: User, subclasses: true });
    expect(responses(signal.send(Derived))).toEqual(['heard']);
    expect(responses(signal.send(Admin))).toEqual(['class']);
    expect(responses(signal.send(User))).toEqual(['class']);
  });

  test('is forgotten when disconnected, also by senders that were sent from before', () => {
    const signal = new Signal();
    const connection = signal.connect(() => 'heard', { sender: User, subclasses: true });
    expect(signal.hasListeners(Admin)).toBe(true);
    signal.send(Admin);
    connection.disconnect();
    expect(signal.send(Admin)).toHaveLength(0);
    expect(signal.hasListeners(Admin)).toBe(false);
  });

  test('keeps one order with any-sender and exact registrations', () => {
    const signal = new Signal();
    signal.connect(() => 'subclasses', { sender: User, subclasses: true });
    signal.connect(() => 'any');
    signal.connect(() => 'exact', { sender: Admin });
    signal.connect(() => 'first', { sender: User, subclasses: true, priority: 1 });
    signal.connect(() => 'base only', { sender: User });
    expect(responses(signal.send(Admin))).toEqual(['first', 'subclasses', 'any', 'exact']);
  });

  test('reaches senders that were sent from before it connected', () => {
    const signal = new Signal();
    signal.connect(() => 'exact', { sender: Admin });
    signal.send(Admin);
    signal.connect(() => 'base', { sender: User, subclasses: true });
    expect(responses(signal.send(Admin))).toEqual(['exact', 'base']);
  });
});

describe('order', () => {
  test('is connect order, over any-sender and sender-specific registrations', () => {
    const signal = new Signal();
    signal.connect(() => 1);
    signal.connect(() => 2, { sender: User });
    signal.connect(() => 3);
    signal.connect(() => 4, { sender: User });
    expect(responses(signal.send(User))).toEqual([1, 2, 3, 4]);
    expect(responses(signal.send('x'))).toEqual([1, 3]);
  });

  test('has higher priorities first, ties in connect order', () => {
    const signal = new Signal();
    signal.connect(() => 'zero');
    signal.connect(() => 'low', { priority: -1 });
    signal.connect(() => 'high', { priority: 2.5, sender: User });
    signal.connect(() => 'middle', { priority: 1 });
    signal.connect(() => 'middle too', { priority: 1, sender: User });
    signal.connect(() => 'negative zero', { priority: -0 });
    expect(responses(signal.send(User))).toEqual(['high', 'middle', 'middle too', 'zero', 'negative zero', 'low']);
  });

  test('of a receiver that is disconnected and connected again is last', () => {
    const signal = new Signal();
    const first = (): number => 1;
    signal.connect(first);
    signal.connect(() => 2);
    signal.disconnect(first);
    signal.connect(first);
    expect(responses(signal.send(null))).toEqual([2, 1]);
  });
});

describe('connecting the same again', () => {
  test('changes nothing, keeps the place and returns the existing Connection', () => {
    const signal = new Signal();
    const first = (): number => 1;
    const connection = signal.connect(first);
    signal.connect(() => 2);
    expect(signal.connect(first)).toBe(connection);
    expect(signal.connect(first, {})).toBe(connection);
    expect(signal.connect(first, { priority: 0, weak: false, sender: null })).toBe(connection);
    expect(responses(signal.send(null))).toEqual([1, 2]);
    connection.disconnect();
    expect(responses(signal.send(null))).toEqual([2]);
  });

  test.each([
    ['for one sender', { sender: User }],
    ['for a primitive sender', { sender: 'orders' }],
    ['with an owner', { owner: {} }],
    ['with an owner and a sender', { owner: {}, sender: User }],
    ['weakly', { weak: true }],
    ['with a uid', { dispatchUid: 'uid' }],
    ['with a uid and an owner', { dispatchUid: 'uid', owner: {}, sender: User }],
    ['once', { once: true }],
    ['on an AbortSignal', { signal: new AbortController().signal }],
    ['with a priority and subclasses', { priority: 7, sender: User, subclasses: true }],
  ])('%s, too', (_name, options) => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    const connection = signal.connect(receiver, options as never);
    expect(signal.connect(receiver, options as never)).toBe(connection);
    expect(signal.connections).toEqual([connection]);
  });

  test.each<[string, object, object]>([
    ['priority', {}, { priority: 1 }],
    ['once', {}, { once: true }],
    ['weak', {}, { weak: true }],
    ['weak', { weak: true }, {}],
    ['subclasses', { sender: User }, { sender: User, subclasses: true }],
    ['priority', { dispatchUid: 1 }, { dispatchUid: 1, priority: 5 }],
  ])('with another %s throws and changes nothing', (what, before, after) => {
    const signal = new Signal('saved');
    const notify = (): string => 'heard';
    const connection = signal.connect(notify, before as never);
    signal.connect(() => 'second', { sender: User });
    expect(() => signal.connect(notify, after as never)).toThrow(
      new RegExp(`notify is already connected to saved .*${what}`),
    );
    expect(signal.connections[0]).toBe(connection);
    expect(signal.connections).toHaveLength(2);
  });

  test('is another registration for another sender, owner or uid', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    const owner = {};
    for (const options of [
      {},
      { sender: User },
      { sender: Admin },
      { owner },
      { owner: {} },
      { owner, sender: User },
      { dispatchUid: 1 },
      { dispatchUid: 2 },
    ]) {
      signal.connect(receiver, options as never);
    }
    expect(signal.connections).toHaveLength(8);
    expect(signal.send(User)).toHaveLength(7);
    expect(owner).toBeDefined();
  });

  test('after it has ended is a new registration', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    const connection = signal.connect(receiver);
    connection.disconnect();
    expect(signal.connect(receiver, { priority: 3 })).not.toBe(connection);
  });
});

describe('dispatchUid', () => {
  test('lets the first receiver win', () => {
    const signal = new Signal();
    const connection = signal.connect(() => 'first', { dispatchUid: 'mail' });
    expect(signal.connect(() => 'second', { dispatchUid: 'mail' })).toBe(connection);
    expect(responses(signal.send(null))).toEqual(['first']);
  });

  test.each([0, '', false, null, Number.NaN, Symbol('uid'), {}, 'uid'])('may be %s', (dispatchUid) => {
    const signal = new Signal();
    signal.connect(() => 'first', { dispatchUid });
    signal.connect(() => 'second', { dispatchUid });
    expect(responses(signal.send(null))).toEqual(['first']);
    expect(signal.disconnect({ dispatchUid })).toBe(true);
    expect(signal.hasListeners()).toBe(false);
  });

  test('that is a function does not clash with that function as receiver', () => {
    const signal = new Signal();
    const receiver = (): string => 'receiver';
    signal.connect(receiver);
    signal.connect(() => 'under its uid', { dispatchUid: receiver });
    expect(responses(signal.send(null))).toEqual(['receiver', 'under its uid']);
  });

  test('that is a Connection of the signal is not confused with it', () => {
    const signal = new Signal<object, unknown, string>();
    const owner = {};
    const held = [
      signal.connect(() => 'owned', { owner }),
      signal.connect(listener, { weak: true }),
      signal.connect(() => 'plain'),
    ];
    for (const dispatchUid of held) signal.connect(() => 'under its uid', { dispatchUid });
    expect(signal.connections).toHaveLength(6);
    for (const dispatchUid of held) expect(signal.disconnect({ dispatchUid })).toBe(true);
    expect(signal.connections).toEqual(held);
  });

  test('a weak receiver may be connected with one and without', () => {
    const signal = new Signal<object, unknown, string>();
    const without = signal.connect(listener, { weak: true });
    const named = signal.connect(listener, { weak: true, dispatchUid: 1 });
    expect(signal.connect(listener, { weak: true })).toBe(without);
    expect(signal.disconnect({ dispatchUid: 1 })).toBe(true);
    expect([without.connected, named.connected]).toEqual([true, false]);
    signal.connect(listener, { weak: true, dispatchUid: 1 });
    expect(signal.disconnect(listener)).toBe(true);
    expect(signal.connections).toHaveLength(1);
  });

  test('names one registration per sender and owner', () => {
    const signal = new Signal();
    const owner = {};
    signal.connect(() => 'any', { dispatchUid: 1 });
    signal.connect(() => 'user', { dispatchUid: 1, sender: User });
    signal.connect(() => 'owned', { dispatchUid: 1, owner });
    expect(responses(signal.send(User))).toEqual(['any', 'user', 'owned']);
    expect(signal.disconnect({ dispatchUid: 1, owner })).toBe(true);
    expect(signal.disconnect({ dispatchUid: 1, sender: User })).toBe(true);
    expect(responses(signal.send(User))).toEqual(['any']);
  });
});

describe('replace', () => {
  test('takes over place and priority, and ends the old Connection', () => {
    const signal = new Signal();
    signal.connect(() => 'a', { priority: 5 });
    const old = signal.connect(() => 'old', { priority: 5, dispatchUid: 'reload' });
    signal.connect(() => 'z', { priority: 5 });
    const renewed = signal.connect(() => 'new', { dispatchUid: 'reload', replace: true });
    expect(responses(signal.send(null))).toEqual(['a', 'new', 'z']);
    expect(old.connected).toBe(false);
    expect(old.receiver).toBeUndefined();
    expect(renewed.connected).toBe(true);
    expect(old.disconnect()).toBe(false);
    expect(signal.connections).toHaveLength(3);
  });

  test('keeps the place for one sender, with an owner, and when it is the only one there', () => {
    const signal = new Signal();
    const owner = {};
    signal.connect(() => 'old', { dispatchUid: 1, sender: User, owner });
    signal.connect(() => 'after');
    signal.connect(() => 'new', { dispatchUid: 1, sender: User, owner, replace: true });
    expect(responses(signal.send(User))).toEqual(['new', 'after']);
    expect(owner).toBeDefined();
  });

  test('leaves nothing of what it replaced, on an AbortSignal or in a list', () => {
    for (const sender of [undefined, 'orders', User, {}]) {
      const signal = new Signal();
      const { signal: abortSignal, calls } = countingAbortSignal();
      const options = sender === undefined ? {} : { sender };
      signal.connect(() => 'old', { ...options, dispatchUid: 1, signal: abortSignal } as never);
      signal.connect(() => 'new', { ...options, dispatchUid: 1, replace: true } as never);
      expect(calls).toEqual({ added: 1, removed: 1 });
      expect(signal.connections).toHaveLength(1);
      signal.disconnect({ dispatchUid: 1, ...options });
      expect(signal.hasListeners(sender)).toBe(false);
      expect(isIdle(signal)).toBe(true);
    }
  });

  test('with nothing to replace connects', () => {
    const signal = new Signal();
    signal.connect(() => 'new', { dispatchUid: 1, replace: true });
    expect(responses(signal.send(null))).toEqual(['new']);
  });

  test('of a receiver by itself changes nothing', () => {
    const signal = new Signal();
    const receiver = (): string => 'same';
    const connection = signal.connect(receiver, { dispatchUid: 1, priority: 2 });
    expect(signal.connect(receiver, { dispatchUid: 1, replace: true })).toBe(connection);
  });

  test('during a send: neither the old nor the new receiver is called any more', () => {
    const signal = new Signal();
    signal.connect(() => {
      signal.connect(() => 'new', { dispatchUid: 1, replace: true });
    });
    signal.connect(() => 'old', { dispatchUid: 1 });
    expect(responses(signal.send(null))).toEqual([undefined]);
    expect(responses(signal.send(null))).toEqual([undefined]);
  });
});

describe('once', () => {
  test('ends before the first call, so that a re-entrant send does not call it twice', () => {
    const signal = new Signal();
    let calls = 0;
    const connection = signal.connect(
      () => {
        calls++;
        expect(connection.connected).toBe(false);
        signal.send(null);
      },
      { once: true },
    );
    signal.send(null);
    expect(calls).toBe(1);
    expect(signal.connections).toEqual([]);
  });

  test('is over after a throw, too', () => {
    const signal = new Signal();
    signal.connect(
      () => {
        throw new Error('once');
      },
      { once: true },
    );
    expect(() => signal.send(null)).toThrow('once');
    expect(signal.send(null)).toEqual([]);
  });

  test('yields its pair', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(receiver, { once: true });
    expect(signal.send(null)).toEqual([[receiver, 'heard']]);
  });

  test('works with an owner, a sender and in every send', async () => {
    const signal = new Signal();
    const owner = {};
    for (const send of [signal.send, signal.sendRobust, signal.sendAsync, signal.sendRobustAsync] as ((
      sender: unknown,
    ) => unknown)[]) {
      signal.connect(() => 'heard', { once: true, owner, sender: User });
      expect(await send.call(signal, User)).toHaveLength(1);
      expect(await send.call(signal, User)).toHaveLength(0);
    }
    expect(owner).toBeDefined();
  });
});

describe('signal', () => {
  test('ends the connection when it aborts', () => {
    const signal = new Signal();
    const controller = new AbortController();
    const connection = signal.connect(() => 'heard', { signal: controller.signal });
    expect(signal.hasListeners()).toBe(true);
    controller.abort();
    expect(connection.connected).toBe(false);
    expect(signal.send(null)).toEqual([]);
  });

  test('that has already aborted gives an ended Connection', () => {
    const signal = new Signal();
    const connection = signal.connect(() => 'heard', { signal: AbortSignal.abort(), sender: User });
    expect(connection.connected).toBe(false);
    expect(connection.receiver).toBeUndefined();
    expect(connection.signal).toBe(signal);
    expect(connection.disconnect()).toBe(false);
    expect(signal.connections).toEqual([]);
  });

  test('that aborts during a send keeps the rest of its receivers from being called', () => {
    const signal = new Signal();
    const controller = new AbortController();
    signal.connect(() => {
      controller.abort();
    });
    signal.connect(() => 'aborted', { signal: controller.signal });
    signal.connect(() => 'stays');
    expect(responses(signal.send(null))).toEqual([undefined, 'stays']);
  });

  test('has one abort listener for all connections, on all signals, and none once they have ended', () => {
    const { signal: abortSignal, calls } = countingAbortSignal();
    const signals = [new Signal(), new Signal()];
    const connections = signals.flatMap((signal) =>
      [1, 2, 3].map((n) => signal.connect(() => n, { signal: abortSignal })),
    );
    expect(calls).toEqual({ added: 1, removed: 0 });
    for (const connection of connections) connection.disconnect();
    expect(calls).toEqual({ added: 1, removed: 1 });
    signals[0]?.connect(() => 0, { signal: abortSignal, once: true });
    signals[0]?.send(null);
    expect(calls).toEqual({ added: 2, removed: 2 });
  });
});

test('a Connection and a Signal are strings for people, and a Connection is JSON', () => {
  const signal = new Signal('saved');
  const connection = signal.connect(function audit() {}, { sender: class User {} });
  expect(String(connection)).toBe('Connection saved → audit for class User');
  expect(JSON.stringify({ connection })).toBe('{"connection":"Connection saved → audit for class User"}');
  expect(String(signal)).toBe('Signal saved { 1 connected }');
  expect(JSON.stringify(signal)).toBe('{"name":"saved"}');
  connection.disconnect();
  expect(JSON.stringify(connection)).toBe('"Connection saved → (ended)"');
});

describe('several AbortSignals on one registration', () => {
  class User {}
  const ways: [string, () => object][] = [
    ['plain', () => ({})],
    ['for one sender', () => ({ sender: User })],
    ['with an owner', () => ({ owner })],
    ['weak', () => ({ weak: true })],
    ['with a uid', () => ({ dispatchUid: 'uid', sender: User })],
  ];
  const owner = {};
  const receiver = (): string => 'heard';

  test.each(ways)('%s: each ends its own share, and the last one the connection', (_name, options) => {
    const signal = new Signal();
    const [first, second] = [new AbortController(), new AbortController()];
    const connection = signal.connect(receiver, { ...options(), signal: first.signal } as never);
    expect(signal.connect(receiver, { ...options(), signal: second.signal } as never)).toBe(connection);
    expect(signal.connect(receiver, { ...options(), signal: second.signal } as never)).toBe(connection);
    first.abort();
    expect(connection.connected).toBe(true);
    expect(responses(signal.send(User))).toEqual(['heard']);
    second.abort();
    expect(connection.connected).toBe(false);
    expect(signal.connections).toEqual([]);
  });

  test.each(ways)('%s: connected without one as well, none of them ends it', (_name, options) => {
    const signal = new Signal();
    const [first, second] = [new AbortController(), new AbortController()];
    const connection = signal.connect(receiver, { ...options(), signal: first.signal } as never);
    expect(signal.connect(receiver, options() as never)).toBe(connection);
    signal.connect(receiver, { ...options(), signal: second.signal } as never);
    first.abort();
    second.abort();
    expect(connection.connected).toBe(true);
    expect(connection.disconnect()).toBe(true);
  });

  test('one that has already aborted takes no share', () => {
    const signal = new Signal();
    const { signal: alive } = new AbortController();
    const connection = signal.connect(receiver, { signal: alive });
    expect(signal.connect(receiver, { signal: AbortSignal.abort() }).connected).toBe(false);
    expect(connection.connected).toBe(true);
  });

  test('no listener stays on any of them once it has ended, or when it no longer ends with them', () => {
    const signal = new Signal();
    const [first, second] = [countingAbortSignal(), countingAbortSignal()];
    const connection = signal.connect(receiver, { signal: first.signal });
    signal.connect(receiver, { signal: second.signal });
    connection.disconnect();
    expect([first.calls, second.calls]).toEqual([
      { added: 1, removed: 1 },
      { added: 1, removed: 1 },
    ]);
    signal.connect(receiver, { signal: first.signal });
    signal.connect(receiver);
    expect(first.calls).toEqual({ added: 2, removed: 2 });
  });

  test('one that refuses its listener changes nothing', () => {
    const signal = new Signal();
    const { signal: alive } = new AbortController();
    const connection = signal.connect(receiver, { signal: alive });
    const refusing = {
      aborted: false,
      addEventListener: () => {
        throw new Error('refused');
      },
      removeEventListener: () => undefined,
    };
    expect(() => signal.connect(receiver, { signal: refusing })).toThrow('refused');
    expect(connection.connected).toBe(true);
  });
});

function countingAbortSignal() {
  const { signal } = new AbortController();
  const calls = { added: 0, removed: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    calls.added++;
    Reflect.apply(addEventListener, signal, args);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    calls.removed++;
    Reflect.apply(removeEventListener, signal, args);
  };
  return { signal, calls };
}

test('a subclass may give its members any name: none of ours is hidden behind one', () => {
  class Audited extends Signal<object, unknown, string> {
    registry = 'of companies';
    rules = ['be kind'];
    idle = true;
    prepare(): never {
      throw new Error('not to be called');
    }
    check(): never {
      throw new Error('not to be called');
    }
    empty(): never {
      throw new Error('not to be called');
    }
  }
  const signal = new Audited('audited');
  const heard = decorate(signal, { sender: User })(() => 'heard');
  expect(responses(signal.send(User))).toEqual(['heard']);
  expect(responses(signal.sendRobust(User))).toEqual([{ status: 'fulfilled', value: 'heard' }]);
  expect(isIdle(signal)).toBe(false);
  expect(signal.disconnect(heard, { sender: User })).toBe(true);
});
