import { IterableWeakSet } from './iterable-weak-set.ts';
import type { Group, Handle } from './registration.ts';
import { shared } from './shared.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';
import type { AbortSignalLike } from './types.ts';

/**
 * The connections that end with an AbortSignal: one listener for all of them, gone with the last. The group outlives
 * signals that nobody holds any more, so it must not keep one alive.
 */
class ConnectionGroup extends IterableWeakSet<Handle> implements Group, Sweepable {
  waits = false;
  readonly abortSignal: AbortSignalLike;
  private readonly abort = (): void => {
    for (const connection of this.members) {
      if (connection.groups !== undefined && connection.groups.length > 1) release(connection, this);
      else connection.disconnect();
    }
  };

  constructor(abortSignal: AbortSignalLike) {
    super();
    this.abortSignal = abortSignal;
  }

  join(connection: Handle): void {
    // first what may throw, if the AbortSignal is not a real one
    if (this.empty) this.abortSignal.addEventListener('abort', this.abort, { once: true });
    this.add((connection.reference ??= new WeakRef(connection)));
    // a list that is made whole has no room to spare
    connection.groups = connection.groups === undefined ? [this] : [...connection.groups, this];
    // for signals that are collected: their connections end without a word
    sweepAfterCollection(this);
  }

  leave({ reference }: Handle): void {
    this.delete(reference);
    this.left();
  }

  override sweep(): boolean {
    super.sweep();
    return this.left();
  }

  /** Whether something is left; what nobody needs any more is let go of. */
  private left(): boolean {
    const { empty } = this;
    if (empty) this.abortSignal.removeEventListener('abort', this.abort);
    return !empty;
  }
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
  const { groups = [] } = connection;
  if (abortSignal === undefined) for (const group of groups) release(connection, group);
  else if (groups.length > 0 && groups.every((group) => group.abortSignal !== abortSignal))
    tie(connection, abortSignal);
  return connection;
}

const groups: WeakMap<object, ConnectionGroup> = /* @__PURE__ */ shared('abortSignals', () => new WeakMap());

/** Let the AbortSignal end the connection. */
export function tie(connection: Handle, abortSignal: AbortSignalLike): void {
  let group = groups.get(abortSignal);
  if (group === undefined) groups.set(abortSignal, (group = new ConnectionGroup(abortSignal)));
  group.join(connection);
}
