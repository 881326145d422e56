import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { disconnectReceivers, Signal } from '../../src/index.ts';

class User {}

describe('disconnect(receiver)', () => {
  test('is true if something ended, false if not', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    expect(signal.disconnect(receiver)).toBe(false);
    signal.connect(receiver);
    expect(signal.disconnect(receiver)).toBe(true);
    expect(signal.disconnect(receiver)).toBe(false);
    expect(signal.send(null)).toEqual([]);
  });

  test('needs the sender and the owner it was connected with', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    const owner = {};
    signal.connect(receiver, { sender: User, owner });
    expect(signal.disconnect(receiver)).toBe(false);
    expect(signal.disconnect(receiver, { sender: User })).toBe(false);
    expect(signal.disconnect(receiver, { owner })).toBe(false);
    expect(signal.disconnect(receiver, { sender: User, owner: {} })).toBe(false);
    expect(signal.disconnect(receiver, { sender: User, owner })).toBe(true);
  });

  test('ends the registration for every sender only', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(receiver);
    signal.connect(receiver, { sender: User });
    signal.connect(receiver, { sender: 'x' });
    expect(signal.disconnect(receiver, { sender: null })).toBe(true);
    expect(signal.send(User)).toHaveLength(1);
    expect(signal.send('x')).toHaveLength(1);
  });

  test('does not end one that has a uid; the uid does', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(receiver, { dispatchUid: 'uid', sender: User });
    expect(signal.disconnect(receiver, { sender: User })).toBe(false);
    expect(signal.disconnect({ dispatchUid: 'uid' })).toBe(false);
    expect(signal.disconnect({ dispatchUid: 'uid', sender: User })).toBe(true);
    expect(signal.disconnect({ dispatchUid: 'uid', sender: User })).toBe(false);
  });

  test('finds weak receivers', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    signal.connect(receiver, { weak: true });
    expect(signal.disconnect(receiver)).toBe(true);
    expect(signal.hasListeners()).toBe(false);
  });
});

describe('a Connection', () => {
  test('tells its signal, receiver and sender while it is connected', () => {
    const signal = new Signal('saved');
    const receiver = (): string => 'heard';
    const connection = signal.connect(receiver, { sender: User });
    expect(connection).toMatchObject({ connected: true });
    expect(connection.signal).toBe(signal);
    expect(connection.receiver).toBe(receiver);
    expect(connection.sender).toBe(User);
    expect(connection.disconnect()).toBe(true);
    expect(connection.connected).toBe(false);
    expect(connection.signal).toBe(signal);
    expect(connection.receiver).toBeUndefined();
    expect(connection.sender).toBeUndefined();
    expect(connection.disconnect()).toBe(false);
  });

  test('tells the connected function, also with an owner', () => {
    const signal = new Signal();
    const owner = { onSave() {} };
    expect(signal.connect(owner.onSave, { owner }).receiver).toBe(owner.onSave);
  });

  test.each([{}, { sender: User }, { sender: 'x' }, { owner: User }, { weak: true }])(
    'is disposable: %o',
    (options) => {
      const signal = new Signal();
      const receiver = (): string => 'heard';
      {
        using connection = signal.connect(receiver, options as never);
        expect(connection.connected).toBe(true);
        expect(signal.connections).toHaveLength(1);
      }
      expect(signal.connections).toHaveLength(0);
    },
  );

  test('of an ended registration does not end the one that took its place', () => {
    const signal = new Signal();
    const receiver = (): string => 'heard';
    const first = signal.connect(receiver);
    first.disconnect();
    signal.connect(receiver);
    expect(first.disconnect()).toBe(false);
    expect(signal.send(null)).toHaveLength(1);
  });
});

