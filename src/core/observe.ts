import { isPromise } from './describe.ts';
import { shared } from './shared.ts';
import { type Following, type SendEvent, type SkipReason, type Tools, tools } from './tools.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

export type { SendEvent, SendMethod, SkipReason } from './tools.ts';

/** What follows one send. Whatever it throws is its own affair and never reaches the app. */
export interface Watch {
  /** A receiver is called: `invoke` does that, and must be called once, here. What is returned is what it answers. */
  call?(receiver: AnyFunction, invoke: () => unknown): unknown;
  /** A receiver is not called, or no more. It is undefined if it has been collected. */
  skip?(receiver: AnyFunction | undefined, reason: SkipReason): void;
  /** The send is over, with what it returned or resolved to. */
  returned?(responses: readonly (readonly [AnyFunction, unknown])[]): void;
  /** The send is over, with what it threw or was rejected with. */
  threw?(error: unknown): void;
}

/** A tool that looks at every send of the process: a recording, a trace, something that is muted. */
export interface Observer {
  watch?(event: SendEvent): Watch | undefined;
  /** Whether it is to count as a listener: an adapter does not send a model signal that nobody hears. */
  hears?(signal: AnySignal, sender: unknown): boolean;
  mutes?(signal: AnySignal, sender: unknown, receiver: AnyFunction): boolean;
  /** A receiver was connected. */
  connected?(connection: Connection): void;
}

/** The tools at work. */
const observers: Observer[] = /* @__PURE__ */ shared('observers', () => []);

/** Take an observer to work; returns what ends that. */
export function observe(observer: Observer): () => void {
  observers.push(observer);
  tools.current ??= all;
  return () => {
    const index = observers.indexOf(observer);
    if (index >= 0) observers.splice(index, 1);
    if (observers.length === 0) tools.current = undefined;
  };
}

/** All of them as one. */
const all: Tools = {
  follow(event, send) {
    const following = new Watches(event);
    const succeed = <T>(responses: T): T => {
      following.returned(responses as never);
      return responses;
    };
    const fail = (error: unknown): never => {
      following.threw(error);
      throw error;
    };
    try {
      const responses = send(following);
      return isPromise(responses) ? (responses.then(succeed, fail) as typeof responses) : succeed(responses);
    } catch (error) {
      return fail(error);
    }
  },
  hears: (signal, sender) => observers.some((observer) => safely(() => observer.hears?.(signal, sender)) === true),
  connected(connection) {
    for (const observer of observers)
      safely(() => {
        observer.connected?.(connection);
      });
  },
};

/** Everything that follows one send. */
class Watches implements Following {
  private readonly event: SendEvent;
  private readonly watches: readonly Watch[];

  constructor(event: SendEvent) {
    this.event = event;
    this.watches = observers.flatMap((observer) => safely(() => observer.watch?.(event)) ?? []);
  }

  isMuted(receiver: AnyFunction): boolean {
    const { signal, sender } = this.event;
    return observers.some((observer) => safely(() => observer.mutes?.(signal, sender, receiver)) === true);
  }

  skip(receiver: AnyFunction | undefined, reason: SkipReason): void {
    for (const watch of this.watches) safely(() => watch.skip?.(receiver, reason));
  }

  call(receiver: AnyFunction, invoke: () => unknown): unknown {
    return this.watches.reduceRight<() => unknown>(
      (inner, watch) => () => callSafely(watch, receiver, inner),
      invoke,
    )();
  }

  returned(responses: readonly (readonly [AnyFunction, unknown])[]): void {
    for (const watch of this.watches) safely(() => watch.returned?.(responses));
  }

  threw(error: unknown): void {
    for (const watch of this.watches) safely(() => watch.threw?.(error));
  }
}

/** Let a watch do the call. If the watch itself fails, the app gets what the receiver returned or threw. */
function callSafely(watch: Watch, receiver: AnyFunction, invoke: () => unknown): unknown {
  if (watch.call === undefined) return invoke();
  let outcome: { readonly threw: boolean; readonly value: unknown } | undefined;
  const noted = (): unknown => {
    try {
      const value = invoke();
      outcome = { threw: false, value };
      return value;
    } catch (error) {
      outcome = { threw: true, value: error };
      throw error;
    }
  };
  try {
    return watch.call(receiver, noted);
  } catch {
    // its own throw, or that of the receiver, which is the app's
    if (outcome === undefined) return invoke();
    if (outcome.threw) throw outcome.value;
    return outcome.value;
  }
}

function safely<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
