import { printableLines } from '../core/describe.ts';
import type { SignalListing } from './inspect.ts';
import { SCRIPT, STYLE } from './page.ts';
import { type Redact, redacted } from './redact.ts';
import { isTrace, placeOf, type Shown, traitsOf } from './text.ts';

/** Options of `toHtml()`. */
export interface HtmlOptions {
  /** Default: `Signals`. */
  readonly title?: string;
  /** What to show in place of senders and errors, which may be data; it gets their texts. */
  readonly redact?: Redact;
}

/**
 * One page to open in a browser, that needs nothing else: who listens, to be filtered by signal, sender, receiver and
 * file; and for a trace what called what, to be opened level by level, with bars of time. Pass a listing, several, a
 * trace, or listings and a trace together.
 *
 * Names, senders and errors are text, whatever they contain. A thousand receivers and ten thousand sends stay usable:
 * what is not open is not drawn.
 *
 * @example
 * ```ts
 * const ordered = new Signal('ordered')
 * ordered.connect(function sendMail() {}, { sender: '<script>' })
 *
 * const page = toHtml(inspect(ordered))
 * page.startsWith('<!doctype html>') // true
 * page.includes('"<script>') // false
 * ```
 */
export function toHtml(
  shown: Shown | { readonly listings: readonly SignalListing[]; readonly trace: Shown },
  { title = 'Signals', redact }: HtmlOptions = {},
): string {
  const both = Object.hasOwn(shown, 'listings') ? (shown as { listings: SignalListing[]; trace: Shown }) : undefined;
  const parts = both === undefined ? [shown as Shown].flat() : [...both.listings, both.trace];
  const listings = (parts.filter((part) => !isTrace(part)) as SignalListing[]).map(({ name, receivers }) => ({
    name,
    receivers: receivers.map((receiver) => ({
      name: receiver.name,
      sender: receiver.senderName,
      traits: traitsOf(receiver),
      place: placeOf(receiver),
    })),
  }));
  const trace = parts.find((part) => isTrace(part));
  const visible = (key: string, value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    return printableLines(key === 'sender' || key === 'error' ? String(redacted(redact, value, key)) : value);
  };
  // in a script element only this can end it; the rest is data
  const data = JSON.stringify({ listings, trace }, visible).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const name = title.replace(/[<>&"]/g, (character) => `&#${String(character.charCodeAt(0))};`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${name}</title>
<style>${STYLE}</style>
<header><h1>${name}</h1><input id="filter" type="search" placeholder="signal, sender, receiver or file" aria-label="Filter"><nav></nav></header>
<main></main>
<script type="application/json" id="data">${data}</script>
<script>${SCRIPT}</script>
`;
}
