import { describe, isObject } from './describe.ts';
import { IterableWeakSet } from './iterable-weak-set.ts';
import { shared } from './shared.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';

/** Where an owner has connections: the registrations for one sender of one signal. */
export interface OwnedHome {
  /** The one reference by which its owners know it. */
  readonly reference: WeakRef<OwnedHome>;
  /** End what was connected there with this owner; true if a receiver could still have been called. */
  disconnectOwned(owner: object): boolean;
}

/** Small ones are left alone: what is dead in them is little, and most owners have few. */
class ManyHomes extends IterableWeakSet<OwnedHome> implements Sweepable {
  waits = false;

  override add(reference: WeakRef<OwnedHome>): void {
    super.add(reference);
    if (this.size > 16) sweepAfterCollection(this);
  }

  override sweep(): boolean {
    super.sweep();
    return this.size > 16;
  }
}

/** Weakly, for an owner outlives signals; a set only for those who have more than one. */
type Homes = WeakRef<OwnedHome> | ManyHomes;
const owners: WeakMap<object, Homes> = /* @__PURE__ */ shared('owners', () => new WeakMap());

/** Let `disconnectReceivers(owner)` find the home. */
export function own(owner: object, { reference }: OwnedHome): void {
  const homes = owners.get(owner);
  if (homes === undefined) owners.set(owner, reference);
  else if ('deref' in homes) {
    if (homes === reference) return;
    const several = new ManyHomes();
    several.add(homes);
    several.add(reference);
    owners.set(owner, several);
  } else homes.add(reference);
}

/** The owner has nothing there any more. */
export function disown(owner: object, { reference }: OwnedHome): void {
  const homes = owners.get(owner);
  if (homes === reference) owners.delete(owner);
  else if (homes !== undefined && !('deref' in homes)) {
    homes.delete(reference);
    if (homes.empty) owners.delete(owner);
  }
}

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
  const homes = owners.get(owner);
  let ended = false;
  for (const home of homes === undefined ? [] : 'deref' in homes ? [homes.deref()] : homes.members)
    ended = home?.disconnectOwned(owner) === true || ended;
  return ended;
}
