import { dispose } from '../core/dispose.ts';
import { observe } from '../core/observe.ts';
import { type Origin, originOf, type Stack, stackHere } from '../core/origin.ts';
import { shared } from '../core/shared.ts';
import type { Connection } from '../core/types.ts';

const stacks: WeakMap<Connection, Stack> = shared('origins', () => new WeakMap());

/**
 * Remember for each connection from now on the line of the app that made it, for `inspect()`, traces and their
 * pictures. Lines are those of the source where the runtime maps them back (`node --enable-source-maps`). Takes a stack
 * for each `connect()`, nothing for a send.
 *
 * With `TOCSIN_ORIGINS=1` in the environment it is on from the time that `tocsin/tracing` is loaded: load it first,
 * `node --import tocsin/tracing app.js`.
 *
 * @returns a `Disposable` that stops it; what is remembered stays.
 * @example
 * ```ts
 * const origins = recordOrigins()
 * const saved = new Signal('saved')
 * saved.connect(() => 'mailed')
 * inspect(saved).receivers[0].origin !== undefined // true
 * origins[Symbol.dispose]()
 * ```
 */
export function recordOrigins(): Disposable {
  return { [dispose]: observe({ connected: remember }) };
}

function remember(connection: Connection): void {
  if (!stacks.has(connection)) stacks.set(connection, stackHere());
}

/** The line that made a connection, if origins were recorded then. */
export function originFor(connection: Connection): Origin | undefined {
  const stack = stacks.get(connection);
  return stack && originOf(stack);
}
