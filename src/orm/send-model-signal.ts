import { AsyncResource } from 'node:async_hooks';
import { type CommitCallback, ignoreRollback, runImmediately } from '../core/after-commit.ts';
import { describe, isPromise, nameOf } from '../core/describe.ts';
import { around, type Around } from '../core/dispatch.ts';
import { report } from '../core/report.ts';
import { begun, isThenable } from '../core/thenable.ts';
import type { AnySignal } from '../core/types.ts';
import { type CausalContext, currentCause, runCausedBy, WriteCall } from './causal-context.ts';
import type { TransactionNode } from './transaction.ts';

/** Deeper than any tree of sensible writes, and far from running out of stack or memory. */
const MAX_DEPTH = 32;

/** Where the tables of Drizzle have their name. */
const tableName: unique symbol = Symbol.for('drizzle:Name') as never;

/** What a write is part of. */
export interface WriteContext {
  /** What tells one database of the app from another: the adapter of it. */
  readonly database: object;
  readonly using: string;
  readonly tx: unknown;
  /** Where the row is written; undefined outside a transaction. */
  readonly transaction: TransactionNode | undefined;
  /** The call of the ORM that it belongs to; by default one of its own. */
  readonly call?: WriteCall | undefined;
  /** Runs what waited for the commit where the app's ordinary handle does not mean the transaction that has ended. */
  readonly leaveTransaction?: (<T>(run: () => T) => T) | undefined;
}

/**
 * Send to the receivers one after the other, in order, each awaited, after those before in the same call of the ORM;
 * the first failure stops the rest and propagates. A write that a receiver makes in turn is known to be its own.
 *
 * When the transaction has been rolled back meanwhile, because a sibling has failed, no further receiver is called: a
 * signal before the write then fails, so that nothing is written outside the transaction.
 *
 * @param args - the payload, or what makes it when it is this call's turn
 * @throws Error with the chain of receivers when writes cause each other without end.
 */
export async function sendModelSignal(
  signal: AnySignal,
  sender: unknown,
  args: object | (() => object),
  context: WriteContext,
): Promise<void> {
  if (!signal.hasListeners(sender)) return;
  const { call = new WriteCall() } = context;
  await call.runExclusive(() => send(signal, sender, args, { ...context, call }));
}

async function send(
  signal: AnySignal,
  sender: unknown,
  args: object | (() => object),
  { database, using, tx, transaction, call, leaveTransaction }: WriteContext,
): Promise<void> {
  const parent = call?.cause ?? currentCause();
  const depth = (parent?.depth ?? 0) + 1;
  const what = `${signal.name} ${senderName(sender)}`;
  if (depth > MAX_DEPTH) throw recursionError(parent, what);
  const causeOf = (label: string): CausalContext => ({
    parent,
    depth,
    label: `${what} → ${label}`,
    database,
    transaction,
    ended: false,
  });
  const scope: Around = (receiver, invoke) => {
    if (transaction?.state === 'rolledBack') throw ROLLED_BACK;
    const cause = causeOf(nameOf(receiver));
    // A query that a receiver returns runs in the scope of that receiver, and not of whoever awaits it.
    const response = runCausedBy(cause, () => {
      const returned = invoke();
      return isThenable(returned) && !isPromise(returned) ? begun(returned) : returned;
    });
    return ending(cause, response);
  };
  const hooks = transactionHooks(signal, sender, transaction, leaveTransaction ?? ((run) => run()), () => {
    const asking = currentCause();
    // An `afterCommit` call is put off before its receiver has a context of its own.
    if (asking === undefined || asking.depth < depth) return { ...causeOf('after commit'), transaction: undefined };
    return { ...asking, transaction: undefined };
  });
  const payload = { ...(typeof args === 'function' ? (args as () => object)() : args), using, tx, ...hooks };
  try {
    await signal.sendAsync(sender, payload, { serial: true, [around]: scope });
  } catch (error) {
    if (error !== ROLLED_BACK) throw error;
    if (signal.name.startsWith('pre')) {
      throw new Error(
        `${what} was stopped: its transaction has been rolled back while receivers were running. ` +
          'Await every write before the transaction ends, also when another of them fails (Promise.allSettled).',
        { cause: error },
      );
    }
  }
}

/** Thrown in place of calling a receiver. */
const ROLLED_BACK = new Error('The transaction was rolled back.');

/** A receiver has ended when what it returned has settled. */
function ending(cause: CausalContext, response: unknown): unknown {
  const end = (): void => {
    cause.ended = true;
  };
  if (isPromise(response)) response.then(end, end);
  else end();
  return response;
}

interface TransactionHooks {
  readonly onCommit: (callback: () => unknown) => void;
  readonly onRollback: (callback: () => unknown) => void;
}

/**
 * The `onCommit` and `onRollback` of a payload. It remembers the transaction of its write, so that a callback that is
 * given late is still run or dropped by what became of that.
 */
function transactionHooks(
  signal: AnySignal,
  sender: unknown,
  transaction: TransactionNode | undefined,
  leaveTransaction: <T>(run: () => T) => T,
  causeOf: () => CausalContext,
): TransactionHooks {
  if (transaction === undefined) return { onCommit: runImmediately(signal, sender), onRollback: ignoreRollback };
  transaction.watch();
  const wait =
    (awaited: 'committed' | 'rolledBack') =>
    (callback: CommitCallback): void => {
      const cause = causeOf();
      // Keeps the async context; AsyncLocalStorage.snapshot() does too, and takes thirty times as long.
      const context = new AsyncResource('TOCSIN_COMMIT');
      const call = async (): Promise<void> => {
        try {
          await leaveTransaction(callback);
        } catch (error) {
          report(error, { signal, sender, receiver: undefined });
        } finally {
          cause.ended = true;
        }
      };
      transaction.narrowest.whenSettled((state) => {
        if (state === awaited) return context.runInAsyncScope(() => runCausedBy(cause, call));
        callback.dropped?.();
        return undefined;
      });
    };
  return { onCommit: wait('committed'), onRollback: wait('rolledBack') };
}

/** A sender's name for people. */
export function senderName(sender: unknown): string {
  if (typeof sender === 'string') return sender;
  const table = (Object(sender) as { [tableName]?: unknown })[tableName];
  if (typeof table === 'string') return table;
  if (typeof sender !== 'function') return describe(sender);
  // every model of Mongoose is a function called "model"
  const { modelName } = sender as { modelName?: unknown };
  return typeof modelName === 'string' ? modelName : nameOf(sender);
}

function recursionError(cause: CausalContext | undefined, what: string): Error {
  const labels: string[] = [];
  for (let each = cause; each !== undefined; each = each.parent) labels.unshift(each.label);
  const chain = labels.length > 8 ? [...labels.slice(0, 4), '…', ...labels.slice(-2)] : labels;
  return new Error(
    `Receivers cause each other's writes without end (${String(labels.length)} deep): ${[...chain, what].join(' → ')}. ` +
      'Make one of them stop, for example by looking at `updateFields` or `created` before it writes.',
  );
}
