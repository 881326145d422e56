import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, nameOf } from '../core/describe.ts';
import { around, type Around } from '../core/dispatch.ts';
import { shared } from '../core/shared.ts';
import type { AnySignal } from '../core/types.ts';

/** A receiver that is running on behalf of a write, and the one whose own write caused that. */
export interface Frame {
  readonly parent: Frame | undefined;
  readonly depth: number;
  /** `postSave User → createProfile` */
  readonly label: string;
  /** What serialises the queries of that write: a connection, a query runner. */
  readonly resource: object;
}

/** Deeper than any tree of sensible writes, and far from running out of stack or memory. */
const DEEPEST = 32;

const frames: AsyncLocalStorage<Frame | undefined> = shared('frames', () => new AsyncLocalStorage());

/** The receiver in which the current code runs, across awaits. */
export function currentFrame(): Frame | undefined {
  return frames.getStore();
}

/** Run as if still in `frame`: what is put off until a commit belongs to the receiver that asked for it. */
export function inFrame<T>(frame: Frame | undefined, run: () => T): T {
  return frames.run(frame, run);
}

/**
 * Send to the receivers one after the other, in order, each awaited; the first failure stops the rest and propagates. A write that a
 * receiver makes in turn is known to be its own.
 *
 * @throws Error with the chain of receivers when writes cause each other without end.
 */
export async function deliver(signal: AnySignal, sender: unknown, args: object, resource: object): Promise<void> {
  const parent = currentFrame();
  const depth = (parent?.depth ?? 0) + 1;
  const what = `${signal.name} ${senderName(sender)}`;
  if (depth > DEEPEST) throw endless(parent, what);
  const scope: Around = (receiver, invoke) => frames.run({ parent, depth, resource, label: `${what} → ${nameOf(receiver)}` }, invoke);
  await signal.sendAsync(sender, args, { serial: true, [around]: scope });
}

/** A sender's name for people. */
export function senderName(sender: unknown): string {
  if (typeof sender === 'string') return sender;
  if (typeof sender !== 'function') return describe(sender);
  // every model of Mongoose is a function called "model"
  const { modelName } = sender as { modelName?: unknown };
  return typeof modelName === 'string' ? modelName : nameOf(sender);
}

function endless(frame: Frame | undefined, what: string): Error {
  const labels: string[] = [];
  for (let each = frame; each !== undefined; each = each.parent) labels.unshift(each.label);
  const chain = labels.length > 8 ? [...labels.slice(0, 4), '…', ...labels.slice(-2)] : labels;
  return new Error(
    `Receivers cause each other's writes without end (${String(labels.length)} deep): ${[...chain, what].join(' → ')}. ` +
      'Make one of them stop, for example by looking at `updateFields` or `created` before it writes.',
  );
}
