import { describe, expect, test } from 'vitest';
import {
  type AnySignal,
  disconnectReceivers,
  m2mChanged,
  onError,
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  Signal,
} from '../src/index.ts';
import { mockTransaction } from './support/transaction.ts';

class User {
  name = 'Ada';
}
const instance = new User();
const all = [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk];
const tick = () => new Promise((resolve) => setTimeout(resolve, 2));

test('every model signal bears its name', () => {
  expect(all.map(({ name }) => name)).toEqual([
    'preSave',
    'postSave',
    'preDelete',
    'postDelete',
    'm2mChanged',
    'postBulk',
  ]);
});

describe('a payload sent by hand', () => {
  const minimal = {
    preSave: { instance },
    postSave: { instance, created: true },
    preDelete: { instance },
    postDelete: { instance },
    m2mChanged: { action: 'postAdd' as const, instance, model: User, pkSet: new Set([1]) },
    postBulk: { operation: 'delete' as const },
  };
  const filled = {
    preSave: { instance, raw: false, using: 'default', updateFields: null, changes: null },
    postSave: { instance, created: true, raw: false, using: 'default', updateFields: null, changes: null },
    preDelete: { instance, using: 'default', origin: instance },
    postDelete: { instance, using: 'default', origin: instance },
    m2mChanged: { ...minimal.m2mChanged, reverse: false, using: 'default' },
    postBulk: { operation: 'delete', using: 'default' },
  };

  test.each(all.map((signal) => [signal.name, signal] as const))('is completed in a copy: %s', async (name, signal) => {
    for (const method of ['send', 'sendRobust', 'sendAsync', 'sendRobustAsync'] as const) {
      const seen: Record<string, unknown>[] = [];
      using connection = (signal as AnySignal).connect((_sender: unknown, args: never) => seen.push(args), {
        sender: User,
      });
      const args = minimal[name];
      const given = { ...args };
      await (signal[method] as (sender: unknown, args: object) => unknown)(User, args);
      expect(args).toEqual(given);
      const { onCommit, onRollback, ...rest } = seen[0] as Record<
        'onCommit' | 'onRollback',
        (callback: () => unknown) => void
      >;
      expect(rest).toEqual(filled[name]);
      let ran = false;
      onCommit(() => (ran = true));
      expect(ran).toBe(true);
      onRollback(() => (ran = false));
      expect(ran).toBe(true);
      expect(connection.connected).toBe(true);
    }
  });

  test('is completed where a key is there and undefined', () => {
    const seen: object[] = [];
    using connection = postSave.connect((_sender, args) => seen.push(args));
    postSave.send(User, {
      instance,
      created: false,
      using: undefined,
      raw: undefined,
      updateFields: new Set(['name']),
    });
    expect(seen[0]).toMatchObject({ using: 'default', raw: false, updateFields: new Set(['name']), changes: null });
    expect(connection.connected).toBe(true);
  });

  test('is passed by identity when it is complete', () => {
    const seen: unknown[] = [];
    using connection = postSave.connect((_sender, args) => seen.push(args));
    const args = {
      instance,
      created: true,
      raw: true,
      using: 'replica',
      updateFields: null,
      changes: null,
      tx: 'tx',
      onCommit: () => undefined,
      onRollback: () => undefined,
    };
    postSave.send(User, args);
    expect(seen[0]).toBe(args);
    expect(connection.connected).toBe(true);
  });

  test('is not even looked at when nobody listens', () => {
    const untouchable = new Proxy({} as { instance: User; created: boolean }, {
      get() {
        throw new Error('looked at');
      },
    });
    expect(postSave.send(User, untouchable)).toEqual([]);
  });

  test('must be an object, if someone listens', async () => {
    using connection = postSave.connect(() => undefined);
    expect(() => (postSave.send as (sender: unknown) => unknown)(User)).toThrow(
      /postSave is sent with a payload, an object, not undefined/,
    );
    await expect((postSave.sendAsync as (sender: unknown) => Promise<unknown>)(User)).rejects.toThrow(
      /postSave is sent with a payload/,
    );
    expect(connection.connected).toBe(true);
  });
});

describe('onCommit() of a payload sent by hand', () => {
  /** The onCommit that a receiver gets. */
  function given(): (callback: () => unknown) => void {
    let onCommit: (callback: () => unknown) => void = () => expect.unreachable();
    using connection = postSave.connect((_sender, args) => (onCommit = args.onCommit), { sender: User });
    postSave.send(User, { instance, created: true });
    expect(connection.connected).toBe(true);
    return onCommit;
  }

  test('leaves a throw to its caller', () => {
    expect(() => {
      given()(() => {
        throw new Error('mine');
      });
    }).toThrow('mine');
  });

  test('reports a rejection, which is never unhandled', async () => {
    const reported: unknown[] = [];
    using handler = onError((error, { signal, sender }) => reported.push([error, signal, sender]));
    const error = new Error('late');
    given()(() => Promise.reject(error));
    await tick();
    expect(reported).toEqual([[error, postSave, User]]);
    expect(handler).toBeDefined();
  });
});

describe('an arrow function as sender', () => {
  test('is refused, whether connecting or sending', async () => {
    const thunk = () => User;
    for (const attempt of [
      () => postSave.connect(() => undefined, { sender: thunk }),
      () => postSave.send(thunk, { instance, created: true }),
      () => postSave.sendRobust(thunk, { instance, created: true }),
    ]) {
      expect(attempt).toThrow(/sender must be the class itself, not function thunk that returns it/);
    }
    await expect(postSave.sendAsync(thunk, { instance, created: true })).rejects.toThrow(TypeError);
    await expect(postSave.sendRobustAsync(thunk, { instance, created: true })).rejects.toThrow(TypeError);
    expect(postSave.connections).toEqual([]);
  });

  test('is an ordinary sender of an ordinary signal', () => {
    const signal = new Signal();
    const thunk = () => User;
    signal.connect(() => 'heard', { sender: thunk });
    expect(signal.send(thunk)).toHaveLength(1);
  });
});

