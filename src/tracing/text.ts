import { printable, shorten } from '../core/describe.ts';
import type { ReceiverListing, SignalListing } from './inspect.ts';
import type { Trace, TracedCall, TracedSend } from './trace.ts';

/** What can be shown: listings of `inspect()`, and traces. */
export type Shown = SignalListing | readonly SignalListing[] | Trace;

/** Options of `toText()`. */
export interface TextOptions {
  /** Default: whether the standard output is a terminal, and `NO_COLOR` is not set. */
  readonly color?: boolean;
}

type Paint = (style: 'bold' | 'dim' | 'red' | 'yellow', text: string) => string;

/**
 * A tree for the terminal. Control and bidi characters in names and errors are escaped, so that data can neither
 * command the terminal nor forge a line.
 *
 * @example
 * ```ts
 * const ordered = new Signal('ordered')
 * ordered.connect(function sendMail() {}, { sender: 'shop' })
 * console.log(toText(inspect(ordered), { color: false }))
 * ```
 */
export function toText(shown: Shown, { color = colorByDefault() }: TextOptions = {}): string {
  const paint: Paint = (style, text) => (color ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text);
  if (isTrace(shown)) {
    const count = countOf(shown.sends);
    const head = `${String(count)} ${count === 1 ? 'send' : 'sends'} in ${milliseconds(shown.duration)}`;
    return [paint('dim', head), ...branches(shown.sends.map((send) => sendLines(send, paint)))].join('\n');
  }
  return [shown as SignalListing]
    .flat()
    .map((listing) => listingLines(listing, paint).join('\n'))
    .join('\n');
}

export function isTrace(shown: Shown): shown is Trace {
  return Object.hasOwn(shown, 'kind') && (shown as Trace | SignalListing).kind === 'trace';
}

/** A place for people. */
export function placeOf({ origin }: ReceiverListing): string {
  return origin === undefined ? '' : `${printable(origin.file)}:${String(origin.line)}:${String(origin.column)}`;
}

/** What is special about a receiver, for people. */
export function traitsOf({
  subclasses,
  priority,
  lifetime,
  once,
  afterCommit,
  dispatchUid,
}: ReceiverListing): string[] {
  return [
    subclasses ? 'and subclasses' : '',
    priority === 0 ? '' : `priority ${String(priority)}`,
    lifetime === 'strong' ? '' : lifetime === 'weak' ? 'weak' : 'with its owner',
    once ? 'once' : '',
    afterCommit ? 'after the commit' : '',
    dispatchUid === undefined
      ? ''
      : `uid ${typeof dispatchUid === 'string' ? printable(shorten(dispatchUid)) : typeof dispatchUid}`,
  ].filter(Boolean);
}

export function milliseconds(duration: number | undefined): string {
  return duration === undefined ? 'not over' : `${duration < 10 ? duration.toFixed(2) : duration.toFixed(0)} ms`;
}

const CODES = { bold: '1', dim: '2', red: '31', yellow: '33' } as const;

function listingLines(listing: SignalListing, paint: Paint): string[] {
  const receivers = listing.receivers.map((receiver) => {
    const place = placeOf(receiver);
    const about = [printable(receiver.senderName), ...traitsOf(receiver)].join(', ');
    return [`${printable(receiver.name)}  ${paint('dim', about)}${place === '' ? '' : `  ${paint('dim', place)}`}`];
  });
  return [
    paint('bold', printable(listing.name)),
    ...branches(receivers.length > 0 ? receivers : [[paint('dim', 'nobody listens')]]),
  ];
}

function sendLines(send: TracedSend, paint: Paint): string[] {
  const failed = send.error === undefined ? '' : `  ${paint('red', printable(send.error))}`;
  return [
    `${paint('bold', printable(send.signal))} ${printable(send.sender)}  ${paint('dim', `${send.method}, ${milliseconds(send.duration)}`)}${failed}`,
    ...branches(send.receivers.map((call) => callLines(call, paint))),
  ];
}

function callLines(call: TracedCall, paint: Paint): string[] {
  const time = call.duration === undefined ? '' : `, ${milliseconds(call.duration)}`;
  const state = `${call.state}${call.response === 'value' || call.response === 'promise' ? ` a ${call.response}` : ''}${call.afterCommit ? ' after the commit' : ''}${time}`;
  const style = call.state === 'threw' ? 'red' : call.state === 'returned' ? 'dim' : 'yellow';
  return [
    `${printable(call.receiver)}  ${paint(style, state)}${call.error === undefined ? '' : `  ${paint('red', printable(call.error))}`}`,
    ...branches(call.sends.map((send) => sendLines(send, paint))),
  ];
}

/** Hang blocks of lines onto a trunk. */
function branches(blocks: readonly (readonly string[])[]): string[] {
  return blocks.flatMap((lines, index) => {
    const last = index === blocks.length - 1;
    return lines.map((line, at) => `${at === 0 ? (last ? '└─ ' : '├─ ') : last ? '   ' : '│  '}${line}`);
  });
}

export function countOf(sends: readonly TracedSend[]): number {
  return sends.reduce(
    (sum, { receivers }) => sum + 1 + receivers.reduce((inner, call) => inner + countOf(call.sends), 0),
    0,
  );
}

function colorByDefault(): boolean {
  const { process } = globalThis as {
    process?: { stdout?: { isTTY?: boolean }; env?: Record<string, string | undefined> };
  };
  return process?.stdout?.isTTY === true && (process.env?.NO_COLOR ?? '') === '';
}
