import { describe, isClass, isObject } from './describe.ts';
import type { AbortSignalLike, AnyFunction } from './types.ts';

/**
 * Decorated static methods are held strongly and still called with their class as `this`, which no public option offers. The key
 * is registered so that a decorator of one copy of the library can connect to a signal of another.
 */
export const thisArgument: unique symbol = Symbol.for('tocsin/1.this') as never;

/** The checked options of a registration, less what must be held weakly. `PLAIN` is shared by every receiver without options. */
export interface Settings {
  readonly weak: boolean;
  readonly once: boolean;
  readonly subclasses: boolean;
  readonly afterCommit: boolean;
  readonly priority: number;
  /** `undefined`: none. */
  readonly dispatchUid: unknown;
  readonly signal: AbortSignalLike | undefined;
  readonly [thisArgument]: unknown;
}

/** What one call of `connect()` asks for. */
export interface ConnectRequest {
  /** `undefined` or `null`: every sender. */
  readonly sender: unknown;
  readonly owner: object | undefined;
  readonly replace: boolean;
  readonly settings: Settings;
}

/** Which registrations one call of `disconnect()` is about. */
export interface DisconnectRequest {
  readonly receiver: AnyFunction | undefined;
  readonly dispatchUid: unknown;
  readonly sender: unknown;
  readonly owner: object | undefined;
}

const CONNECT = {
  sender: undefined as unknown,
  subclasses: false,
  weak: false,
  owner: undefined as object | undefined,
  dispatchUid: undefined as unknown,
  replace: false,
  once: false,
  signal: undefined as AbortSignalLike | undefined,
  priority: 0,
  afterCommit: false,
  [thisArgument]: undefined as unknown,
};
const DISCONNECT = { sender: undefined as unknown, owner: undefined as object | undefined };

const DISCONNECT_BY_UID = { ...DISCONNECT, dispatchUid: undefined as unknown };

export const PLAIN: Settings = CONNECT;
const COMPARED = ['weak', 'once', 'subclasses', 'afterCommit', 'priority', 'signal', thisArgument] as const;
const PLAIN_REQUEST: ConnectRequest = { ...CONNECT, settings: PLAIN };

/** What an option may be, and what to say of anything else. */
type Rule = readonly [isValid: (value: unknown) => boolean, problem: string];
export const FLAG: Rule = [(value) => value === undefined || typeof value === 'boolean', 'must be true or false, not %'];

type Rules = Readonly<Record<string | symbol, Rule | undefined>>;

/** Those of each option that has one. `undefined` stands for the default where that is harmless. */
export const RULES = {
  sender: [
    isDefined,
    'is undefined, which would mean "every sender". The usual cause is a circle of imports: the class is not defined yet. Import its module first, or leave sender out (or pass null) to hear every sender.',
  ],
  owner: [isObject, "must be an object, not %: its lifetime decides the connection's"],
  dispatchUid: [isDefined, 'is undefined, which names nothing. Give any other value, or leave it out.'],
  signal: [(value) => value === undefined || isAbortSignal(value), 'must be an AbortSignal, not %. Pass controller.signal.'],
  priority: [(value) => value === undefined || Number.isFinite(value), 'must be a finite number, not %'],
  subclasses: FLAG,
  weak: FLAG,
  replace: FLAG,
  once: FLAG,
  afterCommit: FLAG,
  serial: FLAG,
} satisfies Rules;

/**
 * The options of one method, checked and complete. Throws a `TypeError` that quotes what is wrong and names the fix; an option that does
 * not exist is wrong, for a typo such as `sendr` must not mean "every sender".
 */
export function parseOptions<T extends object>(options: unknown = {}, method: string, defaults: T, rules: Rules = RULES): T {
  assertPlainObject(options, method);
  const parsed = { ...defaults };
  // engines make these two lists in half the time of Reflect.ownKeys()
  for (const keys of [Object.keys(options), Object.getOwnPropertySymbols(options)]) {
    for (const key of keys) {
      if (!Object.hasOwn(defaults, key)) throw unknownOption(key, method, Object.keys(defaults));
      const value = options[key];
      const rule = rules[key];
      if (rule !== undefined) assertOption(key, value, rule);
      if (value !== undefined) parsed[key as keyof T] = value as never;
    }
  }
  return parsed;
}

