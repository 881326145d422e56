import { describe, signalName } from './describe.ts';
import * as dispatch from './dispatch.ts';
import { everySignal } from './every-signal.ts';
import { currentPlan, onlyReceiver, onlySilence, type Ready } from './plan.ts';
import { Registry, registry } from './registry.ts';
import { send } from './send.ts';
import { tools } from './tools.ts';
import type {
  AnyFunction,
  AnySignal,
  ConnectOptions,
  Connection,
  DisconnectOptions,
  DispatchUidOptions,
  Outcomes,
  ReceiverThis,
  Responses,
  SendArguments,
  SendAsyncArguments,
  SenderConnectOptions,
} from './types.ts';

/** A function that a signal calls: `receiver(sender, args, signal)`. It may declare fewer parameters. */
export type Receiver<
  TArgs extends object = Record<string, never>,
  TSender = unknown,
  TResponse = unknown,
  TThis = void,
> = (this: TThis, sender: TSender, args: TArgs, signal: Signal<TArgs, TSender, TResponse>) => TResponse;

/**
 * Something that happens, and everyone who asked to hear of it.
 *
 * The sender of a send is the subject it is about, typically a class; a receiver hears every sender or just one.
 * Dispatch is synchronous, in the caller's stack and async context: higher `priority` first, then connect order;
 * depth-first when a receiver sends again. The list of receivers is fixed when a send starts: one connected meanwhile
 * waits for the next send, one disconnected meanwhile is not called any more. A signal keeps no state of a send, so it
 * is sound after any throw.
 *
 * Receivers are held **strongly** by default, unlike in Django. Object senders and owners are held weakly. A signal
 * that nobody holds is collected, whatever it was connected with.
 *
 * @typeParam TArgs - the payload, an object
 * @typeParam TSender - what may send, `unknown` for anything
 * @typeParam TResponse - what receivers return
 * @example
 * ```ts
 * const pizzaDone = new Signal<{ toppings: string[]; size: number }>('pizzaDone')
 * const kitchen = { name: 'Napoli' }
 *
 * pizzaDone.connect((sender, { toppings }) => `${toppings.length} toppings`)
 *
 * const [[receiver, response]] = pizzaDone.send(kitchen, { toppings: ['basil'], size: 30 })
 * response // '1 toppings'
 * ```
 */
export class Signal<TArgs extends object = Record<string, never>, TSender = unknown, TResponse = unknown> {
  /** For people: it stands in errors, traces and listings. `''` if none was given. */
  readonly name: string;
  /** @internal Replaced while a test isolates the signal. */
  [registry]: Registry;
  /** @internal */
  [onlyReceiver]: Ready[typeof onlyReceiver] = undefined;
  /** @internal */
  [onlySilence]: Ready[typeof onlySilence] = undefined;
  /** @internal */
  [currentPlan]: Ready[typeof currentPlan] = undefined;

  /** @throws TypeError if `name` is not a string. */
  constructor(name = '') {
    if (typeof name !== 'string') throw new TypeError(`A signal's name must be a string, not ${describe(name)}`);
    this.name = name;
    this[registry] = new Registry(this);
    everySignal.add(new WeakRef(this));
  }

  /**
   * Register a receiver. From the next send on it is called as `receiver(sender, args, signal)`, with `this` being
   * `undefined`, or the `owner`.
   *
   * A registration is identified by (`dispatchUid`, else receiver), `owner` and `sender`. Connecting the same again
   * with the same options changes nothing, keeps its place and returns the existing `Connection`, which ends it for
   * everyone. The same receiver with another sender is another registration: one for every sender and one for `User`
   * are two calls when `User` sends.
   *
   * A connection lasts until it is disconnected, its AbortSignal aborts, or its `sender` or `owner` (or with `weak`,
   * the receiver) is collected. It keeps neither sender nor owner alive, even if the receiver refers to them.
   *
   * @throws TypeError if the receiver is not callable or is a class, if an option is unknown, wrong or `sender:
   * undefined`, or if the same registration exists with other options. Nothing is registered then.
   * @example
   * ```ts
   * class User {}
   * const saved = new Signal<{ created: boolean }>('saved')
   * const connection = saved.connect((sender, { created }) => created, { sender: User, priority: 10 })
   * saved.send(User, { created: true }).length // 1
   * connection.disconnect() // true
   * ```
   */
  connect<S extends TSender, TOwner extends object | undefined = undefined>(
    receiver: (this: ReceiverThis<NoInfer<TOwner>>, sender: S, args: TArgs, signal: this) => TResponse,
    options: SenderConnectOptions<S, TOwner>,
  ): Connection;
  connect<TOwner extends object | undefined = undefined>(
    receiver: (this: ReceiverThis<NoInfer<TOwner>>, sender: TSender, args: TArgs, signal: this) => TResponse,
    options?: ConnectOptions<TOwner>,
  ): Connection;
  connect(receiver: AnyFunction, options?: unknown): Connection {
    const connection = this[registry].connect(receiver, options);
    tools.current?.connected(connection);
    return connection;
  }

