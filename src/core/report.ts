import { describe, isObject, isPromise, nameOf, printableLines, signalName } from './describe.ts';
import { dispose } from './dispose.ts';
import { FLAG, parseOptions } from './options.ts';
import { shared } from './shared.ts';
import type { AnyFunction, AnySignal } from './types.ts';

/** Where a reported error came from. */
export interface ErrorContext {
  readonly signal: AnySignal;
  readonly sender: unknown;
  /**
   * The receiver that failed; `undefined` for a function given to `onCommit()` that has no signal receiver behind it.
   */
  readonly receiver: AnyFunction | undefined;
}

/** Called with every reported error. */
export type ErrorHandler = (error: unknown, context: ErrorContext) => unknown;

declare const console: { error(...data: unknown[]): void };

/** Options of `onError()`. */
export interface ErrorOptions {
  /** Also hear what `sendRobust()` and `sendRobustAsync()` catch and return as outcomes. Default `false`. */
  readonly robust?: boolean;
}

const ERROR_OPTIONS = { robust: false };

const handlers: Set<{ readonly handle: ErrorHandler; readonly robust: boolean }> = /* @__PURE__ */ shared(
  'errorHandlers',
  () => new Set(),
);

/**
 * Hear every *reported* error: one that nobody is left to catch, because the send that caused it has returned. These
 * are rejections that come after a `sendRobust()`, those of promises that a throwing `send()` had gathered, and what
 * receivers do wrong after a commit. Errors that reach a caller are never reported, unless a handler asks with `robust:
 * true` for those that robust sends return as outcomes: Django logs these, and nothing else does here.
 *
 * With no handler, `console.error` names the signal and the receiver. Several handlers are called in the order they
 * were added, each once per error; the same function added twice is called twice. A handler that throws, or returns a
 * promise that rejects, stops neither the others nor the app: what it threw goes to `console.error`. Handlers are
 * process-wide, shared by every copy of the library.
 *
 * @returns a `Disposable` that removes this handler.
 * @throws TypeError if `handler` is not a function, or an option is unknown or wrong.
 * @example
 * ```ts
 * const handler = onError((error, { signal, receiver }) => {
 *   console.log(`${signal.name} → ${receiver?.name}:`, error)
 * })
 * handler[Symbol.dispose]() // back to console.error
 * ```
 */
export function onError(handler: ErrorHandler, options?: ErrorOptions): Disposable {
  if (typeof handler !== 'function')
    throw new TypeError('onError() takes a function (error, { signal, sender, receiver }) => …');
  const entry = { handle: handler, ...parseOptions(options, 'onError()', ERROR_OPTIONS, { robust: FLAG }) };
  handlers.add(entry);
  return {
    [dispose]() {
      handlers.delete(entry);
    },
  };
}

/** Report a promise's rejection, which is so never unhandled. Anything else is left alone, a lazy thenable too. */
export function reportRejection(value: unknown, context: ErrorContext): void {
  if (!isPromise(value)) return;
  value.then(undefined, (error: unknown) => {
    report(error, context);
  });
}

/** Nobody gets the promises that a send has gathered when it throws: their rejections are reported, never unhandled. */
export function reportRejections(
  pairs: readonly (readonly [AnyFunction, unknown])[],
  signal: AnySignal,
  sender: unknown,
): void {
  for (const [receiver, response] of pairs) reportRejection(response, { signal, sender, receiver });
}

/** Hand an error to the handlers; one that a robust send has caught, only to those that ask for it. Never throws. */
export function report(error: unknown, context: ErrorContext, caught = false): void {
  if (handlers.size === 0) {
    if (caught) return;
    print(`tocsin: ${signalName(context.signal)} → ${nameOf(context.receiver)} failed:`, error);
    return;
  }
  const fail = (failure: unknown): void => {
    print('tocsin: an onError() handler threw:', failure);
  };
  for (const { handle, robust } of [...handlers]) {
    if (caught && !robust) continue;
    try {
      const returned = handle(error, context);
      if (isPromise(returned)) returned.then(undefined, fail);
    } catch (failure) {
      fail(failure);
    }
  }
}

/** Printing looks at an error, which may throw in turn, and nobody is left to catch that. */
function print(message: string, error: unknown): void {
  try {
    const raw = rawText(error);
    const text = printableLines(raw);
    console.error(message, text === raw ? error : text);
  } catch {
    try {
      console.error(message, describe(error));
    } catch {
      // there is no console to print to
    }
  }
}

/** What a console would print of an error as it is: a thrown text, a stack, and those of what caused it. */
function rawText(error: unknown, depth = 8): string {
  if (!isObject(error)) return String(error);
  const { stack = '', cause, errors } = error as Partial<Record<string, unknown>>;
  return [cause]
    .concat(depth > 0 ? errors : undefined)
    .filter((each) => each !== undefined)
    .reduce<string>((text, each) => `${text}\n${rawText(each, depth - 1)}`, String(stack));
}
