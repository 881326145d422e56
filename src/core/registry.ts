import { Bucket } from './bucket.ts';
import { describe, isObject, nameOf, signalName } from './describe.ts';
import { type Kind, PLAIN_KIND } from './kind.ts';
import { limits, warnOfLeak } from './leak.ts';
import { prolong, tie } from './lifetime.ts';
import {
  assertReceiver,
  type ConnectRequest,
  difference,
  parseConnectOptions,
  parseDisconnect,
  PLAIN,
  type Settings,
} from './options.ts';
import {
  byDispatchOrder,
  currentPlan,
  nobody,
  onlyReceiver,
  onlySilence,
  Plan,
  type Ready,
  silenceOf,
} from './plan.ts';
import { type Handle, type Home, type Keeper, KeyedConnection, Registration } from './registration.ts';
import { SenderMap } from './sender-map.ts';
import { type Sweepable, sweepAfterCollection } from './sweep.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';
import { watching } from './watching.ts';

/**
 * Where a signal of this or another copy of the library has its registry; a symbol, for people give subclasses what
 * names they like.
 */
export const registry: unique symbol = Symbol.for('tocsin/1.registry') as never;

/** The payload of a send without one. */
export const NO_ARGS: object = /* @__PURE__ */ Object.freeze({});

/** A signal, as far as a send needs to know it. */
export interface Dispatching extends AnySignal, Ready {
  [registry]: Registry;
}

/** All registrations of one signal, and the plans that sends follow. */
export class Registry implements Keeper, Sweepable {
  readonly signal: Dispatching;
  readonly kind: Kind;
  waits = false;
  private readonly any: Bucket = new Bucket(this, undefined);
  private readonly buckets = new SenderMap<Bucket>();
  /** The connections that hear one sender only: the buckets of object senders cannot be enumerated. */
  private readonly keyed = new Set<Handle>();
  /** Whether one of them has ever asked for subclasses. */
  private subclassed = false;

  /** How many connections have been made: their order. */
  private made = 0;
  /** The plan of senders that nobody hears alone. */
  private plain: Plan | undefined = undefined;
  /**
   * The plans of the others; thrown away whole when a change concerns them all, so that no plan outlives what it lists.
   */
  private plans: SenderMap<Plan> | undefined = undefined;

  constructor(signal: Dispatching, kind = PLAIN_KIND) {
    this.signal = signal;
    this.kind = kind;
  }

  /** An empty one for the same signal, which takes its place while a test isolates the signal. */
  fresh(): Registry {
    return new Registry(this.signal, this.kind);
  }

  /** Be the registry of the signal from now on. */
  takePlace(): void {
    this.signal[registry] = this;
    this.outdate();
  }

  /** The payload of a send as receivers get it. */
  prepare(sender: unknown, args: object | undefined): object {
    const { complete } = this.kind;
    return complete === undefined ? (args ?? NO_ARGS) : complete(this.signal, sender, args);
  }

  /** What a send begins with; made ready on the signal. */
  plan(): Plan {
    const { signal } = this;
    return signal[currentPlan] ?? this.makeReady();
  }

  /** Whom a send from `sender` calls. */
  planFor(sender: unknown): Plan {
    const { senders } = this.plan();
    return senders === undefined ? this.plan() : (senders.get(sender) ?? this.makePlan(sender, senders));
  }

  /** Whether a send from `sender` would call someone. */
  hasListeners(sender: unknown): boolean {
    return this.planFor(sender).registrations.some(({ connected }) => connected);
  }

  /** Whether nothing is registered, for any sender. */
  get empty(): boolean {
    return this.keyed.size + this.any.registrations.size === 0;
  }

  /** The live connections in dispatch order. */
  connections(): Connection[] {
    return this.handles()
      .filter(({ connected }) => connected)
      .map(({ registration }) => registration as Registration)
      .sort(byDispatchOrder)
      .map(({ connection }) => connection);
  }

  /**
   * Throws what `connect()` would throw, for the options alone if there is no receiver; changes nothing. Lets a list of
   * signals be checked whole.
   */
  check(receiver: unknown, options: unknown): void {
    const request = parseConnectOptions(options, this.kind.rules);
    if (receiver === undefined) return;
    assertReceiver(receiver);
    this.existing(receiver, request);
  }

  connect(receiver: unknown, options: unknown): Connection {
    assertReceiver(receiver);
    const request = parseConnectOptions(options, this.kind.rules);
    const { sender, owner, signal } = request;
    let { settings } = request;
    // a connection that was over before it began
    const ended = signal?.aborted === true;
    const existing = this.existing(receiver, request);
    if (existing !== undefined) {
      const { priority } = existing.settings;
      const same =
        !settings.replace ||
        (existing.receiver === receiver && difference(existing.settings, { ...settings, priority }) === undefined);
      if (same && !ended) return prolong(existing.connection, signal);
      settings = { ...settings, priority };
    }
    if (ended) return new Registration(this.any, 0, PLAIN, undefined);

    // not for those who watch: it is replaced
    if (existing !== undefined) this.end(existing);
    const registration = this.bucketFor(sender).add(receiver, existing?.order ?? this.made++, settings, owner);
    this.changed(registration.home, settings);
    if (isObject(sender)) registration.connection = new KeyedConnection(this, registration);
    const { connection } = registration;
    if (registration.home !== this.any) this.keyed.add(connection);
    try {
      if (signal !== undefined) tie(connection, signal);
    } catch (error) {
      connection.disconnect();
      throw error;
    }
    if (connection !== registration || typeof registration.target === 'object') sweepAfterCollection(this);
    if (registration.home.registrations.size > limits.lowest) warnOfLeak(this.signal, registration.home);
    watching.changed?.(this.signal);
    return connection;
  }

