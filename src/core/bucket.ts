import { isObject } from './describe.ts';
import type { ConnectRequest, Settings } from './options.ts';
import { type Hold, type Home, type Keeper, Registration } from './registration.ts';
import type { AnyFunction } from './types.ts';

/** What finds a registration among those of one sender. */
export interface Identity {
  readonly receiver: AnyFunction | undefined;
  readonly dispatchUid: unknown;
  readonly owner: object | undefined;
}

/** What `Bucket.add()` reports to, beside being the keeper of connections. */
export interface BucketKeeper extends Keeper {
  changed(bucket: Bucket, settings: Settings): void;
}

/** What an owner has on one sender, by receiver and by uid. */
interface Holds {
  receivers: Map<AnyFunction, Hold> | undefined;
  uids: Map<unknown, Hold> | undefined;
}

/**
 * The registrations for one sender, or for every sender: a linked list in connect order, and an index by identity. Both add and
 * remove in constant time.
 *
 * The bucket of an object sender is reachable only through a WeakMap keyed by that sender, so it may hold the sender and receivers
 * that close over it; everything outside refers into it weakly.
 */
export class Bucket implements Home {
  readonly keeper: BucketKeeper;
  readonly sender: unknown;
  private first: Registration | undefined = undefined;
  private last: Registration | undefined = undefined;
  private receivers: Map<AnyFunction, Registration> | undefined = undefined;
  private uids: Map<unknown, Registration> | undefined = undefined;
  private weak: WeakMap<AnyFunction, Registration> | undefined = undefined;
  private owned: WeakMap<object, Holds> | undefined = undefined;

  constructor(keeper: BucketKeeper, sender: unknown) {
    this.keeper = keeper;
    this.sender = sender;
  }

  get empty(): boolean {
    return this.first === undefined;
  }

  /** The registration of that identity, dead or alive. */
  find({ receiver, dispatchUid, owner }: Identity): Registration | undefined {
    if (owner !== undefined) {
      const holds = this.owned?.get(owner);
      return (dispatchUid === undefined ? holds?.receivers?.get(receiver as AnyFunction) : holds?.uids?.get(dispatchUid))?.registration;
    }
    if (dispatchUid !== undefined) return this.uids?.get(dispatchUid);
    return this.receivers?.get(receiver as AnyFunction) ?? this.weak?.get(receiver as AnyFunction);
  }

  /** Add at the end of the list. The caller has made sure that the identity is free. */
  add(receiver: AnyFunction, order: number, settings: Settings, owner: ConnectRequest['owner']): Registration {
    const registration = owner === undefined ? this.addUnowned(receiver, order, settings) : this.addOwned(receiver, order, settings, owner);
    registration.previous = this.last;
    if (this.last === undefined) this.first = registration;
    else this.last.next = registration;
    this.last = registration;
    this.keeper.changed(this, settings);
    return registration;
  }

  remove(registration: Registration): void {
    const { previous, next, settings } = registration;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    registration.previous = registration.next = undefined;
    this.unindex(registration);
    this.keeper.changed(this, settings);
  }

  *[Symbol.iterator](): Generator<Registration, void, undefined> {
    for (let registration = this.first; registration !== undefined; registration = registration.next) yield registration;
  }

  private addUnowned(receiver: AnyFunction, order: number, settings: Settings): Registration {
    const registration = new Registration(this, order, settings, settings.weak ? new WeakRef(receiver) : receiver);
    if (settings.dispatchUid !== undefined) (this.uids ??= new Map()).set(settings.dispatchUid, registration);
    else if (settings.weak) (this.weak ??= new WeakMap()).set(receiver, registration);
    else (this.receivers ??= new Map()).set(receiver, registration);
    return registration;
  }

  private addOwned(receiver: AnyFunction, order: number, settings: Settings, owner: object): Registration {
    const owned = (this.owned ??= new WeakMap<object, Holds>());
    let holds = owned.get(owner);
    if (holds === undefined) owned.set(owner, (holds = { receivers: undefined, uids: undefined }));
    const hold: { -readonly [K in keyof Hold]: Hold[K] } = { receiver, owner, registration: undefined as never };
    hold.registration = new Registration(this, order, settings, new WeakRef<Hold>(hold));
    if (settings.dispatchUid === undefined) (holds.receivers ??= new Map()).set(receiver, hold);
    else (holds.uids ??= new Map()).set(settings.dispatchUid, hold);
    return hold.registration;
  }

  /** What was collected has already left the weak indexes; only its uid, held strongly, is left to remove. */
  private unindex({ target, settings: { dispatchUid } }: Registration): void {
    const held = isObject(target) && typeof target !== 'function' ? target.deref() : target;
    if (held !== undefined && typeof held !== 'function') {
      const holds = this.owned?.get(held.owner);
      if (dispatchUid === undefined) holds?.receivers?.delete(held.receiver);
      else holds?.uids?.delete(dispatchUid);
      if (!holds?.receivers?.size && !holds?.uids?.size) this.owned?.delete(held.owner);
    } else if (dispatchUid !== undefined) {
      this.uids?.delete(dispatchUid);
    } else if (held !== undefined) {
      if (!(this.receivers?.delete(held) ?? false)) this.weak?.delete(held);
    }
  }
}
