import { afterEach, describe, expect, test, vi } from 'vitest';
import { onError, Signal } from '../../src/index.ts';

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
afterEach(() => vi.restoreAllMocks());

/** A send whose receiver rejects after the send has returned. */
async function rejectLate(error: unknown): Promise<Signal> {
  const signal = new Signal('saved');
  signal.connect(function notify() {
    return Promise.reject(error);
  });
  signal.sendRobust('orders');
  await settle();
  return signal;
}

describe('onError()', () => {
  test('hears reported errors, in the order handlers were added, until disposed', async () => {
    const heard: string[] = [];
    const first = onError((error) => heard.push(`first ${(error as Error).message}`));
    const second = onError((error) => heard.push(`second ${(error as Error).message}`));
    await rejectLate(new Error('a'));
    first[Symbol.dispose]();
    await rejectLate(new Error('b'));
    second[Symbol.dispose]();
    expect(heard).toEqual(['first a', 'second a', 'second b']);
  });

  test('is told signal, sender and receiver', async () => {
    const contexts: unknown[] = [];
    using handler = onError((_error, context) => contexts.push(context));
    const signal = await rejectLate(new Error('x'));
    expect(contexts).toEqual([
      { signal, sender: 'orders', receiver: expect.objectContaining({ name: 'notify' }) as unknown },
    ]);
    expect(handler).toBeDefined();
  });

  test('without a handler, console.error names signal and receiver', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const error = new Error('late');
    await rejectLate(error);
    expect(log).toHaveBeenCalledWith('tocsin: saved → notify failed:', error);
  });

  test('a handler that is async and rejects stops neither the others nor the app', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const failure = new Error('the error tracker is down');
    using bad = onError(() => Promise.reject(failure));
    await rejectLate('late');
    await new Promise(setImmediate);
    expect(log).toHaveBeenCalledWith('tocsin: an onError() handler threw:', failure);
    expect(bad).toBeDefined();
  });

  test('an error that cannot be printed does not stop the app either', async () => {
    const hostile = new Proxy(new Error('hostile'), {
      get() {
        throw new Error('do not look');
      },
    });
    const printed: unknown[][] = [];
    vi.spyOn(console, 'error').mockImplementation((...data: unknown[]) => {
      printed.push(data.map((each) => (each as Error).toString()));
    });
    await rejectLate(hostile);
    expect(printed).toEqual([['tocsin: saved → notify failed:', 'an unreadable value']]);
  });

  test('asked with robust, hears also what robust sends catch, and nobody else does', async () => {
    const heard: unknown[] = [];
    using asked = onError((error, { receiver }) => heard.push([(error as Error).message, receiver?.name]), {
      robust: true,
    });
    using unasked = onError((error) => heard.push(error));
    void [asked, unasked];
    const signal = new Signal('saved');
    signal.connect(function mail() {
      throw new Error('down');
    });
    signal.sendRobust('orders');
    await signal.sendRobustAsync('orders');
    await signal.sendRobustAsync('orders', {}, { serial: true });
    expect(() => signal.send('orders')).toThrow('down');
    expect(heard).toEqual(Array.from({ length: 3 }, () => ['down', 'mail']));
    expect(() => onError(() => 1, { robst: true } as never)).toThrow(/Unknown option "robst" of onError\(\)/);
  });

  test('a handler that throws stops neither the others nor the app', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const heard: unknown[] = [];
    const failure = new Error('handler');
    using bad = onError(() => {
      throw failure;
    });
    using good = onError((error) => heard.push(error));
    await rejectLate('late');
    expect(heard).toEqual(['late']);
    expect(log).toHaveBeenCalledWith('tocsin: an onError() handler threw:', failure);
    expect([bad, good]).toHaveLength(2);
  });
});
