import { describe, isObject } from './describe.ts';
import { IterableWeakSet } from './iterable-weak-set.ts';
import type { Group, Handle } from './registration.ts';
import { shared } from './shared.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';
import type { AbortSignalLike } from './types.ts';

/**
 * The connections that end together, with an owner or an AbortSignal: one listener for all of them, gone with the last.
 * The group outlives signals that nobody holds any more, so it must not keep one alive.
 */
class ConnectionGroup extends IterableWeakSet<Handle> implements Group, Sweepable {
  waits = false;
  readonly abortSignal: AbortSignalLike | undefined;
  /** Only where there is one. */
  private readonly abort!: () => void;

  constructor(abortSignal?: AbortSignalLike) {
    super();
    this.abortSignal = abortSignal;
    if (abortSignal !== undefined)
      this.abort = () => {
        for (const connection of this.members) {
          if (sharesOf(connection).length > 1) release(connection, this);
          else connection.disconnect();
        }
      };
  }

  join(connection: Handle): void {
    // first what may throw, if the AbortSignal is not a real one
    if (this.empty) this.abortSignal?.addEventListener('abort', this.abort, { once: true });
    this.add((connection.reference ??= new WeakRef(connection)));
    (connection.groups ??= []).push(this);
    // for signals that are collected: their connections end without a word
    if (this.abortSignal !== undefined) sweepAfterCollection(this);
  }

  leave({ reference }: Handle): void {
    this.delete(reference);
    this.left();
  }

  /** End them all; true if one was still connected. */
  disconnect(): boolean {
    let ended = false;
    for (const connection of this.members) ended = connection.disconnect() || ended;
    return ended;
  }

  override sweep(): boolean {
    super.sweep();
    return this.left();
  }

  /** Whether something is left; what nobody needs any more is let go of. */
  private left(): boolean {
    const { empty } = this;
    if (empty) this.abortSignal?.removeEventListener('abort', this.abort);
    return !empty;
  }
}

/** The AbortSignals that a connection lasts as long as one of; without any it lasts. */
function sharesOf({ groups = [] }: Handle): Group[] {
  return groups.filter(({ abortSignal }) => abortSignal !== undefined);
}

/** The connection no longer ends with this group. */
function release(connection: Handle, group: Group): void {
  connection.groups = connection.groups?.filter((each) => each !== group);
  group.leave(connection);
}

/**
 * It is connected again: an AbortSignal ends only its own share, so that it lasts as long as the last of them, and
 * without one as if there had never been any.
 */
export function prolong(connection: Handle, abortSignal: AbortSignalLike | undefined): Handle {
  const shares = sharesOf(connection);
  if (abortSignal === undefined) for (const share of shares) release(connection, share);
  else if (shares.length > 0 && shares.every((share) => share.abortSignal !== abortSignal))
    join(abortSignals, abortSignal, connection, abortSignal);
  return connection;
}

type Groups = WeakMap<object, ConnectionGroup>;
const owners: Groups = /* @__PURE__ */ shared('owners', () => new WeakMap());
const abortSignals: Groups = /* @__PURE__ */ shared('abortSignals', () => new WeakMap());

/**
 * End every connection made with this `owner`, on all signals: what a component calls when it closes. Sends in flight
 * do not call its receivers any more. The owner may connect again afterwards; `connectReceivers(owner)` brings
 * decorated methods back.
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
  if (!isObject(owner))
    throw new TypeError(`disconnectReceivers() takes the object given as owner, not ${describe(owner)}`);
  return owners.get(owner)?.disconnect() ?? false;
}

/** Let `disconnectReceivers(owner)` find the connection, and the AbortSignal end it. */
export function tie(connection: Handle, owner: object | undefined, abortSignal: AbortSignalLike | undefined): void {
  if (owner !== undefined) join(owners, owner, connection);
  if (abortSignal !== undefined) join(abortSignals, abortSignal, connection, abortSignal);
}

function join(groups: Groups, key: object, connection: Handle, abortSignal?: AbortSignalLike): void {
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = new ConnectionGroup(abortSignal)));
  group.join(connection);
}
