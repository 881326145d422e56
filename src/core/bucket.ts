import { isObject } from './describe.ts';
import type { Settings } from './options.ts';
import { FewMap } from './few-map.ts';
import { disown, own, type OwnedHome } from './owners.ts';
import { type Callee, type Hold, type Home, type Keeper, Registration } from './registration.ts';
import type { AnyFunction } from './types.ts';

/** What finds a registration among those of one sender. */
export interface Identity {
  readonly receiver: AnyFunction | undefined;
  readonly dispatchUid: unknown;
  readonly owner: object | undefined;
}

/**
 * The registrations for one sender, or for every sender, in connect order and found by identity, each in constant time.
 *
 * The bucket of an object sender is reachable only through a WeakMap keyed by that sender, so it may hold the sender
 * and receivers that close over it; everything outside refers into it weakly.
 */
export class Bucket implements Home, OwnedHome {
  readonly keeper: Keeper;
  readonly sender: unknown;
  /** All of them: each under its key, unless that would keep alive what it holds weakly, and then under itself. */
  readonly registrations = new FewMap<unknown, Registration>();
  private weak: WeakMap<object, Registration> | undefined = undefined;
  private owned: WeakMap<object, FewMap<unknown, Hold>> | undefined = undefined;
  private ownReference: WeakRef<this> | undefined = undefined;

  constructor(keeper: Keeper, sender: unknown) {
    this.keeper = keeper;
    this.sender = sender;
  }

  get reference(): WeakRef<this> {
    return (this.ownReference ??= new WeakRef(this));
  }

  /** The registration of that identity, dead or alive. */
  find({ receiver, dispatchUid, owner }: Identity): Registration | undefined {
    const key = keyOf(dispatchUid, receiver);
    if (owner !== undefined) return this.owned?.get(owner)?.get(key)?.registration;
    return this.registrations.get(key) ?? this.weak?.get(key as object);
  }

  /** Add as the last. The caller has made sure that the identity is free. */
  add(receiver: AnyFunction, order: number, settings: Settings, owner: object | undefined): Registration {
    const { dispatchUid, weak } = settings;
    const key = keyOf(dispatchUid, receiver);
    const registration = new Registration(this, order, settings, weak ? new WeakRef(receiver) : receiver);
    let place: unknown = registration;
    if (owner !== undefined) {
      const hold = { receiver, self: owner, registration };
      registration.target = new WeakRef<Hold>(hold);
      const owned = (this.owned ??= new WeakMap<object, FewMap<unknown, Hold>>());
      let holds = owned.get(owner);
      if (holds === undefined) {
        owned.set(owner, (holds = new FewMap<unknown, Hold>()));
        own(owner, this);
      }
      holds.add(key, hold);
    } else if (weak && dispatchUid === undefined) {
      (this.weak ??= new WeakMap()).set(receiver, registration);
    } else {
      place = key;
    }
    this.registrations.add(place, registration);
    return registration;
  }

  /** Take out one that has not ended yet. What was collected has already left the weak maps. */
  remove(registration: Registration, callee: Callee | undefined): void {
    const {
      settings: { dispatchUid, weak },
      target,
    } = registration;
    const key = keyOf(dispatchUid, callee?.receiver);
    if (typeof target === 'function' || (weak && dispatchUid !== undefined)) {
      this.registrations.delete(key);
      return;
    }
    this.registrations.delete(registration);
    if (weak) {
      this.weak?.delete(key as object);
      return;
    }
    const owner = callee?.self as object;
    const holds = this.owned?.get(owner);
    holds?.delete(key);
    if (holds?.size !== 0) return;
    this.owned?.delete(owner);
    disown(owner, this);
  }

  disconnectOwned(owner: object): boolean {
    let ended = false;
    for (const { registration } of this.owned?.get(owner)?.values() ?? [])
      ended = registration.connection.disconnect() || ended;
    return ended;
  }
}

/** What stands for a uid that is an object: it could be a receiver, too. */
const standIns = /* @__PURE__ */ new WeakMap<object, symbol>();

/** What a registration is found by: its uid, or else its receiver. */
function keyOf(dispatchUid: unknown, receiver: AnyFunction | undefined): unknown {
  if (dispatchUid === undefined) return receiver;
  if (!isObject(dispatchUid)) return dispatchUid;
  let standIn = standIns.get(dispatchUid);
  if (standIn === undefined) standIns.set(dispatchUid, (standIn = Symbol()));
  return standIn;
}
