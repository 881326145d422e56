import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { type Connection, disconnectReceivers, on, once, Signal } from '../../src/index.ts';
import { isolate } from '../../src/testing.ts';
import { collectGarbage, isCollected } from '../support/gc.ts';

/** Each of these sets something up in a scope of its own, so that no variable of the test keeps it alive. */
describe('a sender', () => {
  test('is not kept alive by its connections, even when the receiver closes over it; they go with it', async () => {
    const signal = new Signal();
    const collected = await isCollected(() => {
      const sender = { name: 'short-lived' };
      signal.connect(() => sender.name, { sender });
      signal.send(sender);
      return sender;
    });
    expect(collected).toBe(true);
    expect(signal.connections).toEqual([]);
  });

  test('is not kept alive by a held Connection', async () => {
    const signal = new Signal();
    const held: Connection[] = [];
    const collected = await isCollected(() => {
      const sender = {};
      held.push(signal.connect(() => sender, { sender }));
      signal.send(sender);
      return sender;
    });
    expect(collected).toBe(true);
    expect(held[0]).toMatchObject({ connected: false, receiver: undefined, sender: undefined });
    expect(held[0]?.disconnect()).toBe(false);
  });

  test('is not kept alive by an owner, a uid, an AbortSignal, once, or being one of many', async () => {
    const signal = new Signal();
    const owner = {};
    const controller = new AbortController();
    const held: Connection[] = [];
    const collected = await isCollected(() => {
      const sender = {};
      for (const options of [
        { owner },
        { dispatchUid: 1 },
        { signal: controller.signal },
        { once: true },
        { weak: true },
        { owner, dispatchUid: 2, priority: 1 },
      ]) {
        held.push(signal.connect(() => sender, { sender, ...options } as never));
      }
      signal.hasListeners(sender);
      expect(signal.connections).toHaveLength(6);
      return sender;
    });
    expect(collected).toBe(true);
    expect(signal.connections).toEqual([]);
    expect(disconnectReceivers(owner)).toBe(false);
    controller.abort();
  });

  test('that is a class with subclasses is collected with them', async () => {
    const signal = new Signal();
    const collected = await isCollected(() => {
      class Base {}
      class Derived extends Base {}
      signal.connect(() => Derived, { sender: Base, subclasses: true });
      expect(signal.send(Derived)).toHaveLength(1);
      return Base;
    });
    expect(collected).toBe(true);
    expect(signal.connections).toEqual([]);
  });

  test('that was only sent from is not kept by any cache', async () => {
    const signal = new Signal();
    signal.connect(() => undefined);
    signal.connect(() => undefined, { sender: 'x' });
    signal.connect(() => undefined, { sender: class {}, subclasses: true });
    expect(
      await isCollected(() => {
        const sender = {};
        signal.send(sender);
        return sender;
      }),
    ).toBe(true);
    expect(
      await isCollected(() => {
        class Sender {}
        signal.send(Sender);
        return Sender;
      }),
    ).toBe(true);
  });

  test('keeps its receivers alive as long as it lives', async () => {
    const signal = new Signal();
    const sender = {};
    signal.connect(() => 'alive', { sender });
    await collectGarbage();
    expect(signal.send(sender)).toHaveLength(1);
  });
});

