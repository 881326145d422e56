import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { type AnyFunction, onError, Signal } from '../../src/index.ts';

class User {}
const responses = (pairs: readonly (readonly [unknown, unknown])[]) => pairs.map(([, response]) => response);
const fail = (message: string) => (): never => {
  throw new Error(message);
};
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('send()', () => {
  test('returns [receiver, response] in call order', () => {
    const signal = new Signal();
    const a = (): number => 1;
    const b = (): void => undefined;
    const c = (): null => null;
    for (const receiver of [a, b, c]) signal.connect(receiver);
    expect(signal.send(null)).toEqual([
      [a, 1],
      [b, undefined],
      [c, null],
    ]);
  });

  test('returns an empty result when nobody listens', () => {
    expect(new Signal().send(null)).toEqual([]);
  });

  test('holds the very function that was connected, also with an owner', () => {
    const signal = new Signal();
    const owner = { onSave: () => 'saved' };
    signal.connect(owner.onSave, { owner });
    expect(signal.send(null)[0]?.[0]).toBe(owner.onSave);
  });

  test('is synchronous, in the async context of the caller', () => {
    const signal = new Signal();
    const context = new AsyncLocalStorage<string>();
    context.run('connecting', () => signal.connect(() => context.getStore()));
    expect(context.run('sending', () => responses(signal.send(null)))).toEqual(['sending']);
  });

  test('lets the first throw propagate unchanged and stops the rest; the signal stays healthy', () => {
    const signal = new Signal();
    const error = { not: 'an Error' };
    const called: string[] = [];
    signal.connect(() => called.push('first'));
    const failing = signal.connect(() => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- any value can be thrown
      throw error;
    });
    signal.connect(() => called.push('last'));
    let caught: unknown;
    try {
      signal.send(null);
    } catch (thrown) {
      caught = thrown;
    }
    expect(caught).toBe(error);
    expect(called).toEqual(['first']);
    failing.disconnect();
    signal.send(null);
    expect(called).toEqual(['first', 'first', 'last']);
  });

  test('hands a promise back untouched: its rejection is the caller’s', async () => {
    const signal = new Signal();
    const promise = Promise.reject(new Error('mine'));
    signal.connect(() => promise);
    const [pair] = signal.send(null);
    expect(pair?.[1]).toBe(promise);
    await expect(promise).rejects.toThrow('mine');
  });

  test('passes args by identity, and receivers share them', () => {
    const signal = new Signal<{ count: number }>();
    signal.connect((_sender, args) => args.count++);
    signal.connect((_sender, args) => args.count++);
    const args = { count: 0 };
    signal.send(null, args);
    expect(args.count).toBe(2);
  });

  test('may return the same frozen result again, and never one that is changed later', () => {
    const signal = new Signal();
    const mood: { answer?: string } = {};
    signal.connect(() => mood.answer);
    signal.connect(() => undefined);
    const silent = signal.send(null);
    expect(signal.send(null)).toBe(silent);
    expect(Object.isFrozen(silent)).toBe(true);
    expect(Object.isFrozen(silent[0])).toBe(true);
    mood.answer = 'now';
    expect(responses(signal.send(null))).toEqual(['now', undefined]);
    expect(responses(silent)).toEqual([undefined, undefined]);
  });

  test('can be overridden in a subclass', () => {
    class Loud extends Signal {
      override send(sender: unknown) {
        return super.send(String(sender).toUpperCase());
      }
    }
    const signal = new Loud('loud');
    signal.connect((sender) => sender);
    expect(responses(signal.send('x'))).toEqual(['X']);
  });
});

describe('a send that throws after receivers have returned promises', () => {
  test.each(['plain', 'once'])('reports the rejections that nobody can get any more, %s receivers', async (kind) => {
    const reported: unknown[] = [];
    using handler = onError((error, { sender, receiver }) => reported.push([error, sender, receiver?.name]));
    const signal = new Signal();
    const options = kind === 'once' ? { once: true } : {};
    signal.connect(async function mail() {
      await Promise.resolve();
      throw new Error('mail down');
    }, options);
    signal.connect(async () => 'fine', options);
    signal.connect(() => {
      throw new Error('second');
    }, options);
    expect(() => signal.send('orders')).toThrow('second');
    await new Promise(setImmediate);
    expect(reported).toEqual([[new Error('mail down'), 'orders', 'mail']]);
    expect(handler).toBeDefined();
  });
});

