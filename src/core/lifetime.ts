import { describe, isObject } from './describe.ts';
import type { Tie } from './registration.ts';
import { shared } from './shared.ts';
import type { AbortSignalLike, Connection } from './types.ts';

/**
 * The connections that end together, with an owner or an AbortSignal. The group outlives signals that nobody holds any more, so it
 * must not keep one alive: it reaches its connections weakly and drops those that went with their signal.
 */
class ConnectionGroup {
  private readonly members = new Set<WeakRef<Connection>>();
  private readonly whenEmpty: () => void;

  constructor(whenEmpty: () => void) {
    this.whenEmpty = whenEmpty;
  }

  add(connection: Connection): Tie {
    const member = new WeakRef(connection);
    this.members.add(member);
    const leave = (): void => {
      if (this.members.delete(member) && this.members.size === 0) this.whenEmpty();
    };
    // Not taken back when the connection ends, which would cost more than a second leave() does: nothing happens then.
    collected.register(connection, leave);
    return { leave };
  }

  /** End them all; true if one was still connected. */
  disconnect(): boolean {
    let ended = false;
    for (const member of [...this.members]) ended = (member.deref()?.disconnect() ?? false) || ended;
    return ended;
  }
}

const collected = new FinalizationRegistry<() => void>((leave) => {
  leave();
});

const owners: WeakMap<object, ConnectionGroup> = shared('owners', () => new WeakMap());
const abortSignals: WeakMap<object, ConnectionGroup> = shared('abortSignals', () => new WeakMap());

/**
 * End every connection made with this `owner`, on all signals: what a component calls when it closes. Sends in flight do not call its
 * receivers any more. The owner may connect again afterwards; `connectReceivers(owner)` brings decorated methods back.
 *
 * @returns true if a connection was ended.
 * @throws TypeError if `owner` is not an object.
 * @example
 * ```ts
 * class Mailer {
 *   sent = 0
 *   onSave() { this.sent++ }
 * }
 * const saved = new Signal('saved')
 * const mailer = new Mailer()
 * saved.connect(mailer.onSave, { owner: mailer })
 * disconnectReceivers(mailer) // true
 * saved.hasListeners() // false
 * ```
 */
export function disconnectReceivers(owner: object): boolean {
  if (!isObject(owner)) throw new TypeError(`disconnectReceivers() takes the object given as owner, not ${describe(owner)}`);
  return owners.get(owner)?.disconnect() ?? false;
}

/** Let `disconnectReceivers(owner)` find the connection. */
export function tieToOwner(connection: Connection, owner: object): Tie {
  let group = owners.get(owner);
  if (group === undefined) {
    // nothing to do for an emptied group: it goes with its owner
    group = new ConnectionGroup(() => undefined);
    owners.set(owner, group);
  }
  return group.add(connection);
}

/** End the connection when the AbortSignal aborts: one listener for all its connections, gone with the last of them. */
export function tieToAbortSignal(connection: Connection, abortSignal: AbortSignalLike): Tie {
  let group = abortSignals.get(abortSignal);
  if (group === undefined) {
    const abort = (): void => {
      abortSignals.delete(abortSignal);
      created.disconnect();
    };
    const created = (group = new ConnectionGroup(() => {
      abortSignals.delete(abortSignal);
      abortSignal.removeEventListener('abort', abort);
    }));
    // first what may throw, if the AbortSignal is not a real one
    abortSignal.addEventListener('abort', abort, { once: true });
    abortSignals.set(abortSignal, group);
  }
  return group.add(connection);
}