describe('disconnectReceivers(owner)', () => {
  test('ends what is left of many, on several signals, for senders and under uids', () => {
    const owner = {};
    const signals = Array.from({ length: 40 }, () => new Signal());
    const connections = signals.flatMap((signal) => [
      signal.connect(() => 'any', { owner }),
      signal.connect(() => 'named', { owner, dispatchUid: Number.NaN }),
      signal.connect(() => 'one', { owner, sender: signal }),
    ]);
    for (const [index, connection] of connections.entries()) if (index % 4 !== 0) connection.disconnect();
    expect(disconnectReceivers(owner)).toBe(true);
    expect(connections.filter(({ connected }) => connected)).toEqual([]);
    expect(disconnectReceivers(owner)).toBe(false);
    signals[0]?.connect(() => 'again', { owner });
    expect(disconnectReceivers(owner)).toBe(true);
  });

  test('ends every connection of that owner, on all signals and for all senders', () => {
    const signals = [new Signal(), new Signal()];
    const owner = {};
    const other = {};
    for (const signal of signals) {
      signal.connect(() => 'any', { owner });
      signal.connect(() => 'user', { owner, sender: User });
      signal.connect(() => 'primitive', { owner, sender: 'x', dispatchUid: 1 });
      signal.connect(() => 'other', { owner: other });
      signal.connect(() => 'unowned');
    }
    expect(disconnectReceivers(owner)).toBe(true);
    for (const signal of signals) {
      expect(signal.send(User)).toHaveLength(2);
      expect(signal.send('x')).toHaveLength(2);
    }
    expect(disconnectReceivers(owner)).toBe(false);
    expect(disconnectReceivers({})).toBe(false);
  });

  test('during a send keeps the rest from being called', () => {
    const signal = new Signal();
    const owner = {};
    signal.connect(() => disconnectReceivers(owner));
    signal.connect(() => 'owned', { owner });
    expect(signal.send(null)).toHaveLength(1);
  });

  test('lets the owner connect again', () => {
    const signal = new Signal();
    const owner = {};
    const receiver = (): string => 'heard';
    signal.connect(receiver, { owner });
    disconnectReceivers(owner);
    signal.connect(receiver, { owner });
    expect(signal.send(null)).toHaveLength(1);
    expect(disconnectReceivers(owner)).toBe(true);
  });
});

describe('hasListeners()', () => {
  test('tells whether a send would call someone', () => {
    const signal = new Signal();
    expect(signal.hasListeners()).toBe(false);
    const keyed = signal.connect(() => 1, { sender: User });
    expect(signal.hasListeners()).toBe(false);
    expect(signal.hasListeners(undefined)).toBe(false);
    expect(signal.hasListeners(null)).toBe(false);
    expect(signal.hasListeners(User)).toBe(true);
    expect(signal.hasListeners('x')).toBe(false);
    const any = signal.connect(() => 2);
    expect(signal.hasListeners()).toBe(true);
    expect(signal.hasListeners('x')).toBe(true);
    any.disconnect();
    keyed.disconnect();
    expect(signal.hasListeners(User)).toBe(false);
  });

  test('sees subclasses only where they are asked for', () => {
    class Admin extends User {}
    const signal = new Signal();
    const exact = signal.connect(() => 1, { sender: User });
    expect(signal.hasListeners(Admin)).toBe(false);
    signal.connect(() => 2, { sender: User, subclasses: true });
    expect(signal.hasListeners(Admin)).toBe(true);
    exact.disconnect();
    expect(signal.hasListeners(Admin)).toBe(true);
  });
});

test('connections is a fresh array in dispatch order, of all senders', () => {
  const signal = new Signal();
  const owner = {};
  const a = signal.connect(() => 1);
  const b = signal.connect(() => 2, { sender: User, owner });
  const c = signal.connect(() => 3, { sender: 'x' });
  const d = signal.connect(() => 4, { priority: 1, weak: true, dispatchUid: 4 });
  const { connections } = signal;
  expect(connections.filter((connection) => connection !== d)).toEqual([a, b, c]);
  expect(connections[0]).toBe(d);
  expect(signal.connections).not.toBe(connections);
  b.disconnect();
  expect(connections).toHaveLength(4);
  expect(signal.connections).toHaveLength(3);
  expect(owner).toBeDefined();
});

test('signals and connections print what they connect, and not what they are made of', () => {
  const signal = new Signal('saved');
  function notify(): void {}
  const any = signal.connect(notify);
  const keyed = signal.connect(notify, { sender: User });
  expect(inspect({ signal, any, keyed })).toBe(
    '{\n  signal: Signal saved { 2 connected },\n  any: Connection saved → notify,\n  keyed: Connection saved → notify for class User\n}',
  );
  keyed.disconnect();
  expect(inspect(keyed)).toBe('Connection saved → (ended)');
  expect(inspect(new Signal())).toBe('Signal (unnamed signal) { 0 connected }');
});