describe('afterCommit', () => {
  test('is taken only by the signals that follow a write', () => {
    const after = [postSave, postDelete, m2mChanged, postBulk];
    for (const signal of all) {
      const connect = () =>
        (signal.connect as (receiver: () => void, options: object) => Disposable)(() => undefined, {
          afterCommit: true,
        });
      if (after.includes(signal as never)) connect()[Symbol.dispose]();
      else expect(connect).toThrow(/afterCommit is only for postSave, postDelete, m2mChanged and postBulk/);
      expect(signal.connections).toEqual([]);
    }
  });

  test('outside a transaction is an ordinary receiver: pair, throw, promise', async () => {
    const receiver = (): Promise<string> => Promise.resolve('mailed');
    using first = postSave.connect(receiver, { sender: User, afterCommit: true });
    expect(postSave.send(User, { instance, created: true })).toEqual([[receiver, expect.any(Promise)]]);
    expect(await postSave.sendAsync(User, { instance, created: true })).toEqual([[receiver, 'mailed']]);
    using second = postSave.connect(
      () => {
        throw new Error('no mail server');
      },
      { sender: User, afterCommit: true },
    );
    expect(() => postSave.send(User, { instance, created: true })).toThrow('no mail server');
    expect([first, second]).toHaveLength(2);
  });

  test('inside yields no pair and is called after the commit, in order, each awaited', async () => {
    const log: string[] = [];
    const owner = {};
    for (const name of ['a', 'b']) {
      postSave.connect(
        async () => {
          log.push(`>${name}`);
          await tick();
          log.push(`<${name}`);
        },
        { sender: User, afterCommit: true, owner },
      );
    }
    postSave.connect(() => log.push('inside'), { sender: User, owner });
    const transaction = mockTransaction();
    expect(postSave.send(User, { instance, created: true, ...transaction.args })).toHaveLength(1);
    expect(log).toEqual(['inside']);
    await transaction.commit();
    expect(log).toEqual(['inside', '>a', '<a', '>b', '<b']);
    disconnectReceivers(owner);
  });

  test('gets a copy of the payload with tx undefined, whose onCommit runs at once', async () => {
    const seen: { tx: unknown; onCommit: (callback: () => unknown) => void; instance: User }[] = [];
    using connection = postSave.connect((_sender, args) => seen.push(args), { sender: User, afterCommit: true });
    const transaction = mockTransaction();
    postSave.send(User, { instance, created: true, ...transaction.args });
    await transaction.commit();
    expect(seen[0]).toMatchObject({ tx: undefined, created: true });
    expect(seen[0]?.instance).toBe(instance);
    let ran = false;
    seen[0]?.onCommit(() => (ran = true));
    expect(ran).toBe(true);
    expect(connection.connected).toBe(true);
  });

  test('is not called after a rollback, nor when disconnected before the commit', async () => {
    const log: string[] = [];
    const transaction = mockTransaction();
    {
      using connection = postSave.connect(() => log.push('called'), { sender: User, afterCommit: true });
      postSave.send(User, { instance, created: true, ...mockTransaction().args });
      postSave.send(User, { instance, created: true, ...transaction.args });
      expect(connection.connected).toBe(true);
    }
    await transaction.commit();
    expect(log).toEqual([]);
  });

  test('once is consumed by the call, not by a rollback', async () => {
    const log: string[] = [];
    const connection = postSave.connect(() => log.push('called'), { sender: User, afterCommit: true, once: true });
    postSave.send(User, { instance, created: true, ...mockTransaction().args });
    expect(connection.connected).toBe(true);
    const transaction = mockTransaction();
    postSave.send(User, { instance, created: true, ...transaction.args });
    postSave.send(User, { instance, created: true, ...transaction.args });
    await transaction.commit();
    expect(log).toEqual(['called']);
    expect(connection.connected).toBe(false);
  });

  test('reports what its receivers throw or reject with, and stops nobody', async () => {
    const reported: unknown[] = [];
    using handler = onError((error, { signal, sender, receiver }) =>
      reported.push([error, signal, sender, receiver?.name]),
    );
    const owner = {};
    const log: string[] = [];
    function throwing(): never {
      throw new Error('thrown');
    }
    const rejecting = () => Promise.reject(new Error('rejected'));
    for (const receiver of [throwing, rejecting, () => log.push('last')]) {
      postDelete.connect(receiver, { sender: User, afterCommit: true, owner });
    }
    const transaction = mockTransaction();
    postDelete.send(User, { instance, ...transaction.args });
    await transaction.commit();
    expect(reported).toEqual([
      [new Error('thrown'), postDelete, User, 'throwing'],
      [new Error('rejected'), postDelete, User, 'rejecting'],
    ]);
    expect(log).toEqual(['last']);
    disconnectReceivers(owner);
    expect(handler).toBeDefined();
  });

  test('works with an owner, and in every send', async () => {
    const owner = { name: 'owner' };
    for (const method of ['send', 'sendRobust', 'sendAsync', 'sendRobustAsync'] as const) {
      const log: unknown[] = [];
      using connection = postSave.connect(
        function () {
          log.push(this.name);
        },
        { sender: User, afterCommit: true, owner },
      );
      const transaction = mockTransaction();
      expect(await postSave[method](User, { instance, created: true, ...transaction.args })).toEqual([]);
      await transaction.commit();
      expect(log).toEqual(['owner']);
      expect(connection.connected).toBe(true);
    }
  });
});
