import { Bucket } from './bucket.ts';
import { describe, isObject, nameOf, signalName } from './describe.ts';
import { tieToAbortSignal, tieToOwner } from './lifetime.ts';
import { type ConnectRequest, difference, type DisconnectRequest, PLAIN, type Settings } from './options.ts';
import { byDispatchOrder, Plan } from './plan.ts';
import { type Handle, type Home, type Keeper, KeyedConnection, Registration } from './registration.ts';
import { SenderMap } from './sender-map.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

/** All registrations of one signal, and the plans that sends follow. */
export class Registry implements Keeper, Sweepable {
  readonly signal: AnySignal;
  /** Grows with every change: how a send in flight learns that someone may have been disconnected. */
  version = 0;
  waits = false;
  private readonly any: Bucket = new Bucket(this, undefined);
  private readonly buckets = new SenderMap<Bucket>();
  /** The connections that hear one sender only: the buckets of object senders cannot be enumerated. */
  private readonly keyed = new Set<Handle>();
  private readonly subclassed = new Set<Handle>();
  /** Whether there are any, where a send finds it at once. */
  private hasKeyed = false;

  private anyPlan: Plan | undefined = undefined;
  /** The plans of keyed senders; thrown away whole when a change concerns them all, so that no plan outlives what it lists. */
  private plans: SenderMap<Plan> | undefined = undefined;

  constructor(signal: AnySignal) {
    this.signal = signal;
  }

  /** Whom a send from `sender` calls. */
  planFor(sender: unknown): Plan {
    // what is done once stays out of what is done often, and out of what the engine inlines there
    return (this.hasKeyed ? this.keyedPlan(sender) : this.anyPlan) ?? this.planForAny();
  }

  /** Whether a send from `sender` would call someone. */
  hasListeners(sender: unknown): boolean {
    return this.planFor(sender).registrations.some(({ connected }) => connected);
  }

  /** Whether nothing is registered, for any sender. */
  get empty(): boolean {
    return !this.hasKeyed && this.any.empty;
  }

  /** The live connections in dispatch order. */
  connections(): Connection[] {
    return [...this.handles()]
      .filter(({ connected }) => connected)
      .map(({ registration }) => registration as Registration)
      .sort(byDispatchOrder)
      .map(({ connection }) => connection);
  }

  /** Throws if the identity is taken with other options; changes nothing. */
  check(receiver: AnyFunction, request: ConnectRequest): void {
    this.existing(receiver, request);
  }

  connect(receiver: AnyFunction, request: ConnectRequest): Connection {
    const { sender, owner, settings } = request;
    const existing = this.existing(receiver, request);
    if (existing !== undefined && !takesOver(existing, receiver, request)) return existing.connection;
    // a connection that was over before it began
    if (settings.signal?.aborted === true) return new Registration(this.any, 0, PLAIN, undefined);

    const merged = existing === undefined ? settings : { ...settings, priority: existing.settings.priority };
    existing?.disconnect();
    const registration = this.bucketFor(sender).add(receiver, existing?.order ?? this.version, merged, owner);
    this.changed(registration.home, merged);
    try {
      this.accompany(registration, request);
    } catch (error) {
      registration.disconnect();
      throw error;
    }
    return registration.connection;
  }

  disconnect(request: DisconnectRequest): boolean {
    return this.bucketOf(request.sender)?.find(request)?.disconnect() ?? false;
  }

  end(handle: Handle): boolean {
    const { registration, connected } = handle;
    const connection = registration?.connection ?? handle;
    if (registration?.target !== undefined) {
      const { home, settings } = registration;
      home.remove(registration);
      registration.target = undefined;
      registration.settings = PLAIN;
      this.changed(home, settings);
    }
    this.keyed.delete(connection);
    this.hasKeyed = this.keyed.size > 0;
    this.subclassed.delete(connection);
    for (const group of connection.groups ?? []) group.leave(connection);
    connection.groups = undefined;
    return connected;
  }

  sweep(): boolean {
    let mortal = false;
    for (const connection of this.handles()) {
      if (!connection.connected) this.end(connection);
      else mortal ||= connection.registration !== connection || typeof connection.registration.target !== 'function';
    }
    return mortal;
  }

  /** Everything that was connected, dead or alive, in no particular order. */
  private *handles(): Generator<Handle> {
    yield* this.any.registrations.values();
    yield* this.keyed;
  }

