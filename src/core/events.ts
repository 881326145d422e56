import { describe } from './describe.ts';
import { asyncDispose } from './dispose.ts';
import type { ArgsOf, SenderOf } from './decorator-types.ts';
import { parseOptions, type Rule, RULES } from './options.ts';
import { shared } from './shared.ts';
import { registry } from './registry.ts';
import { isSignal } from './signal.ts';
import type { AbortSignalLike, AnyFunction, AnySignal, Connection } from './types.ts';

/** Options of `once()`. */
export interface OnceOptions<TSender = unknown, TEvent extends readonly unknown[] = readonly unknown[]> {
  /** Only sends from this value; `null`, or leave it out, for every sender. */
  readonly sender?: TSender;
  /** Aborting rejects with an `AbortError`. */
  readonly signal?: AbortSignalLike;
  /**
   * Only a send for which this is truthy: `(sender, args, signal) => …`, called within each send until then. What it
   * throws rejects the promise, and the sender never sees it.
   */
  readonly predicate?: (...event: TEvent) => unknown;
}

/** Options of `on()`. */
export interface OnOptions<TSender = unknown> extends Omit<OnceOptions<TSender>, 'predicate'> {
  /**
   * How many sends may wait to be read, a positive integer. Default: any number. One more ends the iterator with an
   * error.
   */
  readonly highWaterMark?: number;
}

/** What `on()` returns. */
export interface SignalIterator<TEvent> extends AsyncIterableIterator<TEvent>, AsyncDisposable {
  next(): Promise<IteratorResult<TEvent, undefined>>;
  return(): Promise<IteratorResult<TEvent, undefined>>;
  /** As in `node:events`: what is buffered can still be read, and the read after it rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<TEvent, undefined>>;
  [Symbol.asyncIterator](): this;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The receivers behind `once()` and `on()`: they only wait and do nothing that a mute could be meant for. */
export const waiters: WeakSet<AnyFunction> = /* @__PURE__ */ shared('waiters', () => new WeakSet());

type EventOf<TSignal extends AnySignal, TSender> = [sender: TSender, args: ArgsOf<TSignal, TSender>];

/** Of one of several signals: for each, its own types. */
type EventOfAny<TSignal extends AnySignal, TSender = never> = TSignal extends AnySignal
  ? [...EventOf<TSignal, [TSender] extends [never] ? SenderOf<TSignal> : TSender>, signal: TSignal]
  : never;

/**
 * Wait for the next send, of one signal or of whichever of several is sent first. It hears a send after all receivers
 * that were connected before it, and though they are muted, and disconnects then.
 *
 * @returns a promise of `[sender, args]`; of several signals, of `[sender, args, signal]`. It stays pending, and the
 * waiting costs nothing, if the sender is collected first.
 * @throws (as a rejection) an `AbortError` whose `cause` is the reason if `options.signal` aborts or has aborted; what
 * the predicate throws; a `TypeError` for wrong arguments. Nothing stays connected then.
 * @example
 * ```ts
 * const ready = new Signal<{ port: number }>('ready')
 * const failed = new Signal<{ port: number }>('failed')
 * setTimeout(() => ready.send('server', { port: 80 }))
 * setTimeout(() => ready.send('server', { port: 8080 }))
 *
 * const [sender, { port }, signal] = await once([ready, failed], {
 *   predicate: (sender, { port }) => port > 1024,
 * })
 * port // 8080
 * signal === ready // true
 * ```
 */
export function once<TSignal extends AnySignal, TSender extends SenderOf<TSignal>>(
  signal: TSignal,
  options: OnceOptions<unknown, EventOfAny<TSignal, TSender>> & { readonly sender: TSender & NonNullable<unknown> },
): Promise<EventOf<TSignal, TSender>>;
export function once<TSignal extends AnySignal>(
  signal: TSignal,
  options?: OnceOptions<unknown, EventOfAny<TSignal>> & { readonly sender?: null },
): Promise<EventOf<TSignal, SenderOf<TSignal>>>;
export function once<TSignal extends AnySignal, TSender extends SenderOf<TSignal>>(
  signals: readonly TSignal[],
  options: OnceOptions<unknown, EventOfAny<TSignal, TSender>> & { readonly sender: TSender & NonNullable<unknown> },
): Promise<EventOfAny<TSignal, TSender>>;
export function once<TSignal extends AnySignal>(
  signals: readonly TSignal[],
  options?: OnceOptions<unknown, EventOfAny<TSignal>> & { readonly sender?: null },
): Promise<EventOfAny<TSignal>>;
export function once(given: unknown, options?: unknown): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const signals = listOf(given);
    const { sender = null, signal: abortSignal, predicate } = parse(signals, options, 'once()');
    if (abortSignal?.aborted === true) throw abortError(abortSignal);
    const connections: Connection[] = [];
    const finish = (): void => {
      stop();
      for (const connection of connections) connection.disconnect();
    };
    const receive = (from: unknown, args: unknown, signal: unknown): void => {
      try {
        if (predicate !== undefined && !predicate(from, args, signal)) return;
        resolve(signals === given ? [from, args, signal] : [from, args]);
      } catch (error) {
        reject(error);
      }
      finish();
    };
    const stop = whenAborted(abortSignal, () => {
      finish();
      reject(abortError(abortSignal));
    });
    waiters.add(receive);
    for (const signal of signals) connections.push(signal.connect(receive, { sender }));
  });
}

