import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { isPromise } from '../core/describe.ts';
import { dispose } from '../core/dispose.ts';
import { parseOptions, type Rule } from '../core/options.ts';
import { observe, type SendEvent, type SendMethod } from '../core/observe.ts';
import { shared } from '../core/shared.ts';
import type { AnyFunction, AnySignal } from '../core/types.ts';
import { type Redact, redacted, type RedactedKind } from './redact.ts';

/** What `tracing:tocsin:send:*` tells. The same object from `start` to the end of a send. */
export interface SendMessage {
  readonly signal: AnySignal;
  readonly sender: unknown;
  readonly args: object;
  readonly method: SendMethod;
  /** The receiver that made this send, if one did. */
  readonly parent: ReceiverMessage | undefined;
  /** Whether it goes on after `end`, until `asyncEnd`. */
  readonly waits: boolean;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** What `tracing:tocsin:receiver:*` tells. The same object from `start` to the end of a call. */
export interface ReceiverMessage {
  readonly receiver: AnyFunction;
  /** The send that calls it. */
  readonly parent: SendMessage;
  /** Whether it goes on after `end`, until `asyncEnd`; known from `end` on. */
  readonly waits: boolean;
  readonly result?: unknown;
  readonly error?: unknown;
}

type Changing<T> = { -readonly [K in keyof T]: T[K] };

/** Options of `publishDiagnostics()`. */
export interface DiagnosticsOptions {
  /** What to publish in place of senders, payloads (`args`), results and errors. */
  readonly redact?: Redact;
}

const DIAGNOSTICS = { redact: undefined as Redact | undefined };
const aFunction: Rule = (value) =>
  value !== undefined && typeof value !== 'function' && 'must be a function (value, kind) => …, not %';

/** The calls that have not been disposed of, in all copies of the library: what is sent is published once. */
const publishers: Set<{ readonly redact: Redact | undefined }> = shared('publishers', () => new Set());
const publishing: { end: () => void } = shared('publishing', () => ({ end: () => undefined }));

const current = new AsyncLocalStorage<ReceiverMessage>();

/**
 * Publish sends and receivers on `node:diagnostics_channel`, for tools that watch applications:
 * `tracingChannel('tocsin:send')` and `tracingChannel('tocsin:receiver')`, with `start`, `end`, `error`, `asyncStart`
 * and `asyncEnd` as Node's own channels have them. A send that waits, and a receiver that it waits for, end with
 * `asyncEnd`; the others with `end`. Without subscribers next to nothing is done.
 *
 * However often it is called, each is published once, until all that was returned is disposed of. Subscribers get
 * senders, payloads, results and errors as they are: give `redact` where a subscriber must not see them all. What any
 * of several calls hides is hidden.
 *
 * @returns a `Disposable` that stops it.
 * @throws TypeError if an option is unknown or wrong.
 * @example
 * ```ts
 * const published = publishDiagnostics()
 * const heard: string[] = []
 * const listener = (message: unknown) => { heard.push((message as { signal: { name: string } }).signal.name) }
 * subscribe('tracing:tocsin:send:start', listener)
 *
 * new Signal('saved').send('orders')
 * heard // ['saved']
 *
 * unsubscribe('tracing:tocsin:send:start', listener)
 * published[Symbol.dispose]()
 * ```
 */
export function publishDiagnostics(options: DiagnosticsOptions = {}): Disposable {
  const { redact } = parseOptions(options, 'publishDiagnostics()', DIAGNOSTICS, { redact: aFunction });
  const publisher = { redact };
  if (publishers.size === 0) publishing.end = publish();
  publishers.add(publisher);
  return {
    [dispose]: () => {
      if (publishers.delete(publisher) && publishers.size === 0) publishing.end();
    },
  };
}

/** What several calls hide, each in turn. */
function hide(value: unknown, kind: RedactedKind): unknown {
  return [...publishers].reduce((shown, { redact }) => redacted(redact, shown, kind), value);
}

/** Until what it returns is called. */
function publish(): () => void {
  const sends = tracingChannel<unknown, SendMessage>('tocsin:send');
  const receivers = tracingChannel<unknown, ReceiverMessage>('tocsin:receiver');
  const isHeard = (): boolean =>
    [sends, receivers].some((channels) =>
      [channels.start, channels.end, channels.error, channels.asyncStart, channels.asyncEnd].some(
        ({ hasSubscribers }) => hasSubscribers,
      ),
    );

  return observe({
    watch({ signal, sender, args, method }: SendEvent) {
      if (!isHeard()) return undefined;
      const waits = method.endsWith('Async');
      const message: Changing<SendMessage> = {
        signal,
        sender: hide(sender, 'sender'),
        args: hide(args, 'args') as object,
        method,
        parent: current.getStore(),
        waits,
      };
      sends.start.publish(message);
      const finish = (outcome: { readonly result: unknown } | { readonly error: unknown }): void => {
        const failed = Object.hasOwn(outcome, 'error');
        Object.assign(message, outcome);
        if (waits) sends.end.publish(message);
        if (failed) sends.error.publish(message);
        if (waits) sends.asyncStart.publish(message);
        (waits ? sends.asyncEnd : sends.end).publish(message);
      };
      return {
        call(receiver, invoke) {
          const called: Changing<ReceiverMessage> = { receiver, parent: message, waits: false };
          const fail = (error: unknown): void => {
            called.error = hide(error, 'error');
            receivers.error.publish(called);
          };
          receivers.start.publish(called);
          let response: unknown;
          try {
            response = current.run(called, invoke);
          } catch (error) {
            fail(error);
            receivers.end.publish(called);
            throw error;
          }
          called.waits = waits && isPromise(response);
          if (!called.waits) called.result = hide(response, 'result');
          receivers.end.publish(called);
          if (waits && isPromise(response)) {
            const settled = (): void => {
              receivers.asyncStart.publish(called);
              receivers.asyncEnd.publish(called);
            };
            response.then(
              (result) => {
                called.result = hide(result, 'result');
                settled();
              },
              (error: unknown) => {
                fail(error);
                settled();
              },
            );
          }
          return response;
        },
        returned: (result) => {
          finish({ result: hide(result, 'result') });
        },
        threw: (error) => {
          finish({ error: hide(error, 'error') });
        },
      };
    },
  });
}
