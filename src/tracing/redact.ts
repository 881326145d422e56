/** What of a send is data of the app, which a tool could show to the wrong people. */
export type RedactedKind = 'sender' | 'args' | 'result' | 'error';

/**
 * Gives what is to be shown in place of a value; the value itself, if it is harmless. It gets the value as it is, or in
 * a finished trace or listing the text that stands for it, and must not change it.
 */
export type Redact = (value: unknown, kind: RedactedKind) => unknown;

/** What stands for a value. A `redact` that throws hides it: it must not fail the app, nor show what it should hide. */
export function redacted(redact: Redact | undefined, value: unknown, kind: RedactedKind): unknown {
  try {
    return redact === undefined ? value : redact(value, kind);
  } catch {
    return '(redacted)';
  }
}