/**
 * Read the sends of a signal one by one, at the reader's pace: `for await (const [sender, args] of on(signal))`. It
 * listens from this call on, buffering what is not read yet, and stops when the loop is left by `break`, `return` or a
 * throw, or by `await using`.
 *
 * The connection is owned by the iterator: one that is dropped without being left is collected, and disconnected then.
 * One that somebody waits on is not.
 *
 * When `options.signal` aborts, or more than `highWaterMark` sends wait, what is buffered can still be read; the next
 * read rejects, and then the iterator is done.
 *
 * @throws an `AbortError` if `options.signal` has already aborted; a `TypeError` for wrong arguments.
 * @example
 * ```ts
 * const ticked = new Signal<{ count: number }>('ticked')
 * const ticks = on(ticked)
 * ticked.send('clock', { count: 1 })
 * for await (const [sender, { count }] of ticks) {
 *   console.log(count) // 1
 *   break // disconnects
 * }
 * ticked.hasListeners() // false
 * ```
 */
export function on<TSignal extends AnySignal, TSender extends SenderOf<TSignal>>(
  signal: TSignal,
  options: OnOptions & { readonly sender: TSender & NonNullable<unknown> },
): SignalIterator<EventOf<TSignal, TSender>>;
export function on<TSignal extends AnySignal>(
  signal: TSignal,
  options?: OnOptions & { readonly sender?: null },
): SignalIterator<EventOf<TSignal, SenderOf<TSignal>>>;
export function on(signal: unknown, options?: unknown): unknown {
  const parsed = parse([signal], options, 'on()');
  if (parsed.signal?.aborted === true) throw abortError(parsed.signal);
  return bufferedIterator(signal as AnySignal, parsed);
}

type Event = [sender: unknown, args: unknown];
type Result = IteratorResult<Event, undefined>;

interface Waiter {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** First in, first out, each in constant time on average: `shift()` of a long array moves all that is left. */
class Queue<T> {
  private incoming: T[] = [];
  private outgoing: T[] = [];

  get size(): number {
    return this.incoming.length + this.outgoing.length;
  }

  push(item: T): void {
    this.incoming.push(item);
  }

  shift(): T | undefined {
    if (this.outgoing.length === 0) {
      this.outgoing = this.incoming.reverse();
      this.incoming = [];
    }
    return this.outgoing.pop();
  }
}

/**
 * What the connected receiver writes to and the iterator reads from; apart from the iterator, so that this can be
 * collected.
 */
class Buffer {
  events = new Queue<Event>();
  readonly waiters = new Queue<Waiter>();
  /** Set when reading ends with an error; taken out when it has been read. */
  failure: { readonly error: unknown } | undefined = undefined;
  closed = false;
  private release: () => void = () => undefined;

  whenClosed(release: () => void): void {
    this.release = release;
  }

  push(event: Event, highWaterMark: number): void {
    const waiter = this.waiters.shift();
    if (waiter !== undefined) waiter.resolve({ value: event, done: false });
    else if (this.events.size < highWaterMark) this.events.push(event);
    else
      this.close(
        new RangeError(
          `More than ${String(highWaterMark)} sends wait to be read (highWaterMark). Read faster, or raise it.`,
        ),
      );
  }

  close(error?: unknown): void {
    if (this.closed) return;
    this.closed = true;
    this.release();
    if (error !== undefined) {
      const waiter = this.waiters.shift();
      if (waiter === undefined) this.failure = { error };
      else waiter.reject(error);
    }
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift())
      waiter.resolve({ value: undefined, done: true });
  }
}

/**
 * A waiting iterator must not be collected: whoever awaits it may be reachable through it alone. It is tied to its
 * connection, which the signal holds as long as a send could still end the waiting.
 */
const waiting = new WeakMap<Connection, object>();