describe('while a send is under way', () => {
  test('a receiver connected waits for the next send', () => {
    const signal = new Signal();
    signal.connect(() => {
      signal.connect(late);
    });
    const late = (): string => 'late';
    expect(signal.send(null)).toHaveLength(1);
    expect(signal.send(null)).toHaveLength(2);
  });

  test.each<[string, object]>([
    ['plain', {}],
    ['keyed', { sender: User }],
    ['with an owner', { owner: User }],
    ['weak', { weak: true }],
    ['with a uid', { dispatchUid: 1 }],
  ])('a receiver disconnected is not called any more: %s', (_name, options) => {
    const signal = new Signal();
    const victim = (): string => 'victim';
    const calls: string[] = [];
    signal.connect(() => {
      calls.push('first');
      connection.disconnect();
    });
    const connection = signal.connect(victim, options as never);
    signal.connect(() => 'last');
    expect(responses(signal.send(User))).toEqual([undefined, 'last']);
  });

  test('the only receiver is in the result when it disconnects itself, and when it connects another', () => {
    const signal = new Signal();
    const leaves = (): void => void signal.disconnect(leaves);
    const joins = (): void => void signal.connect(() => 'later');
    signal.connect(leaves);
    expect(signal.send(null)).toEqual([[leaves, undefined]]);
    expect(signal.send(null)).toEqual([]);
    signal.connect(joins);
    expect(signal.send(null)).toEqual([[joins, undefined]]);
    expect(responses(signal.send(null))).toEqual([undefined, 'later']);
  });

  test.each([
    ['of every sender', undefined],
    ['of one sender', { sender: 'orders' }],
  ])('one %s that is disconnected and connected again during a send waits for the next', (_name, options) => {
    const signal = new Signal();
    const called: string[] = [];
    const second = (): void => void called.push('second');
    let nested = false;
    const first = (): void => {
      called.push('first');
      if (nested) return;
      nested = true;
      signal.disconnect(second, options);
      signal.connect(second, options as never);
      // makes the signal ready anew
      signal.send('orders');
    };
    signal.connect(first, options as never);
    signal.connect(second, options as never);
    signal.send('orders');
    expect(called).toEqual(['first', 'first', 'second']);
  });

  test('a receiver that disconnects itself skips nobody', () => {
    const signal = new Signal();
    const self = (): string => {
      signal.disconnect(self);
      return 'self';
    };
    signal.connect(() => undefined);
    signal.connect(self);
    signal.connect(() => 'next');
    expect(responses(signal.send(null))).toEqual([undefined, 'self', 'next']);
    expect(responses(signal.send(null))).toEqual([undefined, 'next']);
  });

  test('a receiver already called and then disconnected keeps its pair', () => {
    const signal = new Signal();
    const first = (): void => undefined;
    signal.connect(first);
    signal.connect(() => signal.disconnect(first));
    expect(signal.send(null)[0]).toEqual([first, undefined]);
  });

  test('one that is disconnected and connected again is not called, and not twice next time', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(() => {
      signal.disconnect(receiver);
      signal.connect(receiver);
    });
    signal.connect(receiver);
    expect(signal.send(null)).toHaveLength(1);
    signal.connections[0]?.disconnect();
    expect(responses(signal.send(null))).toEqual(['heard']);
  });

  test('a nested send goes depth-first, with the list of its own start', () => {
    const signal = new Signal<{ depth: number }>();
    const log: string[] = [];
    signal.connect((_sender, { depth }) => {
      log.push(`a${String(depth)}`);
      if (depth > 0) return;
      signal.connect(() => log.push('new'));
      signal.send(null, { depth: 1 });
    });
    signal.connect((_sender, { depth }) => {
      log.push(`b${String(depth)}`);
    });
    signal.send(null, { depth: 0 });
    expect(log).toEqual(['a0', 'a1', 'b1', 'new', 'b0']);
  });

  test('everyone disconnected leaves an empty rest, not an error', () => {
    const signal = new Signal();
    signal.connect(() => {
      for (const connection of signal.connections) connection.disconnect();
    });
    signal.connect(() => 'never');
    expect(signal.send(null)).toHaveLength(1);
    expect(signal.send(null)).toEqual([]);
  });
});

