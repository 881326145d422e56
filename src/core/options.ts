import { describe, isClass, isObject } from './describe.ts';
import type { AbortSignalLike, AnyFunction } from './types.ts';

/**
 * Decorated static methods are held strongly and still called with their class as `this`, which no public option
 * offers. The key is registered so that a decorator of one copy of the library can connect to a signal of another.
 */
export const thisArgument: unique symbol = Symbol.for('tocsin/1.this') as never;

/**
 * The checked options of a registration, less what must be held weakly. `PLAIN` is shared by every receiver without
 * options.
 */
export interface Settings {
  readonly weak: boolean;
  readonly replace: boolean;
  readonly once: boolean;
  readonly subclasses: boolean;
  readonly afterCommit: boolean;
  readonly priority: number;
  /** `undefined`: none. */
  readonly dispatchUid: unknown;
  readonly [thisArgument]: unknown;
}

/** What one call of `connect()` asks for. */
export interface ConnectRequest {
  /** `undefined` or `null`: every sender. */
  readonly sender: unknown;
  readonly owner: object | undefined;
  /** How long it lasts, which is no part of what it is: several may hold one registration. */
  readonly signal: AbortSignalLike | undefined;
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

/** Options of which none is kept apart. */
const NONE = {};

export const PLAIN: Settings = CONNECT;
const COMPARED = /* @__PURE__ */ Reflect.ownKeys(CONNECT).filter(
  (key) => key !== 'replace' && key !== 'dispatchUid',
) as (keyof Settings)[];
const PLAIN_REQUEST: ConnectRequest = { ...DISCONNECT, signal: undefined, settings: PLAIN };

/** What is wrong with the value of an option, if anything is. `%` stands for the value. */
export type Rule = (value: unknown) => string | false;

export type Rules = Readonly<Record<string | symbol, Rule | undefined>>;

/** True or false. As elsewhere, `undefined` stands for the default where that is harmless. */
export const FLAG: Rule = (value = false) => typeof value !== 'boolean' && 'must be true or false, not %';

/** Those of each option that has one. */
export const RULES = {
  sender: (value) =>
    value === undefined &&
    'is undefined, usually by a circle of imports: import its module first. For every sender leave it out, or pass null.',
  owner: (value) => !isObject(value) && 'must be an object, not %',
  dispatchUid: (value) => value === undefined && 'is undefined, which names nothing',
  signal: (value) =>
    value !== undefined && !isAbortSignal(value) && 'must be an AbortSignal, not %. Pass controller.signal.',
  priority: (value = 0) => !Number.isFinite(value) && 'must be a finite number, not %',
  subclasses: FLAG,
  weak: FLAG,
  replace: FLAG,
  once: FLAG,
  serial: FLAG,
  afterCommit: (value = false) =>
    value !== false && 'is only for postSave, postDelete, m2mChanged and postBulk, which come after a write',
} satisfies Rules;

/**
 * The options of one method, checked and complete. Throws a `TypeError` that quotes what is wrong and names the fix; an
 * option that does not exist is wrong, for a typo such as `sendr` must not mean "every sender". Those that `apart` has
 * go there; if the others are what they are by default, the defaults themselves are returned: copies cost time.
 */
export function parseOptions<T extends object>(
  options: unknown = {},
  method: string,
  defaults: T,
  rules: Rules = RULES,
  apart: object = NONE,
): T {
  assertPlainObject(options, method);
  let parsed = defaults;
  // engines make these two lists in half the time of Reflect.ownKeys()
  for (const keys of [Object.keys(options), Object.getOwnPropertySymbols(options)]) {
    for (const key of keys) {
      if (!Object.hasOwn(defaults, key)) throw unknownOption(key, method, Object.keys(defaults));
      const value = options[key];
      assertOption(key, value, rules[key]);
      if (Object.hasOwn(apart, key)) (apart as Record<string | symbol, unknown>)[key] = value;
      else if (value !== undefined && value !== defaults[key as keyof T]) {
        if (parsed === defaults) parsed = { ...defaults };
        parsed[key as keyof T] = value as never;
      }
    }
  }
  return parsed;
}

/** The options of `connect()`. */
export function parseConnectOptions(options: unknown, rules: Rules): ConnectRequest {
  if (options === undefined) return PLAIN_REQUEST;
  // a registration that held these would keep them alive
  const lifetime = { sender: undefined as unknown, owner: undefined as object | undefined, signal: CONNECT.signal };
  const settings = parseOptions(options, 'connect()', CONNECT, rules, lifetime);
  const { sender, owner, signal } = lifetime;
  if (settings.weak && owner !== undefined)
    throw new TypeError(
      'weak and owner exclude each other: an owner, such as the instance of a decorated method, keeps its receiver alive',
    );
  if (settings.replace && settings.dispatchUid === undefined)
    throw new TypeError('replace needs a dispatchUid: it names what to take over');
  // an ES5 constructor could have subclasses, too
  if (settings.subclasses && !(typeof sender === 'function' && Object.hasOwn(sender, 'prototype'))) {
    throw new TypeError(`subclasses needs a class as sender, not ${describe(sender)}`);
  }
  return { sender, owner, signal, settings };
}

/** The arguments of `disconnect()`. */
export function parseDisconnect(receiver: unknown, options: unknown): DisconnectRequest {
  const isReceiver = typeof receiver === 'function';
  const given = isReceiver ? options : isObject(receiver) ? receiver : undefined;
  const request = {
    dispatchUid: undefined as unknown,
    ...parseOptions(given, 'disconnect()', isReceiver ? DISCONNECT : DISCONNECT_BY_UID),
  };
  if (!isReceiver && (request.dispatchUid === undefined || options !== undefined))
    throw new TypeError(`disconnect() needs a receiver or { dispatchUid } to go by, not ${describe(receiver)}`);
  return { ...request, receiver: isReceiver ? (receiver as AnyFunction) : undefined };
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
export function assertOption(name: string | symbol, value: unknown, rule: Rule | undefined): void {
  const problem = rule?.(value);
  if (problem) throw new TypeError(`${String(name)} ${problem.replace('%', () => describe(value))}`);
}

/** The error for an option that does not exist. */
export function unknownOption(key: string | symbol, method: string, known: readonly string[]): TypeError {
  return new TypeError(`Unknown option ${describe(key)} of ${method}; it takes ${known.join(', ')}`);
}

/** Throws unless it is an object that nobody has given a class, in any realm, such as that of a test runner. */
function assertPlainObject(options: unknown, method: string): asserts options is Record<string | symbol, unknown> {
  if (
    typeof options !== 'object' ||
    options === null ||
    Object.getPrototypeOf(Object.getPrototypeOf(options) ?? Object.prototype) !== null
  ) {
    throw new TypeError(`The options of ${method} must be a plain object, not ${describe(options)}`);
  }
}

/** An `AbortSignal` of any realm or polyfill, recognised by what it can do. */
function isAbortSignal(value: unknown): boolean {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignalLike>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}
