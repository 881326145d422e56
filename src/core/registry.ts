import { Bucket, type BucketKeeper } from './bucket.ts';
import { describe, isObject, nameOf, signalName } from './describe.ts';
import { tieToAbortSignal, tieToOwner } from './lifetime.ts';
import { type ConnectRequest, type DisconnectRequest, PLAIN, sameSettings, type Settings } from './options.ts';
import { byDispatchOrder, Plan } from './plan.ts';
import { KeyedConnection, Registration, type Tie } from './registration.ts';
import { SenderMap } from './sender-map.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

/** All registrations of one signal, and the plans that sends follow. */
export class Registry implements BucketKeeper {
  readonly signal: AnySignal;
  private readonly any: Bucket = new Bucket(this, undefined);
  private readonly buckets = new SenderMap<Bucket>();
  /** The connections whose sender is an object: their buckets cannot be enumerated. */
  private readonly keyed = new Set<KeyedConnection>();
  private readonly subclassed = new Set<Connection>();
  private nextOrder = 0;

  private anyPlan: Plan | undefined = undefined;
  /** The plans of keyed senders; thrown away whole when a change concerns them all, so that no plan outlives what it lists. */
  private plans = new SenderMap<Plan>();

  /** One for the signal, so that it goes with the signal; made when something mortal is first connected. */
  private mortality: FinalizationRegistry<Connection> | undefined = undefined;

  constructor(signal: AnySignal) {
    this.signal = signal;
  }

  /** Whom a send from `sender` calls. */
  planFor(sender: unknown): Plan {
    if (sender !== undefined && sender !== null && (this.keyed.size > 0 || this.buckets.primitiveCount > 0)) {
      const plan = this.plans.get(sender);
      if (plan !== undefined) return plan;
      if (this.buckets.get(sender) !== undefined || this.inherits(sender)) {
        const made = new Plan([...this.heardBy(sender)]);
        this.plans.set(sender, made);
        return made;
      }
    }
    return (this.anyPlan ??= new Plan([...this.any]));
  }

  /** Whether a send from `sender` would call someone. */
  hasListeners(sender: unknown): boolean {
    if (this.empty) return false;
    for (const { connected } of this.heardBy(sender)) if (connected) return true;
    return false;
  }

  /** Whether nothing is registered, for any sender. */
  get empty(): boolean {
    return this.any.empty && this.keyed.size === 0 && this.buckets.primitiveCount === 0;
  }

  /** The live connections in dispatch order. */
  connections(): Connection[] {
    const registrations = [...this.any];
    for (const bucket of this.buckets.primitiveValues()) registrations.push(...bucket);
    for (const { registration } of this.keyed) if (registration !== undefined) registrations.push(registration);
    return registrations
      .filter(({ connected }) => connected)
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
    if (settings.abortSignal?.aborted === true) return this.ended();

    let order = this.nextOrder;
    let merged = settings;
    if (existing === undefined) {
      this.nextOrder++;
    } else {
      order = existing.order;
      merged = { ...settings, priority: existing.settings.priority };
      existing.disconnect();
    }
    const registration = this.bucketFor(sender).add(receiver, order, merged, owner);
    try {
      this.accompany(registration, receiver, request);
    } catch (error) {
      registration.disconnect();
      throw error;
    }
    return registration.connection;
  }

  disconnect(request: DisconnectRequest): boolean {
    const registration = this.bucketOf(request.sender)?.find(request);
    return registration?.disconnect() ?? false;
  }

  forget(connection: Connection & { ties?: readonly Tie[] | undefined }): void {
    if (connection instanceof KeyedConnection) this.keyed.delete(connection);
    this.subclassed.delete(connection);
    this.mortality?.unregister(connection);
    for (const tie of connection.ties ?? []) tie.leave();
    connection.ties = undefined;
  }

  changed(bucket: Bucket, settings: Settings): void {
    if (bucket === this.any || settings.subclasses) {
      this.anyPlan = undefined;
      if (this.plans.used) this.plans = new SenderMap();
    } else {
      this.plans.delete(bucket.sender);
    }
    if (bucket !== this.any && bucket.empty) this.buckets.delete(bucket.sender);
  }

  /** In no particular order, who hears `sender`; some may have been collected. */
  private *heardBy(sender: unknown): Generator<Registration> {
    yield* this.any;
    if (sender === undefined || sender === null) return;
    yield* this.buckets.get(sender) ?? [];
    if (!this.inherits(sender)) return;
    for (const base of basesOf(sender)) {
      for (const registration of this.buckets.get(base) ?? []) if (registration.settings.subclasses) yield registration;
    }
  }

