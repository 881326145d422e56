import { describe, expect, test } from 'vitest';
import { Signal } from '../../src/index.ts';
import { collectGarbage, usedHeap } from '../support/gc.ts';

const COUNT = 100_000;
type Connect = (signal: Signal, index: number) => void;

/** Bytes that stay behind per short-lived object: after the first batch, and what a second batch adds to it. */
async function retained(connect: Connect): Promise<{ first: number; second: number }> {
  const signal = new Signal();
  // let the engine's own tables for weak things grow once
  for (let index = 0; index < 1000; index++) connect(signal, -index - 1);
  const start = await usedHeap();
  for (let index = 0; index < COUNT; index++) connect(signal, index);
  await collectGarbage();
  const afterFirst = await usedHeap();
  for (let index = COUNT; index < 2 * COUNT; index++) connect(signal, index);
  await collectGarbage();
  const afterSecond = await usedHeap();
  expect(signal.connections).toHaveLength(0);
  return { first: (afterFirst - start) / COUNT, second: (afterSecond - afterFirst) / COUNT };
}

const controller = new AbortController();
const longLivedOwner = {};
const longLivedSender = {};

describe(`after ${String(COUNT)} short-lived`, () => {
  test.each<[string, Connect]>([
    ['owners', (signal) => void signal.connect(() => undefined, { owner: {} })],
    [
      'owners whose receiver closes over them',
      (signal) => {
        const owner = {};
        signal.connect(() => owner, { owner });
      },
    ],
    [
      'senders whose receiver closes over them',
      (signal) => {
        const sender = {};
        signal.connect(() => sender, { sender });
      },
    ],
    [
      'senders with a long-lived owner',
      (signal) => void signal.connect(() => undefined, { sender: {}, owner: longLivedOwner }),
    ],
    [
      'owners with a long-lived sender',
      (signal) => void signal.connect(() => undefined, { sender: longLivedSender, owner: {} }),
    ],
    [
      'senders on one AbortSignal',
      (signal) => void signal.connect(() => undefined, { sender: {}, signal: controller.signal }),
    ],
    ['weak receivers', (signal, index) => void signal.connect(() => index, { weak: true })],
    [
      'primitive senders that were disconnected',
      (signal, index) => void signal.connect(() => undefined, { sender: index }).disconnect(),
    ],
    [
      'senders that were disconnected and sent',
      (signal) => {
        const sender = {};
        const connection = signal.connect(() => sender, { sender });
        signal.send(sender);
        connection.disconnect();
      },
    ],
  ])(
    '%s nothing stays behind, without anyone sending',
    async (_name, connect) => {
      const { first, second } = await retained(connect);
      // what stays after the first batch are tables of the engine, which it keeps for the next
      expect(first).toBeLessThan(160);
      expect(second).toBeLessThan(8);
    },
    120_000,
  );

  test('signals nothing stays behind on the owner and AbortSignal they had in common', async () => {
    const owner = {};
    const make = (): void => {
      for (let index = 0; index < 20_000; index++) {
        new Signal().connect(() => undefined, { owner, signal: controller.signal });
      }
    };
    make();
    const start = await usedHeap();
    make();
    const end = await usedHeap();
    expect((end - start) / 20_000).toBeLessThan(16);
    expect(owner).toBeDefined();
  }, 120_000);
});

test('repeated weak connect and disconnect of a living receiver does not pile up', async () => {
  const signal = new Signal();
  const receiver = (): void => undefined;
  const churn = (): void => {
    for (let index = 0; index < 50_000; index++) signal.connect(receiver, { weak: true }).disconnect();
  };
  churn();
  const start = await usedHeap();
  churn();
  expect(((await usedHeap()) - start) / 50_000).toBeLessThan(8);
}, 60_000);

describe('connect and disconnect do not get slower with the number of connections', () => {
  /** Counts, not times: a linear search would make the work per operation grow with the size. */
  const kinds: [string, (index: number) => object][] = [
    ['plain', () => ({})],
    ['keyed', () => ({ sender: {} })],
    ['with a primitive sender', (index) => ({ sender: index })],
    ['weak', () => ({ weak: true })],
    ['owned', () => ({ owner: {} })],
    ['of one owner', () => ({ owner: longLivedOwner })],
    ['with a uid', (index) => ({ dispatchUid: index })],
    ['on one AbortSignal', () => ({ signal: controller.signal })],
  ];
  test.each(kinds)(
    `%s: ${String(COUNT)} connected and disconnected, oldest first`,
    (_name, options) => {
      const signal = new Signal();
      const kept: unknown[] = [];
      const connections = Array.from({ length: COUNT }, (_unused, index) => {
        const given = options(index);
        const receiver = (): number => index;
        kept.push(given, receiver);
        return signal.connect(receiver, given as never);
      });
      expect(signal.connections).toHaveLength(COUNT);
      for (const connection of connections) connection.disconnect();
      expect(signal.connections).toHaveLength(0);
      expect(kept).toHaveLength(2 * COUNT);
    },
    20_000,
  );
});