/** An object of closures, and not of a class, so that bundlers can leave it out of apps that do not call `on()`. */
function bufferedIterator(
  signal: AnySignal,
  { sender = null, signal: abortSignal, highWaterMark }: typeof ON,
): SignalIterator<Event> {
  const buffer = new Buffer();
  const iterator: SignalIterator<Event> = {
    next(): Promise<Result> {
      const event = buffer.events.shift();
      if (event !== undefined) return Promise.resolve({ value: event, done: false });
      if (buffer.failure !== undefined) {
        const { error } = buffer.failure;
        buffer.failure = undefined;
        return Promise.reject(error);
      }
      if (buffer.closed) return Promise.resolve({ value: undefined, done: true });
      waiting.set(connection, this);
      return new Promise((resolve, reject) => {
        buffer.waiters.push({ resolve, reject });
      }).finally(() => {
        if (buffer.waiters.size === 0) waiting.delete(connection);
      }) as Promise<Result>;
    },
    return(): Promise<Result> {
      buffer.close();
      buffer.events = new Queue();
      buffer.failure = undefined;
      return Promise.resolve({ value: undefined, done: true });
    },
    throw(error?: unknown): Promise<Result> {
      buffer.close(error);
      return Promise.resolve({ value: undefined, done: true });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [asyncDispose](): Promise<void> {
      await this.return();
    },
  };
  const receive = (from: unknown, args: unknown): void => {
    buffer.push([from, args], highWaterMark);
  };
  waiters.add(receive);
  const connection = signal.connect(receive, { sender, owner: iterator });
  const abort = listenWeakly(abortSignal, buffer);
  buffer.whenClosed(() => {
    connection.disconnect();
    waiting.delete(connection);
    abort();
  });
  return iterator;
}

/** Close the buffer on abort, without the AbortSignal keeping it alive. Returns what ends that. */
function listenWeakly(abortSignal: AbortSignalLike | undefined, buffer: Buffer): () => void {
  const reference = new WeakRef(buffer);
  const stop = whenAborted(abortSignal, () => {
    reference.deref()?.close(abortError(abortSignal));
  });
  if (abortSignal !== undefined) collectedBuffers.register(buffer, stop);
  return stop;
}

const collectedBuffers = /* @__PURE__ */ new FinalizationRegistry<() => void>((stop) => {
  stop();
});

/** What waits for one AbortSignal, behind a single listener: each would look through all that are there. */
interface Aborting {
  readonly waiting: Set<() => void>;
  readonly abort: () => void;
}

const abortings = /* @__PURE__ */ new WeakMap<AbortSignalLike, Aborting>();

/** Do something when an AbortSignal aborts. Returns what ends that; nothing is left on the AbortSignal then. */
function whenAborted(abortSignal: AbortSignalLike | undefined, act: () => void): () => void {
  if (abortSignal === undefined) return () => undefined;
  let aborting = abortings.get(abortSignal);
  if (aborting === undefined) {
    const waiting = new Set<() => void>();
    const abort = (): void => {
      for (const each of waiting) each();
    };
    abortings.set(abortSignal, (aborting = { waiting, abort }));
  }
  const { waiting, abort } = aborting;
  if (waiting.size === 0) abortSignal.addEventListener('abort', abort, { once: true });
  waiting.add(act);
  return () => {
    if (waiting.delete(act) && waiting.size === 0) abortSignal.removeEventListener('abort', abort);
  };
}

const ON = { sender: undefined as unknown, signal: undefined as AbortSignalLike | undefined, highWaterMark: Infinity };
const ONCE = {
  sender: undefined as unknown,
  signal: undefined as AbortSignalLike | undefined,
  predicate: undefined as ((...event: unknown[]) => unknown) | undefined,
};
/** How many sends may wait. */
const highWaterMark: Rule = (value = Infinity) =>
  value !== Infinity && !(Number.isInteger(value) && (value as number) > 0) && 'must be a positive integer, not %';

const predicate: Rule = (value) =>
  value !== undefined && typeof value !== 'function' && 'must be a function (sender, args, signal) => …, not %';

function parse(signals: readonly unknown[], options: unknown, method: 'once()' | 'on()'): typeof ON & typeof ONCE {
  const defaults = method === 'on()' ? ON : ONCE;
  const parsed = { ...ON, ...ONCE, ...parseOptions(options, method, defaults, { ...RULES, highWaterMark, predicate }) };
  for (const signal of signals) {
    if (!isSignal(signal)) throw new TypeError(`${method} takes a signal, not ${describe(signal)}`);
    // all of them before the first is touched
    signal[registry].check(undefined, { sender: parsed.sender ?? null });
  }
  return parsed;
}

/** One signal, or several. */
function listOf(given: unknown): readonly AnySignal[] {
  if (!Array.isArray(given)) return [given as AnySignal];
  if (given.length === 0) throw new TypeError('once() needs at least one signal; the list is empty');
  return given as AnySignal[];
}

/** What `node:events` rejects with, too. */
function abortError(abortSignal: AbortSignalLike | undefined): Error {
  const error = new Error('The operation was aborted', { cause: abortSignal?.reason });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}
