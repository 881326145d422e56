import type { Settings } from './options.ts';
import { type Hold, type Home, type Keeper, Registration } from './registration.ts';
import type { AnyFunction } from './types.ts';

/** What finds a registration among those of one sender. */
export interface Identity {
  readonly receiver: AnyFunction | undefined;
  readonly dispatchUid: unknown;
  readonly owner: object | undefined;
}

/** Registrations, or what holds them, by receiver and by uid. */
class Index<TEntry> {
  readonly receivers = new Map<unknown, TEntry>();
  private uids: Map<unknown, TEntry> | undefined = undefined;

  /** The part in which a registration with that uid, or none, is found. */
  by(dispatchUid: unknown): Map<unknown, TEntry> {
    return dispatchUid === undefined ? this.receivers : (this.uids ??= new Map<unknown, TEntry>());
  }

  get empty(): boolean {
    return !this.receivers.size && !this.uids?.size;
  }
}

/**
 * The registrations for one sender, or for every sender, in connect order and found by identity, each in constant time.
 *
 * The bucket of an object sender is reachable only through a WeakMap keyed by that sender, so it may hold the sender and receivers
 * that close over it; everything outside refers into it weakly.
 */
export class Bucket extends Index<Registration> implements Home {
  readonly keeper: Keeper;
  readonly sender: unknown;
  private weak: WeakMap<AnyFunction, Registration> | undefined = undefined;
  private owned: WeakMap<object, Index<Hold>> | undefined = undefined;

  constructor(keeper: Keeper, sender: unknown) {
    super();
    this.keeper = keeper;
    this.sender = sender;
  }

  /** All of them, in connect order: those that are found by their receiver under it, the others under themselves. */
  get registrations(): Map<unknown, Registration> {
    return this.receivers;
  }

  /** The registration of that identity, dead or alive. */
  find({ receiver, dispatchUid, owner }: Identity): Registration | undefined {
    const index = owner === undefined ? this : this.owned?.get(owner);
    const found = index?.by(dispatchUid).get(dispatchUid === undefined ? receiver : dispatchUid)?.registration;
    return found === undefined && owner === undefined && dispatchUid === undefined ? this.weak?.get(receiver as AnyFunction) : found;
  }

  /** Add as the last. The caller has made sure that the identity is free. */
  add(receiver: AnyFunction, order: number, settings: Settings, owner: object | undefined): Registration {
    const { dispatchUid, weak } = settings;
    const registration = new Registration(this, order, settings, weak ? new WeakRef(receiver) : receiver);
    if (owner !== undefined) {
      const hold = { receiver, owner, registration };
      registration.target = new WeakRef<Hold>(hold);
      const owned = (this.owned ??= new WeakMap<object, Index<Hold>>());
      let index = owned.get(owner);
      if (index === undefined) owned.set(owner, (index = new Index<Hold>()));
      index.by(dispatchUid).set(dispatchUid === undefined ? receiver : dispatchUid, hold);
    } else if (dispatchUid !== undefined) {
      this.by(dispatchUid).set(dispatchUid, registration);
    } else if (weak) {
      (this.weak ??= new WeakMap()).set(receiver, registration);
    }
    this.registrations.set(placeOf(registration), registration);
    return registration;
  }

  /** Take out one that has not ended yet. What was collected has already left the weak indexes. */
  remove(registration: Registration): void {
    const { target, settings: { dispatchUid, weak } } = registration;
    this.registrations.delete(placeOf(registration));
    const held = typeof target === 'function' ? target : target?.deref();
    if (typeof held === 'object') {
      const index = this.owned?.get(held.owner);
      index?.by(dispatchUid).delete(dispatchUid === undefined ? held.receiver : dispatchUid);
      if (index?.empty) this.owned?.delete(held.owner);
    } else if (dispatchUid !== undefined) {
      this.by(dispatchUid).delete(dispatchUid);
    } else if (weak && held !== undefined) {
      this.weak?.delete(held);
    }
  }
}

/** The key of a registration among all of its sender. */
function placeOf(registration: Registration): unknown {
  return registration.settings.dispatchUid === undefined && typeof registration.target === 'function' ? registration.target : registration;
}
