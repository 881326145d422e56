import type { ClientSession } from 'mongoose';

/** The options of calls that write documents. */
export interface WriteOptions {
  readonly session?: ClientSession | null;
  readonly ordered?: boolean;
  readonly aggregateErrors?: boolean;
  readonly middleware?: boolean | { readonly pre?: boolean };
}

/** Whether the app leaves hooks out, and so the signals: there is nothing to undo then. */
export function skipsHooks(options: WriteOptions | undefined): boolean {
  const middleware = options?.middleware;
  return middleware === false || (typeof middleware === 'object' && middleware.pre === false);
}
