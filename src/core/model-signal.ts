import { deferred, ignoreRollback, runImmediately } from './after-commit.ts';
import { describe, isObject } from './describe.ts';
import type { Kind } from './kind.ts';
import { assertOption, FLAG, type Rule, RULES } from './options.ts';

/** What a model signal is sent with, key by key. */
export type Payload = Readonly<Record<string, unknown>>;

/**
 * A signal about models. Payloads sent by hand are completed in a copy, and only if someone listens; a complete
 * payload, as every ORM adapter makes it, is passed on by identity.
 *
 * @param comesAfter - whether it is sent after a write, so that receivers can ask to be called after its commit
 * @param defaults - of keys that a payload sent by hand may leave out
 */
export function modelKind(comesAfter: boolean, defaults: (args: Payload) => Payload): Kind {
  return {
    rules: { ...RULES, sender: classItself, afterCommit: comesAfter ? FLAG : RULES.afterCommit },
    complete(signal, sender, args) {
      assertOption('sender', sender ?? null, classItself);
      if (!signal.hasListeners(sender)) return args as object;
      if (!isObject(args))
        throw new TypeError(`${signal.name} is sent with a payload, an object, not ${describe(args)}`);
      const all: Payload = {
        using: 'default',
        onCommit: runImmediately(signal, sender),
        onRollback: ignoreRollback,
        ...defaults(args as Payload),
      };
      const absent = Object.keys(all).filter((key) => (args as Payload)[key] === undefined);
      return absent.length === 0 ? args : { ...args, ...Object.fromEntries(absent.map((key) => [key, all[key]])) };
    },
    defers: deferred,
  };
}

/**
 * `() => User` is what other libraries take for a class that is not defined yet; here it would be a sender that never
 * sends.
 */
const classItself: Rule = (value) =>
  typeof value === 'function' && !Object.hasOwn(value, 'prototype')
    ? 'must be the class itself, not % that returns it'
    : RULES.sender(value);