  private planForAny(): Plan {
    return (this.anyPlan ??= new Plan([...this.any.registrations.values()]));
  }

  /** The plan of a sender that somebody has named; undefined if only those who hear every sender hear it. */
  private keyedPlan(sender: unknown): Plan | undefined {
    if (sender === undefined || sender === null) return undefined;
    const known = this.plans?.of(sender).get(sender);
    if (known !== undefined) return known;
    const bases = this.subclassed.size > 0 && typeof sender === 'function' ? basesOf(sender) : [];
    const own = this.bucketOf(sender);
    if (own === undefined && bases.length === 0) return undefined;
    const heardBy = [...this.any.registrations.values()];
    for (const registration of own?.registrations.values() ?? []) heardBy.push(registration);
    for (const base of bases) {
      for (const registration of this.bucketOf(base)?.registrations.values() ?? []) if (registration.settings.subclasses) heardBy.push(registration);
    }
    const plan = new Plan(heardBy);
    (this.plans ??= new SenderMap()).of(sender).set(sender, plan);
    return plan;
  }

  /** The live registration of that identity. One whose receiver was collected is removed and does not count. */
  private existing(receiver: AnyFunction, { sender, owner, replace, settings }: ConnectRequest): Registration | undefined {
    const found = this.bucketOf(sender)?.find({ receiver, owner, dispatchUid: settings.dispatchUid });
    if (found === undefined) return undefined;
    if (!found.connected) {
      found.disconnect();
      return undefined;
    }
    const differing = replace ? undefined : difference(found.settings, settings);
    if (differing !== undefined) {
      throw new TypeError(
        `${nameOf(found.receiver)} is already connected to ${signalName(this.signal)} with ${String(differing)} ${describe(found.settings[differing])}, not ${describe(settings[differing])}. ` +
          'Disconnect it first, or give each registration a dispatchUid of its own.',
      );
    }
    return found;
  }

  /** Set up what must happen when a part of the registration goes: a weak receiver, its owner, its sender, or an AbortSignal. */
  private accompany(registration: Registration, { sender, owner, settings: { signal, subclasses, weak } }: ConnectRequest): void {
    if (isObject(sender)) registration.connection = new KeyedConnection(this, registration);
    const { connection } = registration;
    if (registration.home !== this.any) {
      this.keyed.add(connection);
      this.hasKeyed = true;
    }
    if (subclasses) this.subclassed.add(connection);
    if (owner !== undefined) tieToOwner(connection, owner);
    if (signal !== undefined) tieToAbortSignal(connection, signal);
    if (weak || owner !== undefined || connection !== registration) sweepAfterCollection(this);
  }

  /** Let go of the plans in which the registration would have, or has had, a place. */
  private changed({ sender, empty }: Home, { subclasses }: Settings): void {
    const forAny = sender === undefined || sender === null;
    this.version++;
    if (forAny || subclasses) this.plans = this.anyPlan = undefined;
    else this.plans?.of(sender).delete(sender);
    if (!forAny && empty) this.buckets.of(sender).delete(sender);
  }

  private bucketOf(sender: unknown): Bucket | undefined {
    return sender === undefined || sender === null ? this.any : this.buckets.of(sender).get(sender);
  }

  private bucketFor(sender: unknown): Bucket {
    let bucket = this.bucketOf(sender);
    if (bucket === undefined) this.buckets.of(sender).set(sender, (bucket = new Bucket(this, sender)));
    return bucket;
  }
}

/** Whether a `replace` has something to replace: asking for the very same receiver and options again does not. */
function takesOver(existing: Registration, receiver: AnyFunction, { replace, settings }: ConnectRequest): boolean {
  const { priority } = existing.settings;
  return replace && (existing.receiver !== receiver || difference(existing.settings, { ...settings, priority }) !== undefined);
}

/**
 * The base classes of a class: along the constructors, as `class extends` links them, and along the prototypes, which is all that
 * `util.inherits()` and the discriminators of Mongoose link.
 */
function basesOf(derived: { readonly prototype?: unknown }): unknown[] {
  const bases = new Set<unknown>();
  for (let base: unknown = Object.getPrototypeOf(derived); typeof base === 'function'; base = Object.getPrototypeOf(base)) bases.add(base);
  for (let prototype = derived.prototype; isObject(prototype); prototype = Object.getPrototypeOf(prototype)) {
    bases.add(Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value);
  }
  bases.delete(derived);
  return [...bases];
}