/** The options of `connect()`. */
export function parseConnectOptions(options: unknown, allowed: { readonly afterCommit: boolean }): ConnectRequest {
  if (options === undefined) return PLAIN_REQUEST;
  const settings = parseOptions(options, 'connect()', CONNECT);
  const { sender, owner, replace, weak, subclasses, dispatchUid } = settings;
  // a registration that held them would keep them alive
  settings.sender = settings.owner = undefined;
  if (settings.afterCommit && !allowed.afterCommit) {
    throw new TypeError('afterCommit is only for postSave, postDelete, m2mChanged and postBulk: the other signals come before a write');
  }
  if (weak && owner !== undefined) throw new TypeError('weak and owner exclude each other: an owner keeps its receiver alive. Leave weak out.');
  if (replace && dispatchUid === undefined) throw new TypeError('replace needs a dispatchUid: it names the registration to take over');
  // an ES5 constructor could have subclasses, too
  if (subclasses && !(typeof sender === 'function' && Object.hasOwn(sender, 'prototype'))) {
    throw new TypeError(`subclasses needs a class as sender, not ${sender === undefined || sender === null ? 'every sender' : describe(sender)}`);
  }
  const plain = owner === undefined && dispatchUid === undefined && difference(settings, PLAIN) === undefined;
  return { sender, owner, replace, settings: plain ? PLAIN : settings };
}

/** The arguments of `disconnect()`. */
export function parseDisconnect(receiver: unknown, options: unknown): DisconnectRequest {
  if (typeof receiver === 'function') return { ...parseOptions(options, 'disconnect()', DISCONNECT), receiver: receiver as AnyFunction, dispatchUid: undefined };
  const request = isObject(receiver) && options === undefined ? parseOptions(receiver, 'disconnect()', DISCONNECT_BY_UID) : undefined;
  if (request?.dispatchUid === undefined) throw new TypeError(`disconnect() needs a receiver or { dispatchUid } to go by, not ${describe(receiver)}`);
  return { ...request, receiver: undefined };
}

/** Throws unless `receiver` can be called. */
export function assertReceiver(receiver: unknown): asserts receiver is AnyFunction {
  if (typeof receiver !== 'function' || isClass(receiver)) {
    throw new TypeError(
      `A receiver must be a function (sender, args, signal) => …, not ${describe(receiver)}${
        typeof receiver === 'function' ? ': a class cannot be called. Connect one of its methods, with { owner }.' : ''
      }`,
    );
  }
}

/** The first setting in which two registrations of one identity differ. */
export function difference(a: Settings, b: Settings): keyof Settings | undefined {
  return COMPARED.find((key) => a[key] !== b[key]);
}

/** The own keys and values of an options object, each read once. */
export function entries(options: unknown, method: string): [key: string | symbol, value: unknown][] {
  assertPlainObject(options, method);
  return Reflect.ownKeys(options).map((key) => [key, options[key]]);
}

/** Throws if an option may not have that value. */
export function assertOption(name: string | symbol, value: unknown, [isValid, problem]: Rule): void {
  if (!isValid(value)) throw new TypeError(`${String(name)} ${problem.replace('%', () => describe(value))}`);
}

/** The error for an option that does not exist. */
export function unknownOption(key: string | symbol, method: string, known: readonly string[]): TypeError {
  return new TypeError(`Unknown option ${describe(key)} of ${method}; it takes ${known.join(', ')}`);
}

/** Throws unless it is an object that nobody has given a class, in any realm, such as that of a test runner. */
function assertPlainObject(options: unknown, method: string): asserts options is Record<string | symbol, unknown> {
  const prototype: unknown = typeof options === 'object' && options !== null ? Object.getPrototypeOf(options) : options;
  if (prototype === null ? options === null : prototype === options || Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`The options of ${method} must be a plain object, not ${describe(options)}`);
  }
}

function isDefined(value: unknown): boolean {
  return value !== undefined;
}

/** An `AbortSignal` of any realm or polyfill, recognised by what it can do. */
function isAbortSignal(value: unknown): boolean {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignalLike>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
}