describe('an owner', () => {
  test('whose receiver closes over it is collected, and its connection with it', async () => {
    const signal = new Signal();
    const held: Connection[] = [];
    const collected = await isCollected(() => {
      const owner = { name: 'mailer' };
      held.push(signal.connect(() => owner.name, { owner }));
      signal.connect(() => owner.name, { owner, dispatchUid: 'uid' });
      signal.send(null);
      return owner;
    });
    expect(collected).toBe(true);
    expect(signal.connections).toEqual([]);
    expect(signal.hasListeners()).toBe(false);
    expect(signal.send(null)).toEqual([]);
    expect(held[0]).toMatchObject({ connected: false, receiver: undefined });
  });

  test('keeps its receiver alive even when nothing else holds it', async () => {
    const signal = new Signal();
    const owner = {};
    signal.connect(() => 'inline arrow', { owner });
    signal.connect(() => 'with a uid', { owner, dispatchUid: 1, sender: 'x' });
    await collectGarbage();
    expect(signal.send('x').map(([, response]) => response)).toEqual(['inline arrow', 'with a uid']);
    expect(owner).toBeDefined();
  });

  test('and a sender: the receiver lives while both live, and goes with either', async () => {
    const signal = new Signal();
    const owner = {};
    const sender = {};
    signal.connect(() => 'both live', { owner, sender });
    await collectGarbage();
    expect(signal.send(sender)).toHaveLength(1);

    const ownerCollected = await isCollected(() => {
      const shortOwner = {};
      signal.connect(() => [shortOwner, sender], { owner: shortOwner, sender });
      return shortOwner;
    });
    const senderCollected = await isCollected(() => {
      const shortSender = {};
      signal.connect(() => [owner, shortSender], { owner, sender: shortSender });
      return shortSender;
    });
    expect([ownerCollected, senderCollected]).toEqual([true, true]);
    expect(signal.connections).toHaveLength(1);
    expect(owner).toBeDefined();
  });

  test('that is its own sender is collected', async () => {
    const signal = new Signal();
    expect(
      await isCollected(() => {
        const self = {};
        signal.connect(() => self, { owner: self, sender: self });
        return self;
      }),
    ).toBe(true);
    expect(signal.connections).toEqual([]);
  });

  test('frees its uid when it is collected', async () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    await isCollected(() => {
      const owner = {};
      signal.connect(receiver, { owner, sender: 'x', dispatchUid: 1 });
      return owner;
    });
    const owner = {};
    signal.connect(receiver, { owner, sender: 'x', dispatchUid: 1 });
    expect(signal.connections).toHaveLength(1);
    expect(owner).toBeDefined();
  });
});

describe('a weak receiver', () => {
  test('that died is never called, counted or listed, and does not keep its uid', async () => {
    const signal = new Signal();
    await isCollected(() => {
      const receiver = (): string => 'dead';
      signal.connect(receiver, { weak: true });
      signal.connect(receiver, { weak: true, sender: 'x' });
      signal.connect(receiver, { weak: true, dispatchUid: 'uid' });
      expect(signal.send('x')).toHaveLength(3);
      return receiver;
    });
    expect(signal.hasListeners('x')).toBe(false);
    expect(signal.connections).toEqual([]);
    expect(signal.send('x')).toEqual([]);
    signal.connect(() => 'new', { dispatchUid: 'uid' });
    expect(signal.send(null)).toHaveLength(1);
  });

  test('is called as long as something else holds it', async () => {
    const signal = new Signal();
    const receiver = (): string => 'alive';
    signal.connect(receiver, { weak: true });
    await collectGarbage();
    expect(signal.send(null)).toEqual([[receiver, 'alive']]);
  });

  test('is not kept alive by its Connection', async () => {
    const signal = new Signal();
    const held: Connection[] = [];
    expect(
      await isCollected(() => {
        const receiver = (): string => 'dead';
        held.push(signal.connect(receiver, { weak: true }));
        return receiver;
      }),
    ).toBe(true);
    expect(held[0]?.connected).toBe(false);
  });

  test('is strong by default: an inline arrow stays', async () => {
    const signal = new Signal();
    signal.connect(() => 'stays');
    await collectGarbage();
    expect(signal.send(null)).toHaveLength(1);
  });
});

class Base {}
class Derived extends Base {}

describe('an ended Connection', () => {
  test.each<[string, (sender: string | typeof Base) => object]>([
    ['every sender', () => ({})],
    ['one of them', (sender) => ({ sender })],
    ['a class and its subclasses', () => ({ sender: Base, subclasses: true })],
  ])('leaves its receiver to no sender that has sent before: one for %s', async (_name, options) => {
    const signal = new Signal<{ size?: number }, unknown>();
    for (const sender of ['orders', Derived]) {
      signal.connect(() => undefined, { sender });
      const collected = await isCollected(() => {
        const receiver = (): string => 'heard';
        const connection = signal.connect(receiver, options(sender) as never);
        for (const each of ['orders', Base, Derived]) signal.send(each);
        connection.disconnect();
        return receiver;
      });
      expect(collected).toBe(true);
    }
  });

  test.each(['by the last send', 'by isolating the signal'])('is kept alive no longer %s', async (way) => {
    const signal = new Signal();
    const isolated = way === 'by the last send' ? undefined : isolate(signal);
    const collected = await isCollected(() => {
      // called with nothing in between, and the only one
      const receiver = (): undefined => undefined;
      const connection = signal.connect(receiver);
      signal.send(null);
      if (isolated === undefined) connection.disconnect();
      else isolated[Symbol.dispose]();
      return receiver;
    });
    expect(collected).toBe(true);
    expect(signal.send(null)).toEqual([]);
  });

  test('keeps its receiver alive no longer', async () => {
    const signal = new Signal();
    const held: Connection[] = [];
    expect(
      await isCollected(() => {
        const receiver = (): string => 'ended';
        const connection = signal.connect(receiver);
        held.push(connection);
        signal.send(null);
        connection.disconnect();
        return receiver;
      }),
    ).toBe(true);
    expect(held).toHaveLength(1);
  });
});

