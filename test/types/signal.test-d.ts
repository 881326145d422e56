import { describe, expectTypeOf, test } from 'vitest';
import {
  type AnySignal,
  type Connection,
  type Outcomes,
  type Receiver,
  type Responses,
  Signal,
} from '../../src/index.ts';

interface Pizza {
  toppings: string[];
  size: number;
}
class Store {
  open = true;
}
const pizzaDone = new Signal<Pizza>('pizzaDone');
const bare = new Signal();
const answered = new Signal<{ n: number }, Store, number>();

describe('send()', () => {
  test('needs args when a key of the payload is required, and not otherwise', () => {
    expectTypeOf(pizzaDone.send('store', { toppings: [], size: 1 })).toEqualTypeOf<Responses<unknown>>();
    bare.send('store');
    bare.send('store', {});
    new Signal<{ optional?: number }>().send(null);
    // @ts-expect-error args are missing
    pizzaDone.send('store');
    // @ts-expect-error the payload is wrong
    pizzaDone.send('store', { toppings: 'basil', size: 1 });
    // @ts-expect-error a key is missing
    pizzaDone.send('store', { toppings: [] });
    // @ts-expect-error an unknown key
    pizzaDone.send('store', { toppings: [], size: 1, extra: true });
    // @ts-expect-error the sender is missing
    bare.send();
    // @ts-expect-error args are missing
    void pizzaDone.sendAsync('store');
  });

  test('checks the sender', () => {
    answered.send(new Store(), { n: 1 });
    // @ts-expect-error not a Store
    answered.send('store', { n: 1 });
    // @ts-expect-error not a Store
    answered.hasListeners('store');
  });

  test('types responses', () => {
    expectTypeOf(answered.send(new Store(), { n: 1 })).toEqualTypeOf<Responses<number>>();
    expectTypeOf(answered.sendRobust(new Store(), { n: 1 })).toEqualTypeOf<Outcomes<number>>();
    const asynchronous = new Signal<{ n: number }, unknown, Promise<string> | number>();
    expectTypeOf(asynchronous.sendAsync(null, { n: 1 }, { serial: true })).resolves.toEqualTypeOf<
      Responses<string | number>
    >();
    expectTypeOf(asynchronous.sendRobustAsync(null, { n: 1 })).resolves.toEqualTypeOf<Outcomes<string | number>>();
    // @ts-expect-error results are not to be changed
    answered.send(new Store(), { n: 1 }).length = 0;
  });
});

describe('connect()', () => {
  test('types the receiver', () => {
    const connection = pizzaDone.connect((sender, args, signal) => {
      expectTypeOf(sender).toEqualTypeOf<unknown>();
      expectTypeOf(args).toEqualTypeOf<Pizza>();
      expectTypeOf(signal).toExtend<Signal<Pizza>>();
    });
    expectTypeOf(connection).toEqualTypeOf<Connection>();
    pizzaDone.connect(
      (sender) => {
        expectTypeOf(sender).toEqualTypeOf<typeof Store>();
      },
      { sender: Store },
    );
    const receiver: Receiver<Pizza> = (_sender, { size }) => size;
    pizzaDone.connect(receiver);
  });

  test('refuses a wrong receiver', () => {
    // @ts-expect-error a wrong payload
    pizzaDone.connect((_sender: unknown, _args: { toppings: number }) => undefined);
    // @ts-expect-error a narrower sender without the option sender
    pizzaDone.connect((_sender: typeof Store) => undefined);
    // @ts-expect-error another sender
    pizzaDone.connect((_sender: string) => undefined, { sender: Store });
    // @ts-expect-error a wrong response
    answered.connect(() => 'text');
    // @ts-expect-error no function
    pizzaDone.connect('receiver');
    // @ts-expect-error a class
    pizzaDone.connect(Store);
    // @ts-expect-error one parameter too many
    pizzaDone.connect((_a: unknown, _b: Pizza, _c: Signal<Pizza>, _d: number) => undefined);
  });

  test('refuses wrong options', () => {
    // @ts-expect-error an unknown option
    pizzaDone.connect(() => undefined, { sendr: Store });
    // @ts-expect-error not a boolean
    pizzaDone.connect(() => undefined, { once: 1 });
    // @ts-expect-error not an object
    pizzaDone.connect(() => undefined, { owner: 'text' });
    // @ts-expect-error only model signals that follow a write
    pizzaDone.connect(() => undefined, { afterCommit: true });
    // @ts-expect-error not a Store
    answered.connect(() => 1, { sender: 'text' });
    // @ts-expect-error not an AbortSignal
    pizzaDone.connect(() => undefined, { signal: new AbortController() });
  });

  test('types this by the owner', () => {
    const owner = { name: 'mailer' };
    pizzaDone.connect(
      function () {
        expectTypeOf(this).toEqualTypeOf<{ name: string }>();
      },
      { owner },
    );
    pizzaDone.connect(
      function (sender) {
        expectTypeOf(this).toEqualTypeOf<{ name: string }>();
        expectTypeOf(sender).toEqualTypeOf<typeof Store>();
      },
      { owner, sender: Store },
    );
    function needsThis(this: { name: string }): string {
      return this.name;
    }
    pizzaDone.connect(needsThis, { owner });
    // @ts-expect-error this would be undefined
    pizzaDone.connect(needsThis);
  });
});

test('disconnect() needs something to go by', () => {
  pizzaDone.disconnect(() => undefined, { sender: Store });
  pizzaDone.disconnect({ dispatchUid: 1, sender: Store });
  // @ts-expect-error nothing
  pizzaDone.disconnect();
  // @ts-expect-error no uid
  pizzaDone.disconnect({ sender: Store });
});

test('AnySignal takes every signal', () => {
  const signals: AnySignal[] = [pizzaDone, bare, answered];
  expectTypeOf(signals).toEqualTypeOf<AnySignal[]>();
});

test('a payload must be an object', () => {
  // @ts-expect-error a number
  new Signal<number>();
});