describe('sendRobust()', () => {
  test('calls everyone and tells a returned Error from a thrown one', () => {
    const signal = new Signal();
    const error = new Error('returned');
    const thrown = new Error('thrown');
    signal.connect(() => error);
    signal.connect(() => {
      throw thrown;
    });
    signal.connect(() => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- any value can be thrown
      throw undefined;
    });
    signal.connect(() => 'last');
    expect(responses(signal.sendRobust(null))).toEqual([
      { status: 'fulfilled', value: error },
      { status: 'rejected', reason: thrown },
      { status: 'rejected', reason: undefined },
      { status: 'fulfilled', value: 'last' },
    ]);
  });

  test('returns an empty result when nobody listens', () => {
    expect(new Signal().sendRobust(null)).toEqual([]);
  });

  test('a response that cannot be looked at is a response', () => {
    const signal = new Signal<object, unknown, object>();
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    signal.connect(() => proxy);
    const [[, outcome] = []] = signal.sendRobust(null);
    expect(outcome?.status).toBe('fulfilled');
    expect(outcome?.status === 'fulfilled' && outcome.value === proxy).toBe(true);
  });

  test('skips those disconnected meanwhile', () => {
    const signal = new Signal();
    const victim = (): string => 'victim';
    signal.connect(() => {
      signal.disconnect(victim);
      throw new Error('after');
    });
    signal.connect(victim);
    expect(signal.sendRobust(null)).toHaveLength(1);
  });

  test('reports the later rejection of a promise of a library, whose own then() is not that of a query', async () => {
    class Bluebird {
      static resolve(): void {}
      static all(): void {}
      then(_resolve: unknown, reject: (error: unknown) => void): void {
        reject(new Error('late'));
      }
    }
    let begun = 0;
    class Query {
      then(): void {
        begun++;
      }
    }
    const reported: unknown[] = [];
    using handler = onError((error) => reported.push(error));
    const signal = new Signal();
    signal.connect(() => new Bluebird());
    signal.connect(() => new Query());
    signal.sendRobust('orders');
    expect([reported, begun]).toEqual([[new Error('late')], 0]);
    expect(handler).toBeDefined();
  });

  test('reports the later rejection of a promise, which is never unhandled', async () => {
    const signal = new Signal('saved');
    const reported: unknown[][] = [];
    using handler = onError((error, { signal: from, sender, receiver }) =>
      reported.push([error, from, sender, receiver]),
    );
    const error = new Error('late');
    const late = async (): Promise<never> => {
      await wait(1);
      throw error;
    };
    signal.connect(late);
    const [pair] = signal.sendRobust(User);
    expect(pair?.[1].status).toBe('fulfilled');
    await wait(20);
    expect(reported).toEqual([[error, signal, User, late]]);
    expect(handler).toBeDefined();
  });

  test('does not start a lazy thenable', () => {
    const signal = new Signal();
    let started = false;
    signal.connect(() => ({
      // what a query builder is
      then() {
        started = true;
      },
    }));
    signal.sendRobust(null);
    expect(started).toBe(false);
  });
});

describe('sendAsync()', () => {
  test('awaits the responses and keeps call order, whoever finishes first', async () => {
    const signal = new Signal();
    const slow = async (): Promise<string> => {
      await wait(10);
      return 'slow';
    };
    const fast = (): string => 'fast';
    signal.connect(slow);
    signal.connect(fast);
    expect(await signal.sendAsync(null)).toEqual([
      [slow, 'slow'],
      [fast, 'fast'],
    ]);
  });

  test('resolves to an empty result when nobody listens', async () => {
    expect(await new Signal().sendAsync(null)).toEqual([]);
    expect(await new Signal().sendAsync(null, {}, { serial: true })).toEqual([]);
  });

  test('starts every receiver, in order, before the call returns', async () => {
    const signal = new Signal();
    const started: number[] = [];
    for (const n of [1, 2, 3]) {
      signal.connect(async () => {
        started.push(n);
        await wait(1);
      });
    }
    const sending = signal.sendAsync(null);
    expect(started).toEqual([1, 2, 3]);
    await sending;
  });

  test('never throws synchronously', async () => {
    const signal = new Signal();
    signal.connect(fail('sync'));
    const sending = signal.sendAsync(null);
    await expect(sending).rejects.toThrow('sync');
  });

  test('a synchronous throw stops further receivers from starting, and waits for those started', async () => {
    const signal = new Signal();
    const log: string[] = [];
    signal.connect(async () => {
      await wait(10);
      log.push('settled');
    });
    const error = new Error('sync');
    signal.connect(() => {
      throw error;
    });
    signal.connect(() => log.push('never'));
    await expect(signal.sendAsync(null)).rejects.toBe(error);
    expect(log).toEqual(['settled']);
  });

  test('one failure rejects with that very error, after all have settled', async () => {
    const signal = new Signal();
    const error = new Error('one');
    let settled = false;
    signal.connect(() => Promise.reject(error));
    signal.connect(async () => {
      await wait(10);
      settled = true;
    });
    await expect(signal.sendAsync(null)).rejects.toBe(error);
    expect(settled).toBe(true);
  });

  test('several failures reject with an AggregateError in call order', async () => {
    const signal = new Signal('saved');
    signal.connect(async () => {
      await wait(5);
      throw new Error('first');
    });
    signal.connect(() => 'fine');
    signal.connect(() => Promise.reject(new Error('second')));
    signal.connect(fail('third'));
    const error: AggregateError = await signal.sendAsync(null).then(
      () => expect.unreachable(),
      (reason: unknown) => reason as AggregateError,
    );
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors.map((each: Error) => each.message)).toEqual(['first', 'second', 'third']);
    expect(error.message).toBe('3 of 4 receivers of saved failed');
  });

  test('serial starts each after the one before has settled', async () => {
    const signal = new Signal();
    const log: string[] = [];
    for (const name of ['a', 'b']) {
      signal.connect(async () => {
        log.push(`>${name}`);
        await wait(2);
        log.push(`<${name}`);
        return name;
      });
    }
    expect(responses(await signal.sendAsync(null, {}, { serial: true }))).toEqual(['a', 'b']);
    expect(log).toEqual(['>a', '<a', '>b', '<b']);
  });

  test('serial stops at the first failure', async () => {
    const signal = new Signal();
    const log: string[] = [];
    signal.connect(() => Promise.reject(new Error('stop')));
    signal.connect(() => log.push('never'));
    await expect(signal.sendAsync(null, {}, { serial: true })).rejects.toThrow('stop');
    expect(log).toEqual([]);
  });

  test('serial keeps the list of its start, less those disconnected before their turn', async () => {
    const signal = new Signal();
    const victim = (): string => 'victim';
    signal.connect(async () => {
      await wait(1);
      signal.disconnect(victim);
      signal.connect(() => 'late');
      return 'first';
    });
    signal.connect(victim);
    signal.connect(() => 'last');
    expect(responses(await signal.sendAsync(null, {}, { serial: true }))).toEqual(['first', 'last']);
  });
});

