import { describe, nameOf, signalName } from './describe.ts';
import { dispose } from './dispose.ts';
import { PLAIN, type Settings } from './options.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

/** The registry of one signal, as far as a connection needs it. */
export interface Keeper {
  readonly signal: AnySignal;
  /** Let go of everything that was set up for the connection beside its registration. */
  forget(connection: Connection): void;
}

/** The bucket that a registration lives in. */
export interface Home {
  readonly keeper: Keeper;
  readonly sender: unknown;
  remove(registration: Registration): void;
}

/**
 * What an owner keeps alive: reachable only through a WeakMap keyed by the owner, so that neither it nor a receiver that closes over
 * the owner outlives the owner.
 */
export interface Hold {
  readonly receiver: AnyFunction;
  readonly owner: object;
  readonly registration: Registration;
}

/** A function about to be called, and its `this`. */
export interface Callee {
  readonly receiver: AnyFunction;
  readonly self: unknown;
}

type Target = AnyFunction | WeakRef<AnyFunction> | WeakRef<Hold>;

/**
 * One receiver on one signal. It is its own `Connection`, unless its sender is an object: then it lives and dies with the sender, and
 * users hold a `KeyedConnection` instead.
 */
export class Registration implements Connection {
  readonly home: Home;
  readonly order: number;
  settings: Settings;
  /** The receiver, or a weak way to it; `undefined` once ended. Dispatch reads this one field to see both. */
  target: Target | undefined;
  previous: Registration | undefined = undefined;
  next: Registration | undefined = undefined;
  connection: Connection = this;
  ties: readonly Tie[] | undefined = undefined;
  private silentPair: readonly [AnyFunction, undefined] | undefined = undefined;

  constructor(home: Home, order: number, settings: Settings, target: Target) {
    this.home = home;
    this.order = order;
    this.settings = settings;
    this.target = target;
  }

  get signal(): AnySignal {
    return this.home.keeper.signal;
  }

  get receiver(): AnyFunction | undefined {
    return this.callee()?.receiver;
  }

  get sender(): unknown {
    return this.connected ? this.home.sender : undefined;
  }

  get connected(): boolean {
    const { target } = this;
    return target !== undefined && (typeof target === 'function' || target.deref() !== undefined);
  }

  disconnect(): boolean {
    if (this.target === undefined) return false;
    const live = this.connected;
    this.home.remove(this);
    this.target = undefined;
    this.settings = PLAIN;
    this.silentPair = undefined;
    this.home.keeper.forget(this.connection);
    return live;
  }

  [dispose](): void {
    this.disconnect();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return printed(this);
  }

  /** What to call, if it has neither ended nor been collected. */
  callee(): Callee | undefined {
    const { target } = this;
    if (target === undefined) return undefined;
    if (typeof target === 'function') return { receiver: target, self: this.settings.thisArgument };
    const held = target.deref();
    if (held === undefined) return undefined;
    return typeof held === 'function' ? { receiver: held, self: this.settings.thisArgument } : { receiver: held.receiver, self: held.owner };
  }

  /** The shared pair of a strong receiver that returned nothing. */
  get pair(): readonly [AnyFunction, undefined] {
    return (this.silentPair ??= Object.freeze([this.target as AnyFunction, undefined] as const));
  }
}

/**
 * The `Connection` of a registration whose sender is an object. It reaches the registration weakly: the receiver may close over the
 * sender, and holding a `Connection` must keep neither alive.
 */
export class KeyedConnection implements Connection {
  readonly keeper: Keeper;
  private readonly reference: WeakRef<Registration>;
  ties: readonly Tie[] | undefined = undefined;

  constructor(keeper: Keeper, registration: Registration) {
    this.keeper = keeper;
    this.reference = new WeakRef(registration);
  }

  get registration(): Registration | undefined {
    return this.reference.deref();
  }

  get signal(): AnySignal {
    return this.keeper.signal;
  }

  get receiver(): AnyFunction | undefined {
    return this.registration?.receiver;
  }

  get sender(): unknown {
    return this.registration?.sender;
  }

  get connected(): boolean {
    return this.registration?.connected ?? false;
  }

  disconnect(): boolean {
    const { registration } = this;
    if (registration !== undefined) return registration.disconnect();
    this.keeper.forget(this);
    return false;
  }

  [dispose](): void {
    this.disconnect();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return printed(this);
  }
}

/** The settings of a live connection, of this or another copy of the library. */
export function settingsOf(connection: Connection): Settings {
  const { settings, registration } = connection as { settings?: Settings; registration?: Registration };
  return settings ?? registration?.settings ?? PLAIN;
}

/** How a Connection is printed: what it connects, and not what it is made of. */
function printed({ signal, receiver, sender, connected }: Connection): string {
  if (!connected) return `Connection (ended) on ${signalName(signal)}`;
  return `Connection ${signalName(signal)} → ${nameOf(receiver)}${sender === undefined ? '' : ` for ${describe(sender)}`}`;
}

/** A membership to leave when a connection ends: of an owner's connections, or of an AbortSignal's. */
export interface Tie {
  leave(): void;
}
