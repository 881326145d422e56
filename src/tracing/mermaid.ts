import { printable } from '../core/describe.ts';
import type { SignalListing } from './inspect.ts';
import { isTrace, milliseconds, type Shown, traitsOf } from './text.ts';
import type { TracedSend } from './trace.ts';

/**
 * A flowchart in Mermaid: signals and their receivers, or what called what in a trace. Names are text, whatever they
 * contain.
 *
 * @example
 * ```ts
 * const ordered = new Signal('ordered')
 * ordered.connect(function sendMail() {})
 * toMermaid(inspect(ordered)).split('\n')[0] // 'flowchart LR'
 * ```
 */
export function toMermaid(shown: Shown): string {
  const lines = ['flowchart LR'];
  let nodes = 0;
  const node = (text: string, [open, close]: readonly [string, string]): string => {
    const id = `n${String(nodes++)}`;
    lines.push(`  ${id}${open}"${escape(text)}"${close}`);
    return id;
  };
  const link = (from: string, to: string, label: string): void =>
    void lines.push(`  ${from} -->${label === '' ? '' : `|"${escape(label)}"|`} ${to}`);
  if (isTrace(shown)) {
    const drawSends = (sends: readonly TracedSend[], from: string | undefined): void => {
      for (const send of sends) {
        const id = node(`${send.signal} ${send.sender}`, ['([', '])']);
        if (from !== undefined) link(from, id, '');
        for (const call of send.receivers) {
          const called = node(`${call.receiver}${call.error === undefined ? '' : `: ${call.error}`}`, ['[', ']']);
          link(id, called, call.state === 'returned' ? milliseconds(call.duration) : call.state);
          drawSends(call.sends, called);
        }
      }
    };
    drawSends(shown.sends, undefined);
  } else {
    for (const { name, receivers } of [shown as SignalListing].flat()) {
      const id = node(name, ['([', '])']);
      for (const receiver of receivers)
        link(id, node(receiver.name, ['[', ']']), [receiver.senderName, ...traitsOf(receiver)].join(', '));
    }
  }
  return lines.join('\n');
}

/** Mermaid takes entities, and would take markup. */
function escape(text: string): string {
  return printable(text).replace(
    /[^\p{L}\p{N} .,:;()→…_/+*-]/gu,
    (character) => `#${String(character.codePointAt(0))};`,
  );
}
