import { describe, expect, expectTypeOf, test } from 'vitest';
import { on, once, postSave, Signal } from '../../src/index.ts';

class User {
  name = 'Ada';
}

describe('once()', () => {
  test('resolves to [sender, args] of the next send, and disconnects', async () => {
    const signal = new Signal<{ port: number }>();
    const waiting = once(signal);
    expect(signal.hasListeners()).toBe(true);
    signal.send('a', { port: 1 });
    signal.send('b', { port: 2 });
    expect(await waiting).toEqual(['a', { port: 1 }]);
    expect(signal.connections).toEqual([]);
  });

  test('waits for the given sender', async () => {
    const signal = new Signal<{ port: number }>();
    const waiting = once(signal, { sender: User });
    signal.send('a', { port: 1 });
    signal.send(User, { port: 2 });
    expect(await waiting).toEqual([User, { port: 2 }]);
  });

  test('types instance by the sender of a model signal', async () => {
    const waiting = once(postSave, { sender: User });
    postSave.send(User, { instance: new User(), created: true });
    const [, { instance }] = await waiting;
    expectTypeOf(instance).toEqualTypeOf<User>();
    expect(instance.name).toBe('Ada');
  });

  test('rejects with an AbortError when aborted, and leaves nothing connected', async () => {
    const signal = new Signal();
    const controller = new AbortController();
    const waiting = once(signal, { signal: controller.signal });
    const reason = new Error('closing');
    controller.abort(reason);
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason });
    expect(signal.connections).toEqual([]);
  });

  test('rejects at once when already aborted', async () => {
    const signal = new Signal();
    await expect(once(signal, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(signal.connections).toEqual([]);
  });

  test('takes its listener off the AbortSignal when it has resolved', async () => {
    const signal = new Signal();
    const { signal: abortSignal } = new AbortController();
    let removed = 0;
    const { removeEventListener } = abortSignal;
    abortSignal.removeEventListener = (...args: unknown[]) => {
      removed++;
      Reflect.apply(removeEventListener, abortSignal, args);
    };
    const waiting = once(signal, { signal: abortSignal });
    signal.send(null);
    await waiting;
    expect(removed).toBe(1);
  });
});

describe('on()', () => {
  test('listens from the call on, buffers, and yields in order', async () => {
    const signal = new Signal<{ n: number }>();
    const iterator = on(signal);
    signal.send('a', { n: 1 });
    signal.send('b', { n: 2 });
    const seen: unknown[] = [];
    for await (const event of iterator) {
      seen.push(event);
      if (seen.length === 2) signal.send('c', { n: 3 });
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([
      ['a', { n: 1 }],
      ['b', { n: 2 }],
      ['c', { n: 3 }],
    ]);
  });

  test('answers reads that were waiting, in order', async () => {
    const signal = new Signal<{ n: number }>();
    const iterator = on(signal, { sender: User });
    const reads = [iterator.next(), iterator.next()];
    signal.send('x', { n: 0 });
    signal.send(User, { n: 1 });
    signal.send(User, { n: 2 });
    expect(await Promise.all(reads)).toEqual([
      { value: [User, { n: 1 }], done: false },
      { value: [User, { n: 2 }], done: false },
    ]);
    await iterator.return();
  });

  test.each<[string, (iterator: ReturnType<typeof on<Signal>>) => Promise<unknown>]>([
    [
      'break',
      async (iterator) => {
        for await (const event of iterator) {
          void event;
          break;
        }
      },
    ],
    [
      'return',
      async (iterator) => {
        for await (const event of iterator) return event;
        return undefined;
      },
    ],
    [
      'a throw',
      async (iterator) => {
        try {
          for await (const event of iterator) throw new Error(String(event.length));
        } catch {
          /* left */
        }
      },
    ],
    [
      'await using',
      async (iterator) => {
        await using scoped = iterator;
        await scoped.next();
      },
    ],
    ['return()', (iterator) => iterator.return()],
  ])('disconnects when left by %s', async (_name, leave) => {
    const signal = new Signal();
    const iterator = on(signal);
    signal.send(null);
    await leave(iterator);
    expect(signal.connections).toEqual([]);
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  test('return() ends reads that wait', async () => {
    const iterator = on(new Signal());
    const waiting = iterator.next();
    await iterator.return();
    expect(await waiting).toEqual({ value: undefined, done: true });
  });

  test('more sends than highWaterMark: what is buffered can be read, then it rejects, then it is done', async () => {
    const signal = new Signal<{ n: number }>();
    const iterator = on(signal, { highWaterMark: 2 });
    for (const n of [1, 2, 3, 4]) signal.send(null, { n });
    expect(signal.connections).toEqual([]);
    expect(await iterator.next()).toEqual({ value: [null, { n: 1 }], done: false });
    expect(await iterator.next()).toEqual({ value: [null, { n: 2 }], done: false });
    await expect(iterator.next()).rejects.toThrow('More than 2 sends wait to be read (highWaterMark)');
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  test('aborting rejects the read that waits, or the next one, and disconnects', async () => {
    const signal = new Signal();
    const controller = new AbortController();
    const waiting = on(signal, { signal: controller.signal });
    const reading = waiting.next();
    const buffered = on(signal, { signal: controller.signal });
    signal.send('x');
    expect(await reading).toMatchObject({ done: false });
    const next = waiting.next();
    controller.abort('closing');
    await expect(next).rejects.toMatchObject({ name: 'AbortError', cause: 'closing' });
    expect(await waiting.next()).toMatchObject({ done: true });
    expect(await buffered.next()).toEqual({ value: ['x', {}], done: false });
    await expect(buffered.next()).rejects.toMatchObject({ name: 'AbortError' });
    expect(signal.connections).toEqual([]);
  });

  test('throw() disconnects; what is buffered can still be read, then the error, as in node:events', async () => {
    const signal = new Signal();
    const iterator = on(signal);
    signal.send('x');
    await iterator.throw(new Error('out'));
    expect(signal.connections).toEqual([]);
    expect(await iterator.next()).toEqual({ value: ['x', {}], done: false });
    await expect(iterator.next()).rejects.toThrow('out');
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  test('reads in order, however reading and sending alternate', async () => {
    const signal = new Signal<{ n: number }>();
    const iterator = on(signal);
    const read: number[] = [];
    let sent = 0;
    for (const [sends, reads] of [
      [3, 1],
      [1, 3],
      [100, 60],
      [5, 40],
      [0, 5],
      [7, 7],
    ] as const) {
      for (let count = 0; count < sends; count++) signal.send(null, { n: sent++ });
      for (let count = 0; count < reads; count++) {
        const { value } = await iterator.next();
        read.push(value?.[1].n ?? -1);
      }
    }
    expect(read).toEqual(Array.from({ length: sent }, (_unused, index) => index));
  });

  test('throws at once when already aborted', () => {
    const signal = new Signal();
    expect(() => on(signal, { signal: AbortSignal.abort() })).toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(signal.connections).toEqual([]);
  });
});
