import { describe, nameOf, signalName } from './describe.ts';
import { dispose } from './dispose.ts';
import type { FewMap } from './few-map.ts';
import { PLAIN, type Settings, thisArgument } from './options.ts';
import { watching } from './watching.ts';
import type { AbortSignalLike, AnyFunction, AnySignal, Connection } from './types.ts';

/** The registry of one signal, as far as a connection needs it. */
export interface Keeper {
  readonly signal: AnySignal;
  /** End a connection; true if it could have been called until then. */
  end(connection: Handle): boolean;
}

/** The bucket that a registration lives in. */
export interface Home {
  readonly keeper: Keeper;
  readonly sender: unknown;
  readonly registrations: Pick<FewMap<unknown, Registration>, 'size' | 'values'>;
  /** Take out one that has not ended yet, of which that is left to call. */
  remove(registration: Registration, callee: Callee | undefined): void;
}

/** A function to call, and its `this`. */
export interface Callee {
  readonly receiver: AnyFunction;
  readonly self: unknown;
}

/**
 * What an owner keeps alive: reachable only through a WeakMap keyed by the owner, so that neither it nor a receiver
 * that closes over the owner outlives the owner.
 */
export interface Hold extends Callee {
  readonly registration: Registration;
}

/** The connections of an AbortSignal, to leave when one ends. */
export interface Group {
  readonly abortSignal: AbortSignalLike;
  leave(connection: Handle): void;
}

/** What every `Connection` has in common. */
export abstract class Handle implements Connection {
  /** Those of the AbortSignals that it lasts as long as one of; without any it lasts. */
  groups: Group[] | undefined = undefined;
  /** The one reference by which all of them know it. */
  reference: WeakRef<Handle> | undefined = undefined;

  abstract readonly registration: Registration | undefined;
  protected abstract readonly keeper: Keeper;

  get signal(): AnySignal {
    return this.keeper.signal;
  }

  get receiver(): AnyFunction | undefined {
    return this.registration?.callee()?.receiver;
  }

  get sender(): unknown {
    return this.connected ? this.registration?.home.sender : undefined;
  }

  get connected(): boolean {
    return this.receiver !== undefined;
  }

  disconnect(): boolean {
    const ended = this.keeper.end(this);
    watching.changed?.(this.signal);
    return ended;
  }

  [dispose](): void {
    this.disconnect();
  }

  /** How it is printed: what it connects, and not what it is made of. */
  toString(): string {
    const { signal, receiver, sender } = this;
    const subject =
      receiver === undefined
        ? '(ended)'
        : `${nameOf(receiver)}${sender === undefined ? '' : ` for ${describe(sender)}`}`;
    return `Connection ${signalName(signal)} → ${subject}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * One receiver on one signal. It is its own `Connection`, unless its sender is an object: then it lives and dies with
 * the sender, and users hold a `KeyedConnection` instead.
 */
export class Registration extends Handle {
  readonly home: Home;
  readonly order: number;
  settings: Settings;
  /** The receiver, or a weak way to it; `undefined` once ended. */
  target: AnyFunction | WeakRef<AnyFunction> | WeakRef<Hold> | undefined;
  connection: Handle = this;

  constructor(home: Home, order: number, settings: Settings, target: Registration['target']) {
    super();
    this.home = home;
    this.order = order;
    this.settings = settings;
    this.target = target;
  }

  get registration(): this {
    return this;
  }

  get keeper(): Keeper {
    return this.home.keeper;
  }

  /** A strong receiver that is called as it is, as often as there are sends, and at once. */
  get plain(): boolean {
    const { target, settings } = this;
    return (
      typeof target === 'function' && !settings.once && !settings.afterCommit && settings[thisArgument] === undefined
    );
  }

  /** What to call, if it has neither ended nor been collected. */
  callee(): Callee | undefined {
    const { target } = this;
    const held = typeof target === 'function' ? target : target?.deref();
    return typeof held === 'function' ? { receiver: held, self: this.settings[thisArgument] } : held;
  }
}

/** The `Connection` of a registration that lives in the world of its sender: it reaches in weakly. */
export class KeyedConnection extends Handle {
  readonly keeper: Keeper;
  private readonly inside: WeakRef<Registration>;

  constructor(keeper: Keeper, registration: Registration) {
    super();
    this.keeper = keeper;
    this.inside = new WeakRef(registration);
  }

  get registration(): Registration | undefined {
    return this.inside.deref();
  }
}

/** How a live connection, of this or another copy of the library, is held, and its settings. */
export function settingsOf(connection: Connection): Settings & { readonly lifetime: 'strong' | 'weak' | 'owner' } {
  const { registration } = connection as Partial<Handle>;
  const settings = registration?.settings ?? PLAIN;
  return {
    ...settings,
    lifetime: settings.weak ? 'weak' : typeof registration?.target === 'object' ? 'owner' : 'strong',
  };
}
