import { atOnce, deferred } from './after-commit.ts';
import { describe, isObject } from './describe.ts';
import { assertOption, FLAG, type Rule, RULES, type Rules } from './options.ts';
import type { Registration } from './registration.ts';
import { Signal } from './signal.ts';
import type { Following } from './tools.ts';

/** What a model signal is sent with, key by key. */
export type Payload = Readonly<Record<string, unknown>>;

/**
 * A signal about models. Payloads sent by hand are completed in a copy, and only if someone listens; a complete payload, as every ORM
 * adapter makes it, is passed on by identity.
 */
export class ModelSignalDispatcher extends Signal<object> {
  override readonly rules: Rules;
  private readonly defaults: (args: Payload) => Payload;

  /**
   * @param comesAfter - whether it is sent after a write, so that receivers can ask to be called after its commit
   * @param defaults - of keys that a payload sent by hand may leave out
   */
  constructor(name: string, comesAfter: boolean, defaults: (args: Payload) => Payload) {
    super(name);
    this.rules = { ...RULES, sender: classItself, afterCommit: comesAfter ? FLAG : RULES.afterCommit };
    this.defaults = defaults;
  }

  override prepare(sender: unknown, args: object | undefined): object {
    assertOption('sender', sender ?? null, classItself);
    if (!this.hasListeners(sender)) return args as object;
    if (!isObject(args)) throw new TypeError(`${this.name} is sent with a payload, an object, not ${describe(args)}`);
    const defaults: Payload = { using: 'default', onCommit: atOnce(this, sender), ...this.defaults(args as Payload) };
    const absent = Object.keys(defaults).filter((key) => (args as Payload)[key] === undefined);
    return absent.length === 0 ? args : { ...args, ...Object.fromEntries(absent.map((key) => [key, defaults[key]])) };
  }

  /** @internal Whether the call of an `afterCommit` receiver is put off until the commit; outside a transaction it is not. */
  defers(registration: Registration, sender: unknown, args: object, following: Following | undefined): boolean {
    return deferred(registration, this, sender, args, following);
  }
}

/** `() => User` is what other libraries take for a class that is not defined yet; here it would be a sender that never sends. */
const classItself: Rule = (value) =>
  typeof value === 'function' && !Object.hasOwn(value, 'prototype') ? 'must be the class itself, not % that returns it' : RULES.sender(value);