  /** Whether receivers of a base class may hear `sender`. */
  private inherits(sender: unknown): boolean {
    return this.subclassed.size > 0 && typeof sender === 'function';
  }

  /** The live registration of that identity. One whose receiver was collected is removed and does not count. */
  private existing(receiver: AnyFunction, { sender, owner, replace, settings }: ConnectRequest): Registration | undefined {
    const found = this.bucketOf(sender)?.find({ receiver, owner, dispatchUid: settings.dispatchUid });
    if (found === undefined) return undefined;
    if (!found.connected) {
      found.disconnect();
      return undefined;
    }
    if (!replace && !sameSettings(found.settings, settings)) throw this.conflict(found, settings);
    return found;
  }

  private conflict(found: Registration, wanted: Settings): TypeError {
    const differing = (['weak', 'once', 'subclasses', 'afterCommit', 'priority'] as const).find((key) => found.settings[key] !== wanted[key]);
    const difference =
      differing === undefined
        ? found.settings.abortSignal === wanted.abortSignal
          ? 'as another kind of method'
          : 'with another AbortSignal'
        : `with ${differing} ${describe(found.settings[differing])}, not ${describe(wanted[differing])}`;
    return new TypeError(
      `${nameOf(found.receiver)} is already connected to ${signalName(this.signal)} ${difference}. ` +
        'Disconnect it first, or give each registration a dispatchUid of its own.',
    );
  }

  /** Set up what must happen when a part of the registration goes: a weak receiver, its owner, its sender, or an AbortSignal. */
  private accompany(registration: Registration, receiver: AnyFunction, { sender, owner, settings }: ConnectRequest): void {
    const keyed = isObject(sender) ? new KeyedConnection(this, registration) : undefined;
    if (keyed !== undefined) {
      registration.connection = keyed;
      this.keyed.add(keyed);
      this.endWith(sender as object, keyed);
    }
    const connection = keyed ?? registration;
    if (settings.subclasses) this.subclassed.add(connection);
    if (settings.weak) this.endWith(receiver, connection);
    if (owner === undefined && settings.abortSignal === undefined) return;
    const ties: Tie[] = [];
    connection.ties = ties;
    if (owner !== undefined) {
      this.endWith(owner, connection);
      ties.push(tieToOwner(connection, owner));
    }
    if (settings.abortSignal !== undefined) ties.push(tieToAbortSignal(connection, settings.abortSignal));
  }

  private endWith(mortal: object, connection: Connection): void {
    this.mortality ??= new FinalizationRegistry<Connection>((orphan) => orphan.disconnect());
    this.mortality.register(mortal, connection, connection);
  }

  /** A connection that was over before it began. */
  private ended(): Connection {
    const registration = new Registration(this.any, 0, PLAIN, nobody);
    registration.target = undefined;
    return registration;
  }

  private bucketOf(sender: unknown): Bucket | undefined {
    return sender === undefined ? this.any : this.buckets.get(sender);
  }

  private bucketFor(sender: unknown): Bucket {
    let bucket = this.bucketOf(sender);
    if (bucket === undefined) this.buckets.set(sender, (bucket = new Bucket(this, sender)));
    return bucket;
  }
}

/** Whether a `replace` has something to replace: asking for the very same receiver and options again does not. */
function takesOver(existing: Registration, receiver: AnyFunction, { replace, settings }: ConnectRequest): boolean {
  if (!replace) return false;
  const { priority } = existing.settings;
  return existing.receiver !== receiver || !sameSettings(existing.settings, { ...settings, priority });
}

/**
 * The base classes of a class: along the constructors, as `class extends` links them, and along the prototypes, which is all that
 * `util.inherits()` and the discriminators of Mongoose link.
 */
function basesOf(derived: { readonly prototype?: unknown }): Set<unknown> {
  const bases = new Set<unknown>();
  for (let base: unknown = Object.getPrototypeOf(derived); typeof base === 'function'; base = Object.getPrototypeOf(base)) bases.add(base);
  for (let prototype = derived.prototype; isObject(prototype); prototype = Object.getPrototypeOf(prototype)) {
    bases.add(Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value);
  }
  bases.delete(derived);
  return bases;
}

function nobody(): void {
  /* the receiver of a connection that never was */
}