  disconnect(receiver: unknown, options: unknown): boolean {
    const request = parseDisconnect(receiver, options);
    return this.bucketOf(request.sender)?.find(request)?.disconnect() ?? false;
  }

  end(handle: Handle): boolean {
    const { registration } = handle;
    const callee = registration?.callee();
    const connection = registration?.connection ?? handle;
    if (registration?.target !== undefined) {
      const { home, settings } = registration;
      home.remove(registration, callee);
      registration.target = undefined;
      registration.settings = PLAIN;
      this.changed(home, settings);
    }
    this.keyed.delete(connection);
    for (const group of connection.groups ?? []) group.leave(connection);
    connection.groups = undefined;
    return callee !== undefined;
  }

  sweep(): boolean {
    let mortal = false;
    for (const connection of this.handles()) {
      if (!connection.connected) this.end(connection);
      else mortal ||= connection.registration !== connection || typeof connection.registration.target !== 'function';
    }
    watching.changed?.(this.signal);
    return mortal;
  }

  /** The live registration of the identity that a request has. Throws if that was connected with other options. */
  private existing(receiver: AnyFunction, { sender, owner, settings }: ConnectRequest): Registration | undefined {
    const found = this.bucketOf(sender)?.find({ receiver, owner, dispatchUid: settings.dispatchUid });
    if (!found?.connected) {
      found?.disconnect();
      return undefined;
    }
    const differing = settings.replace ? undefined : difference(found.settings, settings);
    if (differing !== undefined) {
      throw new TypeError(
        `${nameOf(found.receiver)} is already connected to ${signalName(this.signal)} with ${String(differing)} ${describe(found.settings[differing])}, not ${describe(settings[differing])}. ` +
          'Disconnect it first, or give each registration a dispatchUid of its own.',
      );
    }
    return found;
  }

  /** Everything that was connected, dead or alive, in no particular order. */
  private handles(): Handle[] {
    return [...this.any.registrations.values(), ...this.keyed];
  }

  private makeReady(): Plan {
    const { signal } = this;
    const { registrations, receivers } = (this.plain ??= this.planCalling(this.any.registrations.values()));
    const senders = this.keyed.size === 0 ? undefined : (this.plans ??= new SenderMap());
    if (senders === undefined && receivers !== undefined && receivers.length < 2) {
      signal[onlyReceiver] = receivers[0] ?? nobody;
      signal[onlySilence] = silenceOf(receivers);
    }
    return (signal[currentPlan] = new Plan(registrations, receivers, senders));
  }

  private makePlan(sender: unknown, plans: SenderMap<Plan>): Plan {
    const isClass = this.subclassed && typeof sender === 'function';
    const bucket = this.bucketOf(sender);
    if (bucket === this.any || (bucket === undefined && !isClass)) return this.plan();
    const heardBy = [...this.any.registrations.values(), ...(bucket?.registrations.values() ?? [])];
    for (const base of isClass ? basesOf(sender) : []) {
      for (const registration of this.bucketOf(base)?.registrations.values() ?? [])
        if (registration.settings.subclasses) heardBy.push(registration);
    }
    const plan = this.planCalling(heardBy);
    plans.set(sender, plan);
    return plan;
  }

  private planCalling(registrations: Registration[]): Plan {
    const direct = this.kind.complete === undefined && registrations.every(({ plain }) => plain);
    registrations.sort(byDispatchOrder);
    return new Plan(registrations, direct ? registrations.map(({ target }) => target as AnyFunction) : undefined);
  }

  /** Let go of the plans in which the registration would have, or has had, a place. */
  private changed({ sender, registrations }: Home, { subclasses }: Settings): void {
    const forAny = sender === undefined || sender === null;
    this.outdate();
    this.subclassed ||= subclasses;
    if (forAny || subclasses) this.plans = this.plain = undefined;
    else this.plans?.delete(sender);
    if (!forAny && registrations.size === 0) this.buckets.delete(sender);
  }

  /** What lies ready is not true any more, and must not keep alive whom it would have called. */
  private outdate(): void {
    const { signal } = this;
    signal[currentPlan] = signal[onlyReceiver] = signal[onlySilence] = undefined;
  }

  /** The registrations for one sender, if there are any. */
  bucketOf(sender: unknown): Bucket | undefined {
    return sender === undefined || sender === null ? this.any : this.buckets.get(sender);
  }

  private bucketFor(sender: unknown): Bucket {
    let bucket = this.bucketOf(sender);
    if (bucket === undefined) this.buckets.set(sender, (bucket = new Bucket(this, sender)));
    return bucket;
  }
}

/**
 * The base classes of a class: along the prototypes, which is all that `util.inherits()` and the discriminators of
 * Mongoose link.
 */
function basesOf(derived: { readonly prototype?: unknown }): Set<unknown> {
  const bases = new Set<unknown>();
  for (let { prototype } = derived; isObject(prototype); prototype = Object.getPrototypeOf(prototype))
    bases.add(prototype.constructor);
  bases.delete(derived);
  return bases;
}
