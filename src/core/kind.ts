import { RULES, type Rules } from './options.ts';
import type { Registration } from './registration.ts';
import type { Following } from './tools.ts';
import type { AnySignal } from './types.ts';

/** What sets one kind of signal apart from another. */
export interface Kind {
  /** What the options of `connect()` may be. */
  readonly rules: Rules;
  /** The payload of a send as receivers get it. */
  readonly complete?: (signal: AnySignal, sender: unknown, args: object | undefined) => object;
  /** Whether the call of an `afterCommit` receiver is put off until the commit; outside a transaction it is not. */
  readonly defers?: (
    registration: Registration,
    signal: AnySignal,
    sender: unknown,
    args: object,
    following: Following | undefined,
  ) => boolean;
}

export const PLAIN_KIND: Kind = { rules: RULES };
