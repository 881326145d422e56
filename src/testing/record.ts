import type { ArgsOf, SenderOf } from '../core/decorator-types.ts';
import { describe, signalName } from '../core/describe.ts';
import { dispose } from '../core/dispose.ts';
import { observe, type SendEvent, type SendMethod, type Watch } from '../core/observe.ts';
import { parseOptions } from '../core/options.ts';
import { shared } from '../core/shared.ts';
import type { AnyFunction, AnySignal } from '../core/types.ts';
import { signalsOf } from './signals.ts';

/** A send that was recorded. */
export interface RecordedSend<TSignal extends AnySignal = AnySignal> {
  readonly signal: TSignal;
  readonly sender: SenderOf<TSignal>;
  /** The payload, by identity. */
  readonly args: ArgsOf<TSignal, unknown>;
  readonly method: SendMethod;
  /** What the send returned or resolved to; undefined until it does, and if it threw. */
  readonly responses: readonly (readonly [AnyFunction, unknown])[] | undefined;
  /** What the send threw or was rejected with. */
  readonly error: unknown;
}

/** Options of `record()`. */
export interface RecordOptions {
  /** Only sends from this value; `null`, or leave it out, for every sender. */
  readonly sender?: unknown;
}

/** Options of `Recording.next()`. */
export interface NextOptions {
  /** How many milliseconds to wait. Default 1000. */
  readonly timeout?: number;
}

/** What `record()` returns. */
export interface Recording<TSignal extends AnySignal = AnySignal> extends Disposable {
  readonly signals: readonly AnySignal[];
  /** The sends so far, in the order in which they began. */
  readonly sends: readonly RecordedSend<TSignal>[];
  readonly last: RecordedSend<TSignal> | undefined;
  readonly count: number;
  /**
   * The next send that begins from now on.
   *
   * @throws (as a rejection) an Error after the timeout, and when the recording ends.
   */
  next(options?: NextOptions): Promise<RecordedSend<TSignal>>;
}

/** The recordings that go on, the latest last. */
export const recordings: Recording[] = shared('recordings', () => []);

/**
 * Record what is sent, until the recording is disposed of. Who is called, and what they return or throw, stays as it
 * is.
 *
 * While a signal is recorded it counts as heard, so that an ORM's adapter sends it though no receiver is connected.
 * Recordings are independent of each other.
 *
 * @throws TypeError if it is no signal, or an option is unknown or `sender: undefined`.
 * @example
 * ```ts
 * class User { email = 'ada@example.org' }
 * const recording = record(postSave, { sender: User })
 *
 * postSave.send(User, { instance: new User(), created: true })
 *
 * recording.count // 1
 * recording.last?.args.created // true
 * recording[Symbol.dispose]()
 * ```
 */
export function record<TSignal extends AnySignal>(
  signals: TSignal | readonly TSignal[],
  options: RecordOptions = {},
): Recording<TSignal> {
  const recorded = new Recorder(
    signalsOf(signals, 'record()'),
    parseOptions(options, 'record()', RECORD).sender ?? undefined,
  );
  recordings.push(recorded);
  return recorded as unknown as Recording<TSignal>;
}

const RECORD = { sender: undefined as unknown };

type Changing<T> = { -readonly [K in keyof T]: T[K] };

interface Waiter {
  readonly resolve: (send: RecordedSend) => void;
  readonly reject: (error: Error) => void;
}

class Recorder implements Recording {
  readonly signals: readonly AnySignal[];
  readonly sends: RecordedSend[] = [];
  private readonly end: () => void;
  private readonly waiting = new Set<Waiter>();

  constructor(signals: readonly AnySignal[], sender: unknown) {
    this.signals = signals;
    const concerns = (signal: AnySignal, from: unknown): boolean =>
      signals.includes(signal) && (sender === undefined || Object.is(sender, from));
    this.end = observe({
      hears: concerns,
      watch: (event) => (concerns(event.signal, event.sender) ? this.begin(event) : undefined),
    });
  }

  get last(): RecordedSend | undefined {
    return this.sends.at(-1);
  }

  get count(): number {
    return this.sends.length;
  }

  next({ timeout = 1000 }: NextOptions = {}): Promise<RecordedSend> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
      };
      const waiter = {
        resolve: (send: RecordedSend) => {
          finish();
          resolve(send);
        },
        reject: (error: Error) => {
          finish();
          reject(error);
        },
      };
      const names = this.signals.map(signalName).join(', ');
      const timer = setTimeout(() => {
        waiter.reject(
          new Error(
            `${names} was not sent within ${String(timeout)} ms${this.count === 0 ? '' : `; before, it was sent ${String(this.count)} times, the last time by ${describe(this.last?.sender)}`}`,
          ),
        );
      }, timeout);
      this.waiting.add(waiter);
    });
  }

  [dispose](): void {
    this.end();
    const index = recordings.indexOf(this);
    if (index >= 0) recordings.splice(index, 1);
    for (const { reject } of [...this.waiting]) reject(new Error('The recording has ended'));
  }

  private begin({ signal, sender, args, method }: SendEvent): Watch {
    const send: Changing<RecordedSend> = {
      signal,
      sender,
      args: args as never,
      method,
      responses: undefined,
      error: undefined,
    };
    this.sends.push(send);
    for (const { resolve } of [...this.waiting]) resolve(send);
    return {
      returned: (responses) => void (send.responses = responses),
      threw: (error) => void (send.error = error),
    };
  }
}
