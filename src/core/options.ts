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
  readonly owned: boolean;
  readonly once: boolean;
  readonly subclasses: boolean;
  readonly afterCommit: boolean;
  readonly priority: number;
  /** `undefined`: none. */
  readonly dispatchUid: unknown;
  readonly abortSignal: AbortSignalLike | undefined;
  readonly thisArgument: unknown;
}

/** What one call of `connect()` asks for. */
export interface ConnectRequest {
  /** `undefined`: every sender. */
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

export const PLAIN: Settings = Object.freeze({
  weak: false,
  owned: false,
  once: false,
  subclasses: false,
  afterCommit: false,
  priority: 0,
  dispatchUid: undefined,
  abortSignal: undefined,
  thisArgument: undefined,
});

const PLAIN_REQUEST: ConnectRequest = Object.freeze({ sender: undefined, owner: undefined, replace: false, settings: PLAIN });

const LOST_SENDER =
  'sender is undefined, which would mean "every sender". The usual cause is a circle of imports: the class is not defined yet when ' +
  'this line runs. Import its module first, or leave the key out (or pass null) to hear every sender.';

/** The options of `connect()`, checked and complete. Throws a `TypeError` that quotes what is wrong and names the fix. */
export function parseConnectOptions(options: unknown, allowed: { readonly afterCommit: boolean }): ConnectRequest {
  if (options === undefined) return PLAIN_REQUEST;
  let { sender, owner, replace } = PLAIN_REQUEST;
  const settings: { -readonly [K in keyof Settings]: Settings[K] } = { ...PLAIN };
  let plain = true;
  for (const [key, value] of entries(options, 'connect()')) {
    if (key === 'sender') {
      sender = parseSender(value);
      continue;
    }
    plain = false;
    switch (key) {
      case 'owner':
        owner = parseOwner(value);
        settings.owned = true;
        break;
      case 'weak':
      case 'once':
      case 'subclasses':
        settings[key] = parseFlag(key, value);
        break;
      case 'replace':
        replace = parseFlag(key, value);
        break;
      case 'afterCommit':
        if (!allowed.afterCommit) {
          throw new TypeError('afterCommit is only for postSave, postDelete, m2mChanged and postBulk: the other signals come before a write');
        }
        settings.afterCommit = parseFlag(key, value);
        break;
      case 'dispatchUid':
        settings.dispatchUid = parseDispatchUid(value);
        break;
      case 'priority':
        settings.priority = parsePriority(value);
        break;
      case 'signal':
        settings.abortSignal = parseAbortSignal(value);
        break;
      case thisArgument:
        settings.thisArgument = value;
        break;
      default:
        throw unknownOption(key, 'connect()', CONNECT_OPTIONS);
    }
  }
  if (settings.weak && settings.owned) {
    throw new TypeError('weak and owner exclude each other: with an owner the receiver lives as long as the owner. Leave weak out.');
  }
  if (replace && settings.dispatchUid === undefined) {
    throw new TypeError('replace needs a dispatchUid: it names the registration to take over');
  }
  if (settings.subclasses && !isConstructor(sender)) {
    throw new TypeError(`subclasses needs a class as sender, not ${sender === undefined ? 'every sender' : describe(sender)}`);
  }
  return { sender, owner, replace, settings: plain ? PLAIN : settings };
}

/** The arguments of `disconnect()`, checked. */
export function parseDisconnect(receiver: unknown, options: unknown): DisconnectRequest {
  let dispatchUid: unknown;
  let sender: unknown;
  let owner: object | undefined;
  const byUid = typeof receiver !== 'function';
  if (byUid && (!isObject(receiver) || options !== undefined)) {
    throw new TypeError(
      `disconnect() needs a receiver or { dispatchUid } to go by, not ${describe(receiver)}. To end one registration, keep the Connection that connect() returns.`,
    );
  }
  const given = byUid ? receiver : options;
  if (given !== undefined) {
    for (const [key, value] of entries(given, 'disconnect()')) {
      if (key === 'sender') sender = parseSender(value);
      else if (key === 'owner') owner = parseOwner(value);
      else if (key === 'dispatchUid' && byUid) dispatchUid = parseDispatchUid(value);
      else throw unknownOption(key, 'disconnect()', byUid ? ['dispatchUid', 'sender', 'owner'] : ['sender', 'owner']);
    }
  }
  if (byUid && dispatchUid === undefined) {
    throw new TypeError('disconnect() needs something to go by: a receiver, or { dispatchUid }');
  }
  return { receiver: byUid ? undefined : (receiver as AnyFunction), dispatchUid, sender, owner };
}

/** Throws unless `receiver` can be called. */
export function assertReceiver(receiver: unknown): asserts receiver is AnyFunction {
  if (typeof receiver !== 'function') {
    throw new TypeError(`A receiver must be a function (sender, args, signal) => …, not ${describe(receiver)}`);
  }
  if (isClass(receiver)) {
    throw new TypeError(`A receiver must be a function, not ${describe(receiver)}: a class cannot be called. Connect one of its methods, with { owner }.`);
  }
}

/** Whether two registrations of one identity ask for the same. */
export function sameSettings(a: Settings, b: Settings): boolean {
  return (
    a === b ||
    (a.weak === b.weak &&
      a.once === b.once &&
      a.subclasses === b.subclasses &&
      a.afterCommit === b.afterCommit &&
      a.priority === b.priority &&
      a.abortSignal === b.abortSignal &&
      a.thisArgument === b.thisArgument)
  );
}

/** The own keys and values of an options object, each read once. */
export function* entries(options: unknown, method: string): Generator<[key: string | symbol, value: unknown]> {
  if (!isPlainObject(options)) {
    throw new TypeError(`The options of ${method} must be a plain object, not ${describe(options)}`);
  }
  for (const key of Reflect.ownKeys(options)) yield [key, options[key]];
}

/** The error for an option that does not exist: a typo such as `sendr` must not mean "every sender". */
export function unknownOption(key: string | symbol, method: string, known: readonly string[]): TypeError {
  return new TypeError(`Unknown option ${describe(key)} of ${method}; it takes ${known.join(', ')}`);
}

/** A boolean option; `undefined` stands for `false`. */
export function parseFlag(name: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, not ${describe(value)}`);
  return value;
}

/** An `AbortSignal` of any realm or polyfill, recognised by what it can do; `undefined` stands for none. */
export function parseAbortSignal(value: unknown): AbortSignalLike | undefined {
  if (value !== undefined && !isAbortSignal(value)) {
    throw new TypeError(`signal must be an AbortSignal, not ${describe(value)}. Pass controller.signal.`);
  }
  return value;
}

/** A sender to listen to: `undefined` stands for every sender, and only `null` or leaving the key out asks for that. */
export function parseSender(value: unknown): unknown {
  if (value === undefined) throw new TypeError(LOST_SENDER);
  return value ?? undefined;
}

const CONNECT_OPTIONS = ['sender', 'subclasses', 'weak', 'owner', 'dispatchUid', 'replace', 'once', 'signal', 'priority', 'afterCommit (after-write model signals)'];

function parseOwner(value: unknown): object {
  if (!isObject(value)) throw new TypeError(`owner must be an object, not ${describe(value)}: its lifetime decides the connection's`);
  return value;
}

function parseDispatchUid(value: unknown): unknown {
  if (value === undefined) throw new TypeError('dispatchUid is undefined, which names nothing. Give any other value, or leave the key out.');
  return value;
}

function parsePriority(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError(`priority must be a finite number, not ${describe(value)}`);
  // -0 and 0 are one priority
  return value + 0;
}

function isAbortSignal(value: unknown): value is AbortSignalLike {
  if (!isObject(value)) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignalLike>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';
}

/** A function that has, or as an ES5 constructor could have, subclasses. */
function isConstructor(value: unknown): boolean {
  return typeof value === 'function' && Object.hasOwn(value, 'prototype');
}

function isPlainObject(value: unknown): value is Record<string | symbol, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // the second test is for an Object.prototype of another realm, such as a test runner's
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
