/** What `this` is in a receiver: the `owner` it was connected with, else `undefined`. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what TypeScript calls a `this` that is not there
export type ReceiverThis<TOwner> = TOwner extends object ? TOwner : void;

/* eslint-disable @typescript-eslint/no-explicit-any -- "whatever its parameters" has no other spelling */
/** Any signal at all, whatever its type parameters: for code that only passes it on. */
export interface AnySignal {
  readonly name: string;
  readonly connections: readonly Connection[];
  connect(receiver: any, options?: any): Connection;
  disconnect(receiver: any, options?: any): boolean;
  hasListeners(sender?: any): boolean;
  send(sender: any, ...args: any): Responses<any>;
  sendRobust(sender: any, ...args: any): Outcomes<any>;
  sendAsync(sender: any, ...args: any): Promise<Responses<any>>;
  sendRobustAsync(sender: any, ...args: any): Promise<Outcomes<any>>;
}

/** Any callable that can stand as a receiver. */
export type AnyFunction = (this: any, ...args: any) => unknown;
/* eslint-enable @typescript-eslint/no-explicit-any */

/** The part of an `AbortSignal` that tocsin uses: a browser's, Node's and a polyfill's all fit. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The options of `connect()` that do not depend on a type parameter. */
export interface RegistrationOptions {
  /** With a class as `sender`: also hear its subclasses, those defined later included. Default `false`. */
  readonly subclasses?: boolean;
  /**
   * Hold the receiver weakly: it goes when nothing else holds it. Default **`false`**, unlike Django: an inline arrow
   * is held by nobody else and would vanish at the next collection.
   */
  readonly weak?: boolean;
  /**
   * Names the registration; any value but `undefined`, compared as a `Map` key. The first receiver under a uid wins and
   * later ones are ignored, unless `replace` is set. A uid is held strongly, so it must not reference the sender or the
   * owner.
   */
  readonly dispatchUid?: unknown;
  /**
   * With `dispatchUid`: take over the place and priority of the receiver that has the uid, whose `Connection` ends. For
   * hot reload.
   */
  readonly replace?: boolean;
  /** End the connection just before its first call, so that a re-entrant send cannot call it twice. Default `false`. */
  readonly once?: boolean;
  /**
   * End the connection when this `AbortSignal` aborts. If it already has, `connect()` returns an ended `Connection`.
   * Several may hold one registration: each ends its own share, and the last one ends it; one that was also connected
   * without any is ended by none.
   */
  readonly signal?: AbortSignalLike;
  /** Higher is called first; equal ones in connect order. Any finite number, default 0. */
  readonly priority?: number;
}

/** Options of `connect()` for a receiver that hears every sender. */
export interface ConnectOptions<TOwner = undefined> extends RegistrationOptions {
  /**
   * Every sender: leave it out, or `null`. An own `undefined` throws: it is usually a class lost in an import circle.
   */
  readonly sender?: null;
  /**
   * Tie the connection to this object, which is held weakly: the receiver is called with `this === owner`, lives as
   * long as the owner, and goes when the owner is collected. Collection comes at an unknown later time and the receiver
   * is called until then; to end it now use the `Connection`, an `AbortSignal` or `disconnectReceivers(owner)`.
   */
  readonly owner?: TOwner & object;
}

/** Options of `connect()` for a receiver that hears one sender. */
export interface SenderConnectOptions<TSender, TOwner = undefined> extends Omit<ConnectOptions<TOwner>, 'sender'> {
  /** Only sends from this very value, compared as a `Map` key. An object is held weakly. */
  readonly sender: TSender;
}

/** What `disconnect(receiver, …)` needs beside the receiver to find a registration. */
export interface DisconnectOptions {
  readonly sender?: unknown;
  readonly owner?: object;
}

/** Names a registration by its uid, for `disconnect()`. */
export interface DispatchUidOptions extends DisconnectOptions {
  readonly dispatchUid: unknown;
}

/**
 * A registration's handle, as `connect()` returns it. Holding one keeps neither a weak or owned receiver nor an object
 * sender alive.
 *
 * @example
 * ```ts
 * const saved = new Signal<{ id: number }>('saved')
 * {
 *   using connection = saved.connect((sender, { id }) => console.log(id))
 *   saved.send(null, { id: 1 })
 * } // disconnected here
 * ```
 */
export interface Connection extends Disposable {
  /** The signal it was made on; readable also when ended. */
  readonly signal: AnySignal;
  /** The connected function; `undefined` once ended or collected. */
  readonly receiver: AnyFunction | undefined;
  /** The sender it listens to; `undefined` for every sender, and once ended or collected. */
  readonly sender: unknown;
  /** Whether a send could still call the receiver. */
  readonly connected: boolean;
  /**
   * End it. A send in flight does not call the receiver any more. True if this call ended it, false if it had ended
   * before.
   */
  disconnect(): boolean;
  /** `disconnect()`, for `using`. */
  [Symbol.dispose](): void;
  /** What it connects, for people: `Connection saved → audit for class User`. So Node and Deno print it, too. */
  toString(): string;
  /** The same, for `JSON.stringify()`. */
  toJSON(): string;
}

/**
 * What `send()` returns: a pair for every receiver called, in call order. Possibly frozen and shared: do not change it.
 */
export type Responses<TResponse> = readonly (readonly [receiver: AnyFunction, response: TResponse])[];

/** What the robust sends return: a pair for every receiver called, in call order. */
export type Outcomes<TResponse> = readonly (readonly [
  receiver: AnyFunction,
  outcome: PromiseSettledResult<TResponse>,
])[];

/** How `sendAsync()` and `sendRobustAsync()` call receivers. */
export interface SendAsyncOptions {
  /**
   * Start each receiver after the one before has settled. Default `false`: all are started, in order, before the call
   * returns.
   */
  readonly serial?: boolean;
}

/** The arguments after `sender`: optional when no key of the payload is required. */
// eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- {} is assignable to what has no required key
export type SendArguments<TArgs extends object> = Record<never, never> extends TArgs ? [args?: TArgs] : [args: TArgs];

/** As `SendArguments`, and the options of the async sends. */
export type SendAsyncArguments<TArgs extends object> =
  // eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- as above
  Record<never, never> extends TArgs
    ? [args?: TArgs | undefined, options?: SendAsyncOptions]
    : [args: TArgs, options?: SendAsyncOptions];
