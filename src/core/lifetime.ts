import { describe, isObject } from './describe.ts';
import { IterableWeakSet } from './iterable-weak-set.ts';
import type { Group, Handle } from './registration.ts';
import { shared } from './shared.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';
import type { AbortSignalLike } from './types.ts';

/**
 * The connections that end together, with an owner or an AbortSignal. The group outlives signals that nobody holds any more, so it
 * must not keep one alive.
 */
class ConnectionGroup extends IterableWeakSet<Handle> implements Group, Sweepable {
  waits = false;
  /** Called once: whoever connects then makes a new group. */
  private whenEmpty: (() => void) | undefined;

  constructor(whenEmpty?: () => void) {
    super();
    this.whenEmpty = whenEmpty;
  }

  join(connection: Handle): void {
    this.add((connection.reference ??= new WeakRef(connection)));
    (connection.groups ??= []).push(this);
  }

  leave({ reference }: Handle): void {
    this.delete(reference);
    this.endIfEmpty();
  }

  /** End them all; true if one was still connected. */
  disconnect(): boolean {
    let ended = false;
    for (const connection of this.members) ended = connection.disconnect() || ended;
    return ended;
  }

  override sweep(): boolean {
    super.sweep();
    return !this.endIfEmpty();
  }

  private endIfEmpty(): boolean {
    const { empty } = this;
    if (empty) {
      this.whenEmpty?.();
      this.whenEmpty = undefined;
    }
    return empty;
  }
}

const owners: WeakMap<object, ConnectionGroup> = /* @__PURE__ */ shared('owners', () => new WeakMap());
const abortSignals: WeakMap<object, ConnectionGroup> = /* @__PURE__ */ shared('abortSignals', () => new WeakMap());

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
export function tieToOwner(connection: Handle, owner: object): void {
  let group = owners.get(owner);
  // nothing to do for an emptied group: it goes with its owner
  if (group === undefined) owners.set(owner, (group = new ConnectionGroup()));
  group.join(connection);
}

/** End the connection when the AbortSignal aborts: one listener for all its connections, gone with the last of them. */
export function tieToAbortSignal(connection: Handle, abortSignal: AbortSignalLike): void {
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
  group.join(connection);
  // for signals that are collected: their connections end without a word
  sweepAfterCollection(group);
}
