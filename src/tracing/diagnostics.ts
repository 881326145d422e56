import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { isPromise } from '../core/describe.ts';
import { dispose } from '../core/dispose.ts';
import { observe, type SendEvent, type SendMethod } from '../core/observe.ts';
import type { AnyFunction, AnySignal } from '../core/types.ts';

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

const current = new AsyncLocalStorage<ReceiverMessage>();

/**
 * Publish sends and receivers on `node:diagnostics_channel`, for tools that watch applications:
 * `tracingChannel('tocsin:send')` and `tracingChannel('tocsin:receiver')`, with `start`, `end`, `error`, `asyncStart`
 * and `asyncEnd` as Node's own channels have them. A send that waits, and a receiver that it waits for, end with
 * `asyncEnd`; the others with `end`. Without subscribers next to nothing is done.
 *
 * @returns a `Disposable` that stops it.
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
export function publishDiagnostics(): Disposable {
  const sends = tracingChannel<unknown, SendMessage>('tocsin:send');
  const receivers = tracingChannel<unknown, ReceiverMessage>('tocsin:receiver');
  const isHeard = (): boolean =>
    [sends, receivers].some((channels) =>
      [channels.start, channels.end, channels.error, channels.asyncStart, channels.asyncEnd].some(
        ({ hasSubscribers }) => hasSubscribers,
      ),
    );

  const end = observe({
    watch({ signal, sender, args, method }: SendEvent) {
      if (!isHeard()) return undefined;
      const waits = method.endsWith('Async');
      const message: Changing<SendMessage> = { signal, sender, args, method, parent: current.getStore(), waits };
      sends.start.publish(message);
      const finish = (outcome: { readonly result: unknown } | { readonly error: unknown }): void => {
        Object.assign(message, outcome);
        if (waits) sends.end.publish(message);
        if ('error' in outcome) sends.error.publish(message);
        if (waits) sends.asyncStart.publish(message);
        (waits ? sends.asyncEnd : sends.end).publish(message);
      };
      return {
        call(receiver, invoke) {
          const called: Changing<ReceiverMessage> = { receiver, parent: message, waits: false };
          const fail = (error: unknown): void => {
            called.error = error;
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
          if (!called.waits) called.result = response;
          receivers.end.publish(called);
          if (waits && isPromise(response)) {
            const settled = (): void => {
              receivers.asyncStart.publish(called);
              receivers.asyncEnd.publish(called);
            };
            response.then(
              (result) => {
                called.result = result;
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
          finish({ result });
        },
        threw: (error) => {
          finish({ error });
        },
      };
    },
  });
  return { [dispose]: end };
}
