import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, isPromise, nameOf, signalName } from '../core/describe.ts';
import { observe, type SendEvent, type SendMethod, type Watch } from '../core/observe.ts';
import { begun, isThenable } from '../core/thenable.ts';
import type { AnyFunction } from '../core/types.ts';
import { nameOfSender } from './inspect.ts';
import { type Redact, redacted } from './redact.ts';

/** What happened while a function ran. */
export interface Trace {
  readonly kind: 'trace';
  /** The sends that no receiver caused, in the order in which they began. */
  readonly sends: readonly TracedSend[];
  /** Milliseconds. */
  readonly duration: number;
}

/** One send, and whom it called. */
export interface TracedSend {
  readonly signal: string;
  readonly sender: string;
  readonly method: SendMethod;
  /** Milliseconds since the trace began. */
  readonly start: number;
  /** Undefined if it had not ended when the trace did. */
  readonly duration: number | undefined;
  /** In order, with those that were not called. */
  readonly receivers: readonly TracedCall[];
  /** What it threw or was rejected with, for people. */
  readonly error: string | undefined;
}

/**
 * What became of a receiver in a send: `returned`, `threw`; `running`: had not ended with the trace; `muted` by a test;
 * `ended`: disconnected or collected before its turn; `waiting for the commit`: its transaction was still open when the
 * trace ended; `dropped by a rollback`: that, or the savepoint, rolled back.
 */
export type CallState =
  'returned' | 'threw' | 'running' | 'muted' | 'ended' | 'waiting for the commit' | 'dropped by a rollback';

/** One receiver in a send. */
export interface TracedCall {
  readonly receiver: string;
  readonly state: CallState;
  /** Whether it was called after the commit. */
  readonly afterCommit: boolean;
  readonly start: number;
  readonly duration: number | undefined;
  /** What it returned: nothing, a value, or a promise. */
  readonly response: 'nothing' | 'value' | 'promise' | undefined;
  readonly error: string | undefined;
  /** The sends that it caused. */
  readonly sends: readonly TracedSend[];
}

/** Options of `trace()`. */
export interface TraceOptions {
  /** Gets the trace also if `run` throws or rejects. */
  readonly done?: (trace: Trace) => void;
  /** What to show in place of senders and errors, which may be data. Names of signals and receivers are code. */
  readonly redact?: Redact;
}

/** What `trace()` returns. */
export interface Traced<T> {
  readonly result: T;
  readonly trace: Trace;
}

type Changing<T> = { -readonly [K in keyof T]: T[K] };
type Call = Changing<TracedCall> & { sends: TracedSend[] };
/** Where the current code runs: in a trace, perhaps in a receiver. */
interface Context {
  readonly began: number;
  readonly sends: TracedSend[];
  readonly redact: Redact | undefined;
}

const contexts = new AsyncLocalStorage<Context>();
let traces = 0;
let stop = (): void => undefined;

/**
 * Run a function and see what its sends did: who was called, in which order, by which send, how long it took, what it
 * threw, and who was not called and why. Sends inside receivers stand under the receiver that caused them, also across
 * awaits; what else goes on in the process, such as another request, is not in it, and neither is a trace inside this
 * one: that is its own.
 *
 * @returns the result of `run` with the trace; a promise of both if `run` returns one.
 * @throws whatever `run` throws; `done` gets the trace then. TypeError if it is no function.
 * @example
 * ```ts
 * const ordered = new Signal('ordered')
 * const mailed = new Signal('mailed')
 * ordered.connect(function sendMail() { mailed.send('mailer') })
 *
 * const { trace: { sends } } = trace(() => ordered.send('shop'))
 * sends[0].signal // 'ordered'
 * sends[0].receivers[0].receiver // 'sendMail'
 * sends[0].receivers[0].sends[0].signal // 'mailed'
 * ```
 */