describe('a signal that nobody holds', () => {
  test('is collected although owners, senders, receivers and AbortSignals it was connected with live on', async () => {
    const owner = {};
    const sender = {};
    const controller = new AbortController();
    const receiver = (): string => 'heard';
    const collected = await isCollected(() => {
      const signal = new Signal();
      signal.connect(() => signal, { owner });
      signal.connect(() => signal, { sender });
      signal.connect(() => signal, { owner, sender, dispatchUid: 1 });
      signal.connect(() => signal, { signal: controller.signal });
      signal.connect(() => signal, { signal: controller.signal, sender, owner });
      signal.connect(receiver, { weak: true });
      signal.connect(receiver, { weak: true, sender, priority: 4 });
      signal.send(sender);
      return signal;
    });
    expect(collected).toBe(true);
    expect(disconnectReceivers(owner)).toBe(false);
    controller.abort();
    expect([owner, sender, receiver]).toHaveLength(3);
  });

  test('takes its listener off an AbortSignal that lives on', async () => {
    const { signal: abortSignal } = new AbortController();
    await isCollected(() => {
      const signal = new Signal();
      signal.connect(() => signal, { signal: abortSignal });
      expect(getEventListeners(abortSignal, 'abort')).toHaveLength(1);
      return signal;
    });
    expect(getEventListeners(abortSignal, 'abort')).toHaveLength(0);
  });
});

describe('an AbortSignal', () => {
  test('loses its listener when sender, owner or weak receiver are collected', async () => {
    const signal = new Signal();
    const { signal: abortSignal } = new AbortController();
    for (const options of [
      (it: object) => ({ sender: it }),
      (it: object) => ({ owner: it }),
      (it: object) => ({ sender: it, owner: it }),
    ]) {
      await isCollected(() => {
        const mortal = {};
        signal.connect(() => mortal, { ...options(mortal), signal: abortSignal } as never);
        expect(getEventListeners(abortSignal, 'abort')).toHaveLength(1);
        return mortal;
      });
      expect(getEventListeners(abortSignal, 'abort')).toHaveLength(0);
    }
    await isCollected(() => {
      const receiver = (): string => 'weak';
      signal.connect(receiver, { weak: true, signal: abortSignal });
      expect(getEventListeners(abortSignal, 'abort')).toHaveLength(1);
      return receiver;
    });
    expect(getEventListeners(abortSignal, 'abort')).toHaveLength(0);
  });
});

describe('on()', () => {
  test('an iterator that is dropped is collected and disconnected', async () => {
    const signal = new Signal();
    const controller = new AbortController();
    for (const options of [{}, { sender: 'x' }, { sender: Signal }, { signal: controller.signal }]) {
      expect(
        await isCollected(() => {
          const iterator = on(signal, options as never);
          signal.send('x');
          return iterator;
        }),
      ).toBe(true);
      expect(signal.connections).toEqual([]);
    }
  });

  test('an iterator that somebody waits on is not collected', async () => {
    for (const options of [{}, { sender: 'x' }, { sender: Signal }]) {
      const signal = new Signal();
      const read: unknown[] = [];
      void (async () => {
        for await (const [sender] of on(signal, options as never)) read.push(sender);
      })();
      await collectGarbage();
      const sender = (options as { sender?: unknown }).sender ?? 'any';
      signal.send(sender);
      await collectGarbage();
      signal.send(sender);
      await collectGarbage();
      expect(read).toEqual([sender, sender]);
    }
  });

  test('waiting does not keep a signal alive', async () => {
    expect(
      await isCollected(() => {
        const signal = new Signal();
        void on(signal).next();
        void once(signal);
        return signal;
      }),
    ).toBe(true);
  });
});
