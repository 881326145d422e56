import { describe, isPromise, nameOf } from '../core/describe.ts';
import { around, type Around } from '../core/dispatch.ts';
import { begun, isThenable } from '../core/thenable.ts';
import type { AnySignal } from '../core/types.ts';
import type { CommitQueue } from './commit-queue.ts';
import { currentFrame, type Frame, inFrame } from './frames.ts';

/** Deeper than any tree of sensible writes, and far from running out of stack or memory. */
const DEEPEST = 32;

/** Where the tables of Drizzle have their name. */
const tableName: unique symbol = Symbol.for('drizzle:Name') as never;

/** What a payload says about the write it is about, and what serialises that write's queries. */
export interface Surroundings {
  readonly resource: object;
  readonly using: string;
  readonly tx: unknown;
  readonly queue: CommitQueue;
}

/**
 * Send to the receivers one after the other, in order, each awaited; the first failure stops the rest and propagates. A
 * write that a receiver makes in turn is known to be its own.
 *
 * @throws Error with the chain of receivers when writes cause each other without end.
 */
export async function deliver(
  signal: AnySignal,
  sender: unknown,
  args: object,
  { resource, using, tx, queue }: Surroundings,
): Promise<void> {
  if (!signal.hasListeners(sender)) return;
  const parent = currentFrame();
  const depth = (parent?.depth ?? 0) + 1;
  const what = `${signal.name} ${senderName(sender)}`;
  if (depth > DEEPEST) throw endless(parent, what);
  const scope: Around = (receiver, invoke) =>
    inFrame({ parent, depth, resource, label: `${what} → ${nameOf(receiver)}` }, () => {
      // a query that a receiver returns runs in the scope of that receiver, and not of whoever awaits it
      const response = invoke();
      return isThenable(response) && !isPromise(response) ? begun(response) : response;
    });
  // a call that is put off until the commit is so before its receiver has a frame
  const deferred: Frame = { parent, depth, resource, label: `${what} → after commit` };
  const cause = (): Frame | undefined => (currentFrame() === parent ? deferred : currentFrame());
  const payload = { ...args, using, tx, onCommit: queue.onCommit(signal, sender, cause), onRollback: () => undefined };
  await signal.sendAsync(sender, payload, { serial: true, [around]: scope });
}

/** A sender's name for people. */
export function senderName(sender: unknown): string {
  if (typeof sender === 'string') return sender;
  const { [tableName]: table } = Object(sender) as { [tableName]?: unknown };
  if (typeof table === 'string') return table;
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