export function trace<T>(run: () => Promise<T>, options?: TraceOptions): Promise<Traced<T>>;
export function trace<T>(run: () => T, options?: TraceOptions): Traced<T>;
export function trace(run: () => unknown, { done, redact }: TraceOptions = {}): unknown {
  if (typeof run !== 'function') throw new TypeError(`trace() runs a function, not ${describe(run)}`);
  const context: Context = { began: performance.now(), sends: [], redact };
  if (traces++ === 0) stop = observe({ watch: (event) => watch(event, contexts.getStore()) });
  const finish = (): Trace => {
    if (--traces === 0) stop();
    // a copy: what goes on in the background changes a trace no more
    const ended: Trace = {
      kind: 'trace',
      sends: copyOf(context.sends),
      duration: performance.now() - context.began,
    };
    done?.(ended);
    return ended;
  };
  let result: unknown;
  try {
    result = contexts.run(context, run);
  } catch (error) {
    finish();
    throw error;
  }
  if (!isThenable(result)) return { result, trace: finish() };
  return contexts
    .run(context, () => begun(result))
    .then(
      (value) => ({ result: value, trace: finish() }),
      (error: unknown) => {
        finish();
        throw error;
      },
    );
}

function watch({ signal, sender, method }: SendEvent, context: Context | undefined): Watch | undefined {
  if (context === undefined) return undefined;
  const { began, redact } = context;
  const messageOf = (reason: unknown): string => textOf(redacted(redact, reason, 'error'));
  const now = (): number => performance.now() - began;
  const receivers: TracedCall[] = [];
  /** The calls that were put off, by their receivers. */
  const waiting = new Map<AnyFunction, Call>();
  const send: Changing<TracedSend> = {
    signal: signalName(signal),
    sender: nameOfSender(redacted(redact, sender, 'sender')),
    method,
    start: now(),
    duration: undefined,
    receivers,
    error: undefined,
  };
  context.sends.push(send);
  const add = (receiver: AnyFunction | undefined, state: CallState): Call => {
    const call: Call = {
      receiver: receiver === undefined ? '(gone)' : nameOf(receiver),
      state,
      afterCommit: false,
      start: now(),
      duration: undefined,
      response: undefined,
      error: undefined,
      sends: [],
    };
    receivers.push(call);
    return call;
  };
  const end = (error?: { readonly reason: unknown }): void => {
    send.duration = now() - send.start;
    if (error !== undefined) send.error = messageOf(error.reason);
  };
  return {
    call(receiver, invoke) {
      const putOff = waiting.get(receiver);
      waiting.delete(receiver);
      const call = putOff ?? add(receiver, 'running');
      if (putOff !== undefined) Object.assign(call, { state: 'running', afterCommit: true, start: now() });
      const settle = (state: CallState, error?: { readonly reason: unknown }): void => {
        call.state = state;
        call.duration = now() - call.start;
        if (error !== undefined) call.error = messageOf(error.reason);
      };
      let response: unknown;
      try {
        response = contexts.run({ ...context, sends: call.sends }, invoke);
      } catch (reason) {
        settle('threw', { reason });
        throw reason;
      }
      // what is awaited anyway is begun here: a query may only begin when it is
      if (isThenable(response) && !isPromise(response) && method.endsWith('Async'))
        response = contexts.run({ ...context, sends: call.sends }, begun, response);
      call.response = response === undefined ? 'nothing' : isPromise(response) ? 'promise' : 'value';
      // the promises that send() hands back untouched are their callers' affair, and so are their rejections
      if (!isPromise(response) || method === 'send') settle('returned');
      else
        response.then(
          () => {
            settle('returned');
          },
          (reason: unknown) => {
            settle('threw', { reason });
          },
        );
      return response;
    },
    skip(receiver, reason) {
      const putOff = receiver && waiting.get(receiver);
      if (putOff !== undefined && reason === 'dropped by a rollback') {
        putOff.state = reason;
        return;
      }
      const call = add(receiver, reason);
      if (reason === 'waiting for the commit' && receiver !== undefined) waiting.set(receiver, call);
    },
    returned: () => {
      end();
    },
    threw: (reason) => {
      end({ reason });
    },
  };
}

/** Texts of errors may hold whole statements and files. */
const MOST_OF_AN_ERROR = 2000;

function textOf(reason: unknown): string {
  try {
    const text = String(reason);
    if (text.length <= MOST_OF_AN_ERROR) return text;
    return `${text.slice(0, MOST_OF_AN_ERROR)}… (${String(text.length)} characters)`;
  } catch {
    return 'an unreadable error';
  }
}

/** In place of structuredClone(), which jsdom has not. */
function copyOf(sends: readonly TracedSend[]): TracedSend[] {
  return sends.map((send) => ({
    ...send,
    receivers: send.receivers.map((call) => ({ ...call, sends: copyOf(call.sends) })),
  }));
}
