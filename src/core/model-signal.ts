import { atOnce, deferred } from './after-commit.ts';
import { describe, isObject } from './describe.ts';
import type { Registration } from './registration.ts';
import { Signal } from './signal.ts';
import type { Following } from './tools.ts';
import type { AnyFunction, Outcomes, Responses, SendAsyncOptions } from './types.ts';

/** What a kind of model signal does beyond a plain signal. */
export interface ModelSignalRules {
  /** Whether it is sent after a write, so that receivers can ask to be called after its commit. */
  readonly afterCommit: boolean;
  /** What a payload sent by hand may leave out beside what all kinds may, less the keys whose default is undefined. */
  defaults(args: { readonly instance?: unknown }): Readonly<Record<string, unknown>>;
}

/**
 * A signal about models. Payloads sent by hand are completed in a copy, and only if someone listens; a complete payload, as every ORM
 * adapter makes it, is passed on by identity.
 */
export class ModelSignalDispatcher extends Signal<object> {
  private readonly rules: ModelSignalRules;

  constructor(name: string, rules: ModelSignalRules) {
    super(name);
    this.rules = rules;
  }

  override get afterCommit(): boolean {
    return this.rules.afterCommit;
  }

  override check(receiver: AnyFunction | undefined, options: unknown): void {
    assertNoThunk((options as { sender?: unknown } | null | undefined)?.sender);
    super.check(receiver, options);
  }

  override connect(receiver: AnyFunction, options?: object): ReturnType<Signal['connect']> {
    assertNoThunk((options as { sender?: unknown } | null | undefined)?.sender);
    return super.connect(receiver, options as never);
  }

  override send(sender: unknown, args: object): Responses<unknown> {
    return super.send(sender, this.complete(sender, args));
  }

  override sendRobust(sender: unknown, args: object): Outcomes<unknown> {
    return super.sendRobust(sender, this.complete(sender, args));
  }

  override async sendAsync(sender: unknown, args: object, options?: SendAsyncOptions): Promise<Responses<unknown>> {
    return super.sendAsync(sender, this.complete(sender, args), options);
  }

  override async sendRobustAsync(sender: unknown, args: object, options?: SendAsyncOptions): Promise<Outcomes<unknown>> {
    return super.sendRobustAsync(sender, this.complete(sender, args), options);
  }

  /** @internal Whether the call of an `afterCommit` receiver is put off until the commit; outside a transaction it is not. */
  defers(registration: Registration, sender: unknown, args: object, following: Following | undefined): boolean {
    return deferred(registration, this, sender, args, following);
  }

  private complete(sender: unknown, args: object): object {
    assertNoThunk(sender);
    if (!this.hasListeners(sender)) return args;
    if (!isObject(args)) throw new TypeError(`${this.name} is sent with a payload, an object, not ${describe(args)}`);
    const defaults: Readonly<Record<string, unknown>> = {
      using: 'default',
      onCommit: atOnce(this, sender),
      ...this.rules.defaults(args),
    };
    const absent = Object.keys(defaults).filter((key) => (args as Record<string, unknown>)[key] === undefined);
    return absent.length === 0 ? args : { ...args, ...Object.fromEntries(absent.map((key) => [key, defaults[key]])) };
  }
}

/** `() => User` is what other libraries take for a class that is not defined yet; here it would be a sender that never sends. */
function assertNoThunk(sender: unknown): void {
  if (typeof sender === 'function' && !Object.hasOwn(sender, 'prototype')) {
    throw new TypeError(`The sender of a model signal is the class itself, not ${describe(sender)} that returns it`);
  }
}
