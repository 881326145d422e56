import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  disconnectSender,
  on,
  once,
  onError,
  postDelete,
  postSave,
  setMaxListeners,
  Signal,
  throwIfRejected,
  watchConnections,
} from '../../src/index.ts';
import { isolate, record } from '../../src/testing.ts';
import { collectGarbage } from '../support/gc.ts';

class User {
  name = 'Ada';
}

describe('once() with a predicate', () => {
  test('waits for the send that it is true of, and disconnects then', async () => {
    const saved = new Signal<{ id: number }>('saved');
    const seen: unknown[] = [];
    const waiting = once(saved, {
      predicate: (sender, { id }, signal) => {
        seen.push([sender, id, signal === saved]);
        return id > 1;
      },
    });
    saved.send('a', { id: 1 });
    saved.send('b', { id: 2 });
    saved.send('c', { id: 3 });
    expect(await waiting).toEqual(['b', { id: 2 }]);
    expect(seen).toEqual([
      ['a', 1, true],
      ['b', 2, true],
    ]);
    expect(saved.hasListeners()).toBe(false);
  });

  test('what it throws rejects the promise, and the sender never sees it', async () => {
    const saved = new Signal('saved');
    const waiting = once(saved, {
      predicate: () => {
        throw new Error('odd');
      },
    });
    expect(saved.send('a')).toHaveLength(1);
    await expect(waiting).rejects.toThrow('odd');
    expect(saved.hasListeners()).toBe(false);
  });

  test('types its parameters by the signal and the sender', async () => {
    const waiting = once(postSave, { sender: User, predicate: (_sender, { instance }) => instance.name === 'Ada' });
    postSave.send(User, { instance: new User(), created: true });
    expect((await waiting)[1].instance.name).toBe('Ada');
  });

  test('must be a function', async () => {
    await expect(once(new Signal(), { predicate: 1 as never })).rejects.toThrow(/predicate must be a function .*not 1/);
  });
});

