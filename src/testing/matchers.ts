/**
 * Matchers for vitest and jest.
 *
 * ```ts skipped: for a test
 * import { matchers } from 'tocsin/testing/matchers'
 *
 * expect.extend(matchers)
 *
 * declare module 'vitest' {   // for jest: namespace jest in declare global
 *   interface Matchers<T> extends SignalMatchers<T> {}
 * }
 * ```
 */
import { describe, signalName } from '../core/describe.ts';
import { entries, unknownOption } from '../core/options.ts';
import { isSignal } from '../core/signal.ts';
import { type RecordedSend, type Recording, recordings } from './record.ts';

/** What a send is expected to be. */
export interface ExpectedSend {
  readonly sender?: unknown;
  /** Exactly as often. Default: at least once. */
  readonly times?: number;
  /**
   * What the payload holds, among other things; with the asymmetric matchers of the test runner where they are wanted.
   */
  readonly with?: object;
}

/** The types of the matchers, to be added to those of the test runner. */
export interface SignalMatchers<R = unknown> {
  /** Whether a signal was sent since it is recorded, or within a recording. */
  toHaveBeenSent(expected?: ExpectedSend): R;
}

/** What test runners give a matcher as `this`. */
interface MatcherContext {
  equals(actual: unknown, expected: unknown): boolean;
}
interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/**
 * `expect.extend(matchers)` adds `toHaveBeenSent()`. It is asked of a signal that is being recorded (`record()`), or of
 * a recording; its failure names what was sent that comes nearest, and what differs.
 *
 * @throws TypeError if it is asked of anything else, or an option is unknown; Error if the signal is not being
 * recorded.
 * @example
 * ```ts
 * const saved = new Signal<{ id: number }>('saved')
 * const recording = record(saved)
 * saved.send('orders', { id: 7 })
 *
 * const context = { equals: Object.is } // in a test, the test runner's
 * matchers.toHaveBeenSent.call(context, recording, { sender: 'orders', with: { id: 7 } }).pass // true
 * const { message } = matchers.toHaveBeenSent.call(context, recording, { with: { id: 8 } })
 * message() // 'saved was not sent as expected.\n  the nearest of 1 sends: id is 7, not 8'
 * ```
 */
export const matchers: {
  toHaveBeenSent(this: MatcherContext, received: unknown, expected?: ExpectedSend): MatcherResult;
} = {
  toHaveBeenSent(received, expected = {}) {
    for (const [key] of entries(expected, 'toHaveBeenSent()')) {
      if (key !== 'sender' && key !== 'times' && key !== 'with')
        throw unknownOption(key, 'toHaveBeenSent()', ['sender', 'times', 'with']);
    }
    const { sends, name } = sendsOf(received);
    const { times } = expected;
    const differences = sends.map((send) => differencesOf(send, expected, (one, other) => this.equals(one, other)));
    const matching = differences.filter(({ length }) => length === 0).length;
    const pass = times === undefined ? matching > 0 : matching === times;
    return {
      pass,
      message: () => {
        const wanted = [
          times === undefined ? '' : `${String(times)} times`,
          matching > 0 || times !== undefined
            ? `${String(matching)} of ${String(sends.length)} sends are as described`
            : '',
        ];
        if (pass) return `${name} was sent as it was not to be: ${wanted.filter(Boolean).join('; ')}`;
        const [nearest] = differences.sort((one, other) => one.length - other.length);
        const reason =
          nearest === undefined
            ? 'it was not sent at all'
            : nearest.length === 0
              ? wanted.filter(Boolean).join(' expected, ')
              : `the nearest of ${String(sends.length)} sends: ${nearest.join('; ')}`;
        return `${name} was not sent as expected.\n  ${reason}`;
      },
    };
  },
};

function sendsOf(received: unknown): { sends: readonly RecordedSend[]; name: string } {
  const own = recordings.find((each) => each === received);
  if (own !== undefined || isRecording(received)) {
    const { sends, signals } = (own ?? received) as Recording;
    return { sends, name: signals.map(signalName).join(', ') };
  }
  if (!isSignal(received))
    throw new TypeError(`toHaveBeenSent() is for a signal or a recording, not ${describe(received)}`);
  const latest = recordings.filter(({ signals }) => signals.includes(received)).at(-1);
  if (latest === undefined)
    throw new Error(
      `${signalName(received)} is not being recorded: call record(${signalName(received)}) before it is sent`,
    );
  return { sends: latest.sends.filter(({ signal }) => signal === received), name: signalName(received) };
}

function isRecording(value: unknown): value is Recording {
  return typeof value === 'object' && value !== null && 'sends' in value && 'signals' in value;
}

/** What of a send is not as expected. */
function differencesOf(
  { sender, args }: RecordedSend,
  expected: ExpectedSend,
  equals: (one: unknown, other: unknown) => boolean,
): string[] {
  const differences: string[] = [];
  if (Object.hasOwn(expected, 'sender') && !Object.is(sender, expected.sender))
    differences.push(`sender is ${describe(sender)}, not ${describe(expected.sender)}`);
  for (const [key, wanted] of Object.entries(expected.with ?? {})) {
    const actual = (args as Record<string, unknown>)[key];
    if (!equals(actual, wanted)) differences.push(`${key} is ${describe(actual)}, not ${describe(wanted)}`);
  }
  return differences;
}