describe('sendRobustAsync()', () => {
  test.each([undefined, { serial: true }])('calls everyone and resolves to outcomes: %o', async (options) => {
    const signal = new Signal();
    const log: string[] = [];
    const error = new Error('thrown');
    signal.connect(async () => {
      await wait(5);
      log.push('slow');
      return 'slow';
    });
    signal.connect(() => {
      throw error;
    });
    signal.connect(() => Promise.reject(error));
    signal.connect(() => {
      log.push('last');
      return error;
    });
    expect(responses(await signal.sendRobustAsync(null, {}, options))).toEqual([
      { status: 'fulfilled', value: 'slow' },
      { status: 'rejected', reason: error },
      { status: 'rejected', reason: error },
      { status: 'fulfilled', value: error },
    ]);
    expect(log).toEqual(options === undefined ? ['last', 'slow'] : ['slow', 'last']);
  });

  test('resolves to an empty result when nobody listens', async () => {
    expect(await new Signal().sendRobustAsync(null)).toEqual([]);
  });

  test('rejects, and does not throw, for a sender that cannot be looked at', async () => {
    const signal = new Signal();
    signal.connect(() => 'heard', { sender: User, subclasses: true });
    const { proxy, revoke } = Proxy.revocable(class {}, {});
    revoke();
    await expect(signal.sendAsync(proxy)).rejects.toThrow(TypeError);
    await expect(signal.sendRobustAsync(proxy)).rejects.toThrow(TypeError);
  });

  test('serial skips those disconnected before their turn', async () => {
    const signal = new Signal();
    const victim = (): string => 'victim';
    signal.connect(async () => {
      await wait(1);
      signal.disconnect(victim);
    });
    signal.connect(victim);
    expect(await signal.sendRobustAsync(null, {}, { serial: true })).toHaveLength(1);
  });
});

describe('what a send allocates', () => {
  // what nobody can reach the compiler does not even make
  let kept: unknown;
  const bytesPerSend = (signal: Signal): number => {
    const sends = 20_000;
    const run = (): void => {
      for (let index = 0; index < sends; index++) kept = signal.send(User);
    };
    run();
    run();
    const bytes: number[] = [];
    // a busy machine compiles late
    for (let round = 0; round < 20; round++) {
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      run();
      bytes.push(process.memoryUsage().heapUsed - before);
    }
    expect(kept).toBeDefined();
    return Math.min(...bytes) / sends;
  };

  const silent = (count: number, options: object): Signal => {
    const signal = new Signal();
    for (let index = 0; index < count; index++) {
      const receiver: AnyFunction = () => undefined;
      signal.connect(receiver, options as never);
    }
    return signal;
  };

  test('nothing when there are no receivers', () => {
    expect(bytesPerSend(new Signal())).toBeLessThan(1);
  });

  test('nothing when strong receivers return nothing, for every sender and for one', () => {
    expect(bytesPerSend(silent(3, {}))).toBeLessThan(1);
    expect(bytesPerSend(silent(3, { sender: User }))).toBeLessThan(1);
    expect(
      bytesPerSend(silent(3, { sender: User, subclasses: true, priority: 2, signal: new AbortController().signal })),
    ).toBeLessThan(1);
  });

  test('something when they answer, which shows that this measures', () => {
    const signal = new Signal();
    signal.connect(() => 'answer');
    expect(bytesPerSend(signal)).toBeGreaterThan(8);
  });
});
