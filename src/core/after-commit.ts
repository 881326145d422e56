import { report, reportRejection } from './report.ts';
import type { Registration } from './registration.ts';
import type { Following } from './tools.ts';
import type { AnySignal } from './types.ts';

/** What is done after a commit, and what hears if it never is. */
export interface CommitCallback {
  (): unknown;
  dropped?: (() => void) | undefined;
}

/** The part of a model payload that says whether a transaction surrounds the write. */
interface Committing {
  readonly onCommit: (callback: () => unknown) => void;
}

/**
 * Put the call of an `afterCommit` receiver off until the commit. False outside a transaction, where it is an ordinary
 * receiver: there `onCommit()` runs its callback at once, and that is how the two are told apart, whoever made the
 * payload.
 */
export function deferred(
  registration: Registration,
  signal: AnySignal,
  sender: unknown,
  args: object,
  following: Following | undefined,
): boolean {
  let asking = true;
  let outside = false;
  const callback: CommitCallback = () => {
    if (asking) {
      outside = true;
      return undefined;
    }
    return callAfterCommit(registration, signal, sender, args, following);
  };
  if (following !== undefined)
    callback.dropped = () => {
      following.skip(registration.callee()?.receiver, 'dropped by a rollback');
    };
  (args as Committing).onCommit(callback);
  asking = false;
  return !outside;
}

/** Nobody waits for what happens here but the commit, so that errors are reported and never thrown. */
async function callAfterCommit(
  registration: Registration,
  signal: AnySignal,
  sender: unknown,
  args: object,
  following: Following | undefined,
): Promise<void> {
  const callee = registration.callee();
  if (callee === undefined) return;
  const { receiver, self } = callee;
  if (registration.settings.once) registration.disconnect();
  try {
    const invoke = (): unknown =>
      Reflect.apply(receiver, self, [
        sender,
        { ...args, tx: undefined, onCommit: runImmediately(signal, sender), onRollback: ignoreRollback },
        signal,
      ]);
    await (following === undefined ? invoke() : following.call(receiver, invoke));
  } catch (error) {
    report(error, { signal, sender, receiver });
  }
}

/**
 * The `onCommit` of a payload that no transaction surrounds: the callback runs now. Its throw is the caller's, a later
 * rejection is reported.
 */
export function runImmediately(signal: AnySignal, sender: unknown): (callback: () => unknown) => void {
  return (callback) => {
    reportRejection(callback(), { signal, sender, receiver: undefined });
  };
}

/** The `onRollback` of a payload that no transaction surrounds: nothing can be rolled back. */
export const ignoreRollback = (_callback: () => unknown): void => undefined;