describe('once() of several signals', () => {
  test('resolves to the first that is sent, with the signal, and leaves all of them', async () => {
    const [done, failed] = [new Signal<{ id: number }>('done'), new Signal<{ error: string }>('failed')];
    const waiting = once([done, failed], { sender: 'job' });
    failed.send('other', { error: 'not ours' });
    failed.send('job', { error: 'no' });
    done.send('job', { id: 1 });
    expect(await waiting).toEqual(['job', { error: 'no' }, failed]);
    expect([done.connections, failed.connections]).toEqual([[], []]);
  });

  test('an AbortSignal ends all of it', async () => {
    const controller = new AbortController();
    const waiting = once([postSave, postDelete], { sender: User, signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(postSave.hasListeners(User) || postDelete.hasListeners(User)).toBe(false);
  });

  test('a list with something else in it connects nothing', async () => {
    const saved = new Signal();
    await expect(once([saved, {} as never])).rejects.toThrow(/once\(\) takes a signal/);
    await expect(once([])).rejects.toThrow(/at least one signal/);
    await expect(once([saved, postSave], { sender: (() => User) as never })).rejects.toThrow(/class itself/);
    expect(saved.connections).toEqual([]);
  });
});

test('waiting often on one AbortSignal has one listener there, and takes linear time', async () => {
  const { signal: abortSignal } = new AbortController();
  let listeners = 0;
  const add = abortSignal.addEventListener.bind(abortSignal);
  abortSignal.addEventListener = (...args: never) => {
    listeners++;
    Reflect.apply(add, abortSignal, args);
  };
  const saved = new Signal('saved');
  const all = Array.from({ length: 2000 }, () => once(saved, { signal: abortSignal }));
  const reading = on(saved, { signal: abortSignal });
  expect(listeners).toBe(1);
  saved.send('a');
  expect(await Promise.all(all)).toHaveLength(2000);
  await reading.return();
});

describe('disconnectSender()', () => {
  test('ends what hears that sender, on all signals, named or not, and nothing else', () => {
    const [saved, unnamed] = [new Signal('saved'), new Signal()];
    class Admin extends User {}
    for (const sender of [User, Admin, 'User', 7]) {
      saved.connect(() => 'one', { sender });
      unnamed.connect(() => 'two', { sender, owner: saved });
    }
    saved.connect(() => 'any');
    saved.connect(() => 'base', { sender: User, subclasses: true });
    expect(disconnectSender(Admin)).toBe(true);
    expect(saved.send(Admin).map(([, response]) => response)).toEqual(['any', 'base']);
    expect(disconnectSender('User')).toBe(true);
    expect([saved.hasListeners(User), unnamed.hasListeners(User), unnamed.hasListeners(7)]).toEqual([true, true, true]);
    expect(disconnectSender(User)).toBe(true);
    expect(disconnectSender(User)).toBe(false);
    expect(saved.send(User).map(([, response]) => response)).toEqual(['any']);
    expect(disconnectSender(7)).toBe(true);
    expect(unnamed.connections).toEqual([]);
  });

  test('during a send, they are not called any more; "every sender" is no sender', () => {
    const saved = new Signal('saved');
    saved.connect(() => disconnectSender('a'));
    saved.connect(() => 'ended', { sender: 'a' });
    expect(saved.send('a').map(([, response]) => response)).toEqual([true]);
    for (const nobody of [undefined, null]) expect(() => disconnectSender(nobody)).toThrow(/takes the value given/);
  });
});

describe('watchConnections()', () => {
  const watch = (signal: Signal) => {
    const log: string[] = [];
    const watching = watchConnections(signal, { first: () => log.push('first'), last: () => log.push('last') });
    return { log, watching };
  };

  test('tells of the first and the last connection, of whatever sender and kind', async () => {
    const saved = new Signal('saved');
    const { log, watching } = watch(saved);
    const [one, two] = [saved.connect(() => 1), saved.connect(() => 2, { sender: User })];
    one.disconnect();
    expect(log).toEqual(['first']);
    two.disconnect();
    expect(log).toEqual(['first', 'last']);
    saved.connect(() => 1, { once: true });
    saved.send('a');
    expect(log).toEqual(['first', 'last', 'first', 'last']);
    const controller = new AbortController();
    saved.connect(() => 1, { signal: controller.signal });
    controller.abort();
    const waiting = once(saved);
    saved.send('a');
    await waiting;
    expect(log).toHaveLength(8);
    watching[Symbol.dispose]();
    saved.connect(() => 1);
    expect(log).toHaveLength(8);
  });

  test('begins and ends with whoever listens then', () => {
    const saved = new Signal('saved');
    saved.connect(() => 1);
    const { log, watching } = watch(saved);
    expect(log).toEqual(['first']);
    watching[Symbol.dispose]();
    watching[Symbol.dispose]();
    expect(log).toEqual(['first', 'last']);
  });

  test('replacing the only receiver is no end', () => {
    const saved = new Signal('saved');
    const { log } = watch(saved);
    for (const answer of [1, 2, 3]) saved.connect(() => answer, { dispatchUid: 'uid', replace: true });
    expect(log).toEqual(['first']);
  });

  test('the last one may be collected', async () => {
    const saved = new Signal('saved');
    const { log } = watch(saved);
    const connectMortals = (): void => {
      saved.connect(() => 1, { owner: {} });
      saved.connect(() => 2, { sender: {} });
      saved.connect(() => 3, { weak: true });
    };
    connectMortals();
    await vi.waitFor(async () => {
      await collectGarbage();
      expect(log).toEqual(['first', 'last']);
    });
  });

  test('in an isolated signal nobody listens; recordings are no listeners', () => {
    const saved = new Signal('saved');
    saved.connect(() => 1);
    const { log } = watch(saved);
    const isolated = isolate(saved);
    record(saved)[Symbol.dispose]();
    expect(log).toEqual(['first', 'last']);
    saved.connect(() => 2);
    isolated[Symbol.dispose]();
    expect(log).toEqual(['first', 'last', 'first']);
  });

  test('what it throws or rejects with is reported, and fails no connect()', async () => {
    const errors: unknown[] = [];
    using handler = onError((error) => errors.push((error as Error).message));
    void handler;
    const saved = new Signal('saved');
    watchConnections(saved, {
      first: () => {
        throw new Error('cannot start');
      },
      last: () => Promise.reject(new Error('cannot stop')),
    });
    const connection = saved.connect(() => 1);
    expect(connection.disconnect()).toBe(true);
    await pause(1);
    expect(errors).toEqual(['cannot start', 'cannot stop']);
  });

  test('may connect and disconnect itself: the calls alternate, one after the other', () => {
    const saved = new Signal('saved');
    const log: string[] = [];
    watchConnections(saved, {
      first: () => {
        log.push('first');
        if (log.length < 6) for (const connection of saved.connections) connection.disconnect();
        log.push('started');
      },
      last: () => {
        log.push('last');
        if (log.length < 6) saved.connect(() => 1);
        log.push('stopped');
      },
    });
    saved.connect(() => 1);
    expect(log).toEqual(['first', 'started', 'last', 'stopped', 'first', 'started', 'last', 'stopped']);
  });

  test('refuses what is no signal and no function', () => {
    expect(() => watchConnections({} as never, {})).toThrow(/takes a signal/);
    expect(() => watchConnections(new Signal(), { first: 1 as never })).toThrow(/first must be a function, not 1/);
    expect(() => watchConnections(new Signal(), { frist: () => 1 } as never)).toThrow(/Unknown option "frist"/);
  });
});

describe('throwIfRejected()', () => {
  test('throws one AggregateError of all that failed, in call order, or gives the responses', async () => {
    const saved = new Signal<Record<string, never>, unknown, unknown>('saved');
    const [first, second] = [new Error('a'), 'b'];
    saved.connect(() => 1);
    expect(throwIfRejected(saved.sendRobust('x'))).toEqual(saved.send('x'));
    saved.connect(function mail() {
      throw first;
    });
    saved.connect(function audit() {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- any thrown value counts
      throw second;
    });
    for (const outcomes of [saved.sendRobust('x'), await saved.sendRobustAsync('x')]) {
      let thrown: unknown;
      try {
        throwIfRejected(outcomes);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(AggregateError);
      expect((thrown as AggregateError).errors).toEqual([first, second]);
      expect((thrown as AggregateError).message).toBe('2 of 3 receivers failed: mail, audit');
    }
    expect(throwIfRejected([])).toEqual([]);
  });
});

describe('a warning of leaks', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    setMaxListeners(10);
  });
  const connect = (signal: Signal, count: number, options?: object): void => {
    for (let n = 0; n < count; n++)
      signal.connect(function listen() {
        return n;
      }, options as never);
  };
  const warnings = () => {
    const spy = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    return () => spy.mock.calls.map(([message]) => String(message));
  };

  test('once for each signal and sender with more than ten receivers', () => {
    const heard = warnings();
    const saved = new Signal('saved');
    connect(saved, 10);
    connect(saved, 10, { sender: User });
    expect(heard()).toEqual([]);
    connect(saved, 20);
    connect(saved, 1, { sender: User });
    expect(heard()).toEqual([
      expect.stringMatching(/^11 receivers of saved for any sender are held strongly: a leak\?/),
      expect.stringMatching(/^11 receivers of saved for class User are /),
    ]);
  });

  test('not of receivers that go by themselves, nor in production', () => {
    const heard = warnings();
    const saved = new Signal('saved');
    connect(saved, 40, { owner: saved });
    connect(saved, 40, { weak: true });
    expect(heard()).toEqual([]);
    connect(saved, 100);
    expect(heard()).toHaveLength(1);
    vi.stubEnv('NODE_ENV', 'production');
    connect(new Signal('other'), 20);
    expect(heard()).toHaveLength(1);
  });

  test('from another number on, for one signal or for all; 0 is never', () => {
    const heard = warnings();
    const [few, many, never] = [new Signal('few'), new Signal('many'), new Signal('never')];
    setMaxListeners(2, few);
    setMaxListeners(50, many);
    setMaxListeners(0, never);
    for (const signal of [few, many, never]) connect(signal, 40);
    expect(heard()).toEqual([expect.stringMatching(/^3 receivers of few/)]);
    setMaxListeners(0);
    connect(new Signal('other'), 100);
    expect(heard()).toHaveLength(1);
    for (const wrong of [-1, NaN, '3']) expect(() => setMaxListeners(wrong as never)).toThrow(/a number of at least 0/);
    expect(() => setMaxListeners(3, {} as never)).toThrow(/takes signals/);
  });

  test('that throws fails no connect()', () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {
      throw new Error('no warnings');
    });
    connect(new Signal('saved'), 20);
  });
});