  /**
   * End a registration, found as it was connected: by its receiver, or by its uid if it has one, and by `sender` and
   * `owner` if it was given those. `disconnect(receiver)` ends the registration for every sender only; one with a uid
   * is ended by uid only.
   *
   * @returns true if something ended, false if there was nothing to end.
   * @throws TypeError if there is nothing to go by, or an option is unknown or wrong.
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * const log = () => 'saved'
   * saved.connect(log, { dispatchUid: 'log' })
   * saved.disconnect(log) // false: it has a uid
   * saved.disconnect({ dispatchUid: 'log' }) // true
   * ```
   */
  disconnect(receiver: AnyFunction, options?: DisconnectOptions): boolean;
  disconnect(options: DispatchUidOptions): boolean;
  disconnect(receiver: unknown, options?: unknown): boolean {
    return this[registry].disconnect(receiver, options);
  }

  /**
   * Whether `send(sender)` would call a live receiver now. Without a sender (or `undefined`, `null`): whether one hears
   * every sender.
   *
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * saved.connect(() => 'heard', { sender: 'orders' })
   * saved.hasListeners('orders') // true
   * saved.hasListeners() // false
   * ```
   */
  hasListeners(sender?: TSender): boolean {
    return this[registry].hasListeners(sender) || tools.current?.hears(this, sender) === true;
  }

  /** The live connections of all senders in dispatch order: a fresh array on each access. */
  get connections(): readonly Connection[] {
    return this[registry].connections();
  }

  /**
   * Call every receiver of `sender` now, one after the other. The first throw propagates unchanged and stops the rest.
   *
   * A promise that a receiver returns is its response, untouched; its rejection is yours to handle. Receivers share
   * `args`, which is passed by identity. Without `args` they get one shared, frozen, empty object.
   *
   * @returns `[receiver, response]` for each receiver called, in call order. The array may be shared and frozen.
   * @throws whatever a receiver throws.
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * saved.connect(() => 'mailed')
   * saved.send('orders').map(([, response]) => response) // ['mailed']
   * ```
   */
  send(sender: TSender, ...args: SendArguments<TArgs>): Responses<TResponse>;
  send(sender: TSender, args?: object): Responses<unknown> {
    return send(this, sender, args);
  }

  /**
   * Call every receiver, whatever the others do. Returning an `Error` and throwing one are different outcomes; any
   * thrown value counts.
   *
   * A returned promise is a fulfilled outcome at once; should it reject later, the rejection is reported (`onError()`)
   * and never unhandled. Inside an SQL transaction give each receiver a savepoint: a query error that is swallowed
   * dooms the transaction all the same, and many databases then roll back at COMMIT without saying so.
   *
   * @returns `[receiver, outcome]` for each receiver called, in call order; the outcome is as in
   * `Promise.allSettled()`.
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * saved.connect(() => { throw new Error('mail server down') })
   * const [[, outcome]] = saved.sendRobust('orders')
   * outcome.status // 'rejected'
   * ```
   */
  sendRobust(sender: TSender, ...args: SendArguments<TArgs>): Outcomes<TResponse>;
  sendRobust(sender: TSender, args?: object): Outcomes<unknown> {
    return dispatch.sendRobust(this, sender, args);
  }

  /**
   * Call every receiver and wait for what they return. Never throws synchronously.
   *
   * By default all are started, in order, before this returns. A receiver that throws synchronously stops further ones
   * from starting, and the promise settles only after every started receiver has. With `serial: true` each starts after
   * the one before has settled, if it is still connected then, and the first failure stops the rest.
   *
   * @returns `[receiver, awaited response]` for each receiver called, in call order.
   * @throws (as a rejection) the very error of the one receiver that failed; an `AggregateError` in call order if
   * several did; a `TypeError` for a wrong option.
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * saved.connect(async () => 'mailed')
   * const responses = await saved.sendAsync('orders')
   * responses.map(([, response]) => response) // ['mailed']
   * ```
   */
  sendAsync(sender: TSender, ...args: SendAsyncArguments<TArgs>): Promise<Responses<Awaited<TResponse>>>;
  sendAsync(sender: TSender, args?: object, options?: unknown): Promise<Responses<unknown>> {
    return dispatch.sendAsync(this, sender, args, options, 'sendAsync');
  }

  /**
   * Call every receiver, wait for all, and give each one's outcome. Everyone is called, with `serial: true` one after
   * the other. Rejects only for a wrong option. In an SQL transaction the remark at `sendRobust()` holds.
   *
   * @returns `[receiver, outcome]` for each receiver called, in call order.
   * @example
   * ```ts
   * const saved = new Signal('saved')
   * saved.connect(async () => { throw new Error('mail server down') })
   * const [[, outcome]] = await saved.sendRobustAsync('orders')
   * outcome.status // 'rejected'
   * ```
   */
  sendRobustAsync(sender: TSender, ...args: SendAsyncArguments<TArgs>): Promise<Outcomes<Awaited<TResponse>>>;
  sendRobustAsync(sender: TSender, args?: object, options?: unknown): Promise<Outcomes<unknown>> {
    return dispatch.sendAsync(this, sender, args, options, 'sendRobustAsync');
  }

  /** `Signal saved { 2 connected }`; so Node and Deno print it, too. */
  toString(): string {
    return `Signal ${signalName(this)} { ${String(this.connections.length)} connected }`;
  }

  /** @internal The registry is of no interest to people. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** Whether a value is a signal of this or another copy of the library. */
export function isSignal(value: unknown): value is AnySignal & Pick<Signal, typeof registry> {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as Partial<Pick<Signal, typeof registry>>)[registry] !== undefined
  );
}

/**
 * Whether nobody listens to a signal or looks on, whatever the sender: what an adapter asks before it does anything at
 * all.
 */
export function isIdle(signal: Pick<Signal, typeof registry>): boolean {
  return signal[registry].empty && tools.current === undefined;
}
