import { describe, expect, test } from 'vitest';
import { receiver, Signal } from '../../src/index.ts';

class User {}

describe('receiver(signal, options)(function)', () => {
  test('connects the function and returns the same one', () => {
    const signal = new Signal<{ n: number }>();
    const double = (_sender: unknown, { n }: { n: number }): number => n * 2;
    expect(receiver(signal)(double)).toBe(double);
    expect(signal.send(null, { n: 2 })).toEqual([[double, 4]]);
    expect(signal.disconnect(double)).toBe(true);
  });

  test('works as a statement after a function declaration', () => {
    const signal = new Signal();
    function heard(): string {
      return 'heard';
    }
    receiver(signal, { sender: User })(heard);
    expect(signal.send(User)).toEqual([[heard, 'heard']]);
  });

  test('connects to each signal of a list, and the same signal twice once', () => {
    const first = new Signal();
    const second = new Signal();
    const heard = receiver([first, second, first])(() => 'heard');
    expect(first.send(null)).toEqual([[heard, 'heard']]);
    expect(second.send(null)).toEqual([[heard, 'heard']]);
  });

  test('stacks', () => {
    const first = new Signal();
    const second = new Signal();
    const heard = receiver(first)(receiver(second, { sender: User })(() => 'heard'));
    expect(first.send(null)).toEqual([[heard, 'heard']]);
    expect(second.send(User)).toEqual([[heard, 'heard']]);
  });

  test('passes every option on', () => {
    const signal = new Signal();
    const owner = {};
    receiver(signal, { owner, once: true, priority: 1, dispatchUid: 'uid' })(() => 'owned');
    receiver(signal, { weak: true, priority: 2 })(User.toString);
    expect(signal.connections.map(({ receiver: { name } = { name: '' } }) => name)).toEqual(['toString', '']);
    expect(signal.disconnect({ dispatchUid: 'uid', owner })).toBe(true);
  });

  test('is not affected by a change to the options object afterwards', () => {
    const signal = new Signal();
    const options: { sender: unknown } = { sender: User };
    const decorate = receiver(signal, options as { sender: typeof User });
    options.sender = 'other';
    decorate(() => 'heard');
    expect(signal.send(User)).toHaveLength(1);
  });
});
