import { inspect } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { type AnySignal, on, once, postSave, preSave, receiver, Signal } from '../../src/index.ts';
import { expectClean, isolate, mockSender, mute, type Mute, muteDuring, record } from '../../src/testing.ts';
import { matchers, type SignalMatchers } from '../../src/testing/matchers.ts';

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars, @typescript-eslint/no-empty-object-type, @typescript-eslint/no-explicit-any -- as the README tells users to
  interface Matchers<T = any> extends SignalMatchers {}
}
expect.extend(matchers);

interface Args {
  id: number;
}
const make = () => new Signal<Args, unknown, unknown>('saved');

describe('record()', () => {
  test('records each send with its payload, by identity, and what came of it', async () => {
    const saved = make();
    saved.connect(() => 'mailed');
    using recording = record(saved);
    const args = { id: 1 };
    saved.send('orders', args);
    saved.sendRobust('orders', { id: 2 });
    await saved.sendAsync('people', { id: 3 });
    await saved.sendRobustAsync('people', { id: 4 });
    expect(recording.count).toBe(4);
    expect(recording.sends.map(({ method, sender, args: { id } }) => `${method} ${String(sender)} ${id}`)).toEqual([
      'send orders 1',
      'sendRobust orders 2',
      'sendAsync people 3',
      'sendRobustAsync people 4',
    ]);
    expect(recording.sends[0]?.args).toBe(args);
    expect(recording.sends[0]?.responses).toEqual([[expect.any(Function), 'mailed']]);
    expect(recording.last?.responses).toEqual([[expect.any(Function), { status: 'fulfilled', value: 'mailed' }]]);
  });

  test('changes nothing: the same receivers, order, responses and errors', async () => {
    const run = async (recorded: boolean): Promise<unknown[]> => {
      const saved = make();
      const log: unknown[] = [];
      saved.connect(() => void log.push('a'));
      saved.connect(() => (log.push('b'), 'b'), { priority: 1 });
      saved.connect(() => void log.push('once'), { once: true });
      saved.connect(
        () => {
          throw new Error('no');
        },
        { sender: 'bad' },
      );
      const recording = recorded ? record(saved) : undefined;
      log.push(saved.send('good', { id: 1 }).length);
      for (const send of [() => saved.send('bad', { id: 2 }), () => saved.sendAsync('bad', { id: 3 })]) {
        try {
          log.push(await send());
        } catch (error) {
          log.push(String(error));
        }
      }
      log.push((await saved.sendRobustAsync('bad', { id: 4 })).map(([, { status }]) => status));
      recording?.[Symbol.dispose]();
      return log;
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test('what a send threw is recorded, and propagates', async () => {
    const saved = make();
    saved.connect(() => {
      throw new Error('no');
    });
    using recording = record(saved);
    expect(() => saved.send('x', { id: 1 })).toThrow('no');
    await expect(saved.sendAsync('x', { id: 2 })).rejects.toThrow('no');
    expect(recording.sends.map(({ error, responses }) => [String(error), responses])).toEqual([
      ['Error: no', undefined],
      ['Error: no', undefined],
    ]);
  });

  test('responses of an async send are there when it has settled', async () => {
    const saved = make();
    saved.connect(() => pause(5, 'slow'));
    using recording = record(saved);
    const sending = saved.sendAsync('x', { id: 1 });
    expect(recording.last?.responses).toBeUndefined();
    await sending;
    expect(recording.last?.responses?.[0]?.[1]).toBe('slow');
  });

  test('several signals, one sender; nobody else; nothing after it has ended', () => {
    const [one, two, three] = [make(), make(), make()];
    const recording = record([one, two], { sender: 'a' });
    for (const signal of [one, two, three]) for (const sender of ['a', 'b']) signal.send(sender, { id: 1 });
    expect(recording.sends.map(({ signal }) => signal)).toEqual([one, two]);
    recording[Symbol.dispose]();
    one.send('a', { id: 2 });
    expect(recording.count).toBe(2);
  });

  test('a signal that nobody hears counts as heard while it is recorded, and its payload is completed', () => {
    const User = mockSender('User');
    expect(postSave.hasListeners(User)).toBe(false);
    const recording = record(postSave, { sender: User });
    expect([postSave.hasListeners(User), postSave.hasListeners(mockSender('Other'))]).toEqual([true, false]);
    postSave.send(User, { instance: new User(), created: true });
    expect(recording.last?.args).toMatchObject({ created: true, using: 'default', raw: false });
    recording[Symbol.dispose]();
    expect(postSave.hasListeners(User)).toBe(false);
  });

  test('next() waits for a send, fails after its timeout, and when the recording ends', async () => {
    const saved = make();
    const recording = record(saved);
    const next = recording.next();
    setTimeout(() => saved.send('x', { id: 7 }), 5);
    expect((await next).args).toEqual({ id: 7 });
    await expect(recording.next({ timeout: 5 })).rejects.toThrow(
      'saved was not sent within 5 ms; before, it was sent 1 times, the last time by "x"',
    );
    const never = recording.next();
    recording[Symbol.dispose]();
    await expect(never).rejects.toThrow('The recording has ended');
  });

  test('sends inside sends are recorded in the order in which they begin; two recordings do not disturb each other', () => {
    const saved = make();
    saved.connect((_sender, { id }) => id < 3 && saved.send('inner', { id: id + 1 }));
    using first = record(saved);
    const second = record(saved);
    saved.send('outer', { id: 1 });
    second[Symbol.dispose]();
    saved.send('outer', { id: 3 });
    expect(first.sends.map(({ args: { id } }) => id)).toEqual([1, 2, 3, 3]);
    expect(second.count).toBe(3);
  });

  test('keeps nothing alive once it has ended', async () => {
    const collected = (() => {
      const saved = make();
      const [args, from] = [{ id: 1 }, {}];
      const recording = record(saved, { sender: from });
      saved.send(from, args);
      recording[Symbol.dispose]();
      return [new WeakRef(saved), new WeakRef(args), new WeakRef(from)];
    })();
    await pause(1);
    (globalThis as unknown as { gc(): void }).gc();
    expect(collected.map((each) => each.deref())).toEqual([undefined, undefined, undefined]);
  });

  test('refuses what is no signal, and options it does not have', () => {
    expect(() => record({} as never)).toThrow(/record\(\) takes a signal, or an array of signals, not \{/);
    expect(() => record(make(), { sendr: 1 } as never)).toThrow(
      /Unknown option "sendr" of record\(\); it takes sender/,
    );
    expect(() => record(make(), { sender: undefined })).toThrow(/circle of imports/);
  });
});

describe('mute()', () => {
  test('by signal, sender or receiver, or all of them', () => {
    const [one, two] = [make(), make()];
    const log: string[] = [];
    const a = (sender: unknown) => void log.push(`a ${String(sender)}`);
    const b = (sender: unknown) => void log.push(`b ${String(sender)}`);
    for (const signal of [one, two]) for (const each of [a, b]) signal.connect(each);
    const heard = (...what: (AnySignal | Mute)[]): string => {
      log.length = 0;
      using muted = mute(...what);
      expect(muted).toBeDefined();
      for (const signal of [one, two]) for (const sender of ['x', 'y']) signal.send(sender, { id: 1 });
      return log.join();
    };
    expect(heard(one)).toBe('a x,b x,a y,b y');
    expect(heard(one, two)).toBe('');
    expect(heard({ receiver: a })).toBe('b x,b y,b x,b y');
    expect(heard({ sender: 'x' })).toBe('a y,b y,a y,b y');
    expect(heard({ signal: [one], sender: 'x', receiver: a })).toBe('b x,a y,b y,a x,b x,a y,b y');
    expect(log.length).toBe(7);
    one.send('x', { id: 1 });
    expect(log.length).toBe(9);
  });

  test('a muted receiver yields no pair, uses up no `once`, and is not put off until a commit', async () => {
    const saved = make();
    saved.connect(() => 'once', { once: true });
    const muted = mute(saved);
    expect([
      saved.send('x', { id: 1 }),
      saved.sendRobust('x', { id: 1 }),
      await saved.sendAsync('x', { id: 1 }),
      await saved.sendRobustAsync('x', { id: 1 }),
    ]).toEqual([[], [], [], []]);
    muted[Symbol.dispose]();
    expect(saved.send('x', { id: 1 })).toHaveLength(1);
  });

  test('for sender null is for every sender, as elsewhere', () => {
    const signal = new Signal('saved');
    signal.connect(() => 'heard');
    const muted = mute({ signal, sender: null });
    expect([signal.send('x'), signal.send(null)]).toEqual([[], []]);
    muted[Symbol.dispose]();
    expect(() => mute({ sender: null })).toThrow(/would mute everything/);
  });

  test('adds up, and ends in any order; also after a throw', () => {
    const saved = make();
    saved.connect(() => 'heard');
    const [first, second] = [mute(saved), mute(saved)];
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(saved.send('x', { id: 1 })).toHaveLength(0);
    second[Symbol.dispose]();
    expect(saved.send('x', { id: 1 })).toHaveLength(1);
    expect(() => {
      using third = mute(saved);
      void third;
      throw new Error('no');
    }).toThrow('no');
    expect(saved.send('x', { id: 1 })).toHaveLength(1);
  });

  test('muteDuring() mutes what it runs, across awaits, and nothing that goes on beside it', async () => {
    const saved = make();
    saved.connect(() => 'heard');
    const request = async (): Promise<number> => {
      await pause(2);
      return (await saved.sendAsync('x', { id: 1 })).length;
    };
    const counts = await Promise.all([
      request(),
      muteDuring([saved], request),
      muteDuring([{ sender: 'y' }], request),
      request(),
    ]);
    expect(counts).toEqual([1, 0, 1, 1]);
    expect(muteDuring([saved], () => saved.send('x', { id: 1 }).length)).toBe(0);
    expect(muteDuring([saved], () => muteDuring([{ sender: 'y' }], () => saved.send('x', { id: 1 }).length))).toBe(0);
    expect(() =>
      muteDuring([saved], () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    await expect(
      muteDuring([saved], async () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(saved.send('x', { id: 1 })).toHaveLength(1);
  });

  test('what muteDuring() has left running is heard once it is over', async () => {
    const saved = make();
    saved.connect(() => 'heard');
    let late: Promise<number> | undefined;
    await muteDuring([saved], async () => {
      late = pause(5).then(() => saved.send('x', { id: 1 }).length);
    });
    expect(await late).toBe(1);
  });

  test('muteDuring() mutes what only begins when it is awaited, such as a query', async () => {
    const saved = make();
    saved.connect(() => 'heard');
    const lazily = {
      then: (resolve: (count: number) => unknown) => resolve(saved.send('x', { id: 1 }).length),
    } as unknown as Promise<number>;
    expect(await muteDuring([saved], () => lazily)).toBe(0);
    expect(saved.send('x', { id: 1 })).toHaveLength(1);
    expect(() => muteDuring([saved], undefined as never)).toThrow(/muteDuring\(\) runs a function, not undefined/);
  });

  test('refuses to mute nothing, or everything by mistake', () => {
    expect(() => mute()).toThrow(/needs a signal, or a description/);
    expect(() => mute({})).toThrow(/\{\} would mute everything/);
    expect(() => mute({ sender: undefined })).toThrow(/circle of imports/);
    expect(() => mute({ reciever: () => 1 } as never)).toThrow(
      /Unknown option "reciever" of mute\(\); it takes signal, sender, receiver/,
    );
    expect(() => mute({ receiver: 'x' } as never)).toThrow(/receiver must be a function, not "x"/);
  });
});

describe('isolate()', () => {
  test('is empty inside, and restores order, priorities, uids, once and lifetimes', () => {
    const saved = make();
    const owner = {};
    saved.connect(() => 'a', { dispatchUid: 'a' });
    saved.connect(() => 'b', { priority: 1 });
    saved.connect(() => 'owned', { owner });
    saved.connect(() => 'once', { once: true });
    saved.connect(() => 'keyed', { sender: 'x' });
    const weak = () => 'weak';
    saved.connect(weak, { weak: true });
    const before = saved.connections;
    const isolated = isolate(saved);
    expect([saved.connections, saved.hasListeners('x'), saved.send('x', { id: 1 })]).toEqual([[], false, []]);
    saved.connect(() => 'inside', { dispatchUid: 'a' });
    expect(saved.send('x', { id: 1 }).map(([, response]) => response)).toEqual(['inside']);
    isolated[Symbol.dispose]();
    isolated[Symbol.dispose]();
    expect(saved.connections).toEqual(before);
    expect(saved.send('x', { id: 1 }).map(([, response]) => response)).toEqual([
      'b',
      'a',
      'owned',
      'once',
      'keyed',
      'weak',
    ]);
    saved.connect(() => 'new', { dispatchUid: 'a', replace: true });
    expect(saved.connections).toHaveLength(5);
  });

  test('owners and weak receivers that are collected inside are gone outside', async () => {
    const saved = make();
    saved.connect(() => 'stays');
    let isolated = undefined as unknown as Disposable;
    (() => {
      saved.connect(() => 'owned', { owner: {} });
      saved.connect(() => 'weak', { weak: true });
      isolated = isolate(saved);
    })();
    await pause(1);
    (globalThis as unknown as { gc(): void }).gc();
    isolated[Symbol.dispose]();
    expect(saved.send('x', { id: 1 }).map(([, response]) => response)).toEqual(['stays']);
  });

  test('a connection from outside can be ended inside; a connection from inside ends with it', () => {
    const saved = make();
    const outer = saved.connect(() => 'outer');
    const isolated = isolate(saved);
    const inner = saved.connect(() => 'inner');
    expect([outer.connected, outer.disconnect(), inner.connected]).toEqual([true, true, true]);
    isolated[Symbol.dispose]();
    expect(saved.connections).toEqual([]);
  });

  test('several overlap and end in any order; decorated receivers and once() work inside', async () => {
    const saved = make();
    saved.connect(() => 'outside');
    const [first, second] = [isolate(saved), isolate(saved)];
    receiver(saved)(() => 'inside');
    first[Symbol.dispose]();
    expect(saved.send('x', { id: 1 }).map(([, response]) => response)).toEqual(['inside']);
    const waiting = once(saved);
    saved.send('x', { id: 2 });
    expect((await waiting)[1]).toEqual({ id: 2 });
    second[Symbol.dispose]();
    expect(saved.send('x', { id: 1 }).map(([, response]) => response)).toEqual(['outside']);
  });

  test('after a throw, too; and nothing is isolated if one is no signal', () => {
    const saved = make();
    saved.connect(() => 'a');
    expect(() => isolate(saved, {} as never)).toThrow(/isolate\(\) takes a signal/);
    expect(saved.connections).toHaveLength(1);
    expect(() => {
      using isolated = isolate(saved);
      void isolated;
      throw new Error('no');
    }).toThrow('no');
    expect(saved.connections).toHaveLength(1);
  });
});

describe('mockSender()', () => {
  test('is a class with a name, and its instances have the shape, each its own copy', () => {
    const User = mockSender('User', { email: 'a@b.c', tags: ['x'] });
    const [one, two] = [new User(), new User({ email: 'd@e.f' })];
    one.tags.push('y');
    expect([one, two]).toEqual([
      { email: 'a@b.c', tags: ['x', 'y'] },
      { email: 'd@e.f', tags: ['x'] },
    ]);
    expect(one).toBeInstanceOf(User);
    using connection = preSave.connect(
      (_sender, { instance }) => {
        instance.email = instance.email.toUpperCase();
        // @ts-expect-error not in the shape
        void instance.name;
      },
      { sender: User },
    );
    preSave.send(User, { instance: one });
    expect(one.email).toBe('A@B.C');
    expect(() => record(preSave, { sender: User })[Symbol.dispose]()).not.toThrow();
    expect(inspect(connection)).toBe('Connection preSave → (anonymous) for class User');
    expect(() => mockSender(3 as never)).toThrow(/takes a name, not 3/);
  });
});

describe('expectClean()', () => {
  test('names who was left behind, and the line that connected them', () => {
    const saved = make();
    saved.connect(() => 'before');
    const clean = expectClean(saved);
    saved.connect(
      function leftover() {
        /* for its name */
      },
      { sender: 'orders' },
    );
    saved.connect(() => 'gone').disconnect();
    expect(() => clean[Symbol.dispose]()).toThrow(
      /^1 receiver is still connected:\n {2}saved → leftover for "orders" \(.*testing\.test\.ts:\d+:\d+\)\nDisconnect them/,
    );
    expect(() => clean[Symbol.dispose]()).not.toThrow();
    const again = expectClean(saved);
    expect(() => again[Symbol.dispose]()).not.toThrow();
  });
});

describe('expectClean() without a signal', () => {
  test('watches every signal that there is, named or not', () => {
    const [named, unnamed] = [make(), new Signal()];
    const clean = expectClean();
    const own = new Signal();
    own.connect(() => 'its signal goes with the test');
    using first = named.connect(function one() {}, { sender: 'orders' });
    using second = unnamed.connect(function two() {});
    expect(() => clean[Symbol.dispose]()).toThrow(/^2 receivers are still connected:\n.*\bone\b.*\n.*\btwo\b/);
    void [first, second];
    const again = expectClean();
    named.connect(() => 'gone').disconnect();
    expect(() => again[Symbol.dispose]()).not.toThrow();
  });
});

test('mockSender() needs no structuredClone(), which jsdom has not, and takes methods and circles', () => {
  const clone = globalThis.structuredClone;
  try {
    Reflect.deleteProperty(globalThis, 'structuredClone');
    const shape = { born: new Date(0), list: [{ a: 1 }], greet: () => 'hello', self: undefined as unknown };
    shape.self = shape;
    const User = mockSender('User', shape);
    const user = new User();
    expect(user).toMatchObject({ born: new Date(0), list: [{ a: 1 }] });
    expect([user.born === shape.born, user.list[0] === shape.list[0]]).toEqual([false, false]);
    expect(user.greet()).toBe('hello');
  } finally {
    globalThis.structuredClone = clone;
  }
});

test('once() and on() hear what is muted: they wait, and are nobody to be silenced', async () => {
  const saved = make();
  saved.connect(() => 'mailed');
  using muted = mute(saved);
  void muted;
  const [first, reading] = [once(saved), on(saved)];
  expect(saved.send('orders', { id: 1 })).not.toContainEqual([expect.anything(), 'mailed']);
  expect(await first).toEqual(['orders', { id: 1 }]);
  expect((await reading.next()).value).toEqual(['orders', { id: 1 }]);
  expect(muteDuring([saved], () => saved.send('orders', { id: 2 }).length)).toBe(1);
  await reading.return();
});

describe('toHaveBeenSent()', () => {
  const saved = new Signal<{ id: number; name?: string }>('saved');
  let recording: ReturnType<typeof record>;
  afterEach(() => recording[Symbol.dispose]());

  test('by sender, times and payload', () => {
    recording = record(saved);
    expect(saved).not.toHaveBeenSent();
    saved.send('orders', { id: 7, name: 'a' });
    saved.send('orders', { id: 8 });
    expect(saved).toHaveBeenSent();
    expect(saved).toHaveBeenSent({ sender: 'orders', times: 2 });
    expect(saved).toHaveBeenSent({ with: { id: 7 }, times: 1 });
    expect(saved).toHaveBeenSent({ with: { id: expect.any(Number) as number } });
    expect(recording).toHaveBeenSent({ with: { id: 8 } });
    expect(saved).not.toHaveBeenSent({ sender: 'people' });
    expect(saved).toHaveBeenSent({ sender: 'people', times: 0 });
  });

  test('its failures show the nearest send and what differs', () => {
    recording = record(saved);
    expect(() => {
      expect(saved).toHaveBeenSent();
    }).toThrow('saved was not sent as expected.\n  it was not sent at all');
    saved.send('orders', { id: 7 });
    saved.send('people', { id: 9, name: 'a' });
    expect(() => {
      expect(saved).toHaveBeenSent({ sender: 'orders', with: { id: 8 } });
    }).toThrow('the nearest of 2 sends: id is 7, not 8');
    expect(() => {
      expect(saved).toHaveBeenSent({ times: 3 });
    }).toThrow('3 times expected, 2 of 2 sends are as described');
    expect(() => {
      expect(saved).not.toHaveBeenSent({ sender: 'people' });
    }).toThrow('saved was sent as it was not to be: 1 of 2 sends are as described');
  });

  test('needs a recording', () => {
    recording = record(make());
    expect(() => {
      expect(saved).toHaveBeenSent();
    }).toThrow('saved is not being recorded: call record(saved) before it is sent');
    expect(() => {
      expect(3).toHaveBeenSent();
    }).toThrow('is for a signal or a recording, not 3');
    using own = record(saved);
    saved.send('orders', { id: 1 });
    // a typo must not mean "any send"
    expect(() => {
      expect(own).toHaveBeenSent({ sendr: 'people' } as never);
    }).toThrow('Unknown option "sendr" of toHaveBeenSent(); it takes sender, times, with');
  });
});
