import type { ReceiverDecorator, ReceiverOptions, ReceiverParameters, ResponseOf, SenderOf } from './decorator-types.ts';
import { describe, isObject } from './describe.ts';
import { assertReceiver, thisArgument } from './options.ts';
import { shared } from './shared.ts';
import { isSignal } from './signal.ts';
import type { AnySignal, Connection } from './types.ts';

/**
 * Connect a function or a decorated method to a signal, or to each of a list. The options are those of `connect()`, and must suit
 * every signal; they and the signals are checked here, before anything is connected.
 *
 * - **A function**: `receiver(signal, options)(f)` connects `f` and returns it. Runs everywhere.
 * - **A TC39 method or field**: connected for each instance when it is constructed, with the instance as `owner`, so that instances
 *   stay collectable. An overriding method is the one that is called; if it is itself decorated, its decorators replace the base's.
 * - **A TC39 static method or field**: connected once, strongly, and called with the class as `this`.
 * - **A method under `experimentalDecorators`**: a static one is connected with its class. An instance one is connected when
 *   `connectReceivers(this)` is called, for those decorators see no instances.
 *
 * Decorators stack. The order in which members of one class connect is up to the compiler: use `priority` where it matters.
 *
 * @throws TypeError if there is no signal, an option is wrong, or what it stands on is no function: a getter, a setter, a class.
 * @example
 * ```ts
 * class User { email = 'ada@example.org' }
 * const greeted: string[] = []
 *
 * export const greet = receiver(postSave, { sender: User })((sender, { instance, created }) => {
 *   if (created) greeted.push(instance.email)
 * })
 *
 * postSave.send(User, { instance: new User(), created: true })
 * greeted // ['ada@example.org']
 * ```
 */
export function receiver<TSignal extends AnySignal, TSender extends SenderOf<TSignal>, TAfterCommit extends boolean = false>(
  signals: TSignal | readonly TSignal[],
  options: ReceiverOptions<TSignal, TAfterCommit> & { readonly sender: TSender & NonNullable<unknown> },
): ReceiverDecorator<ReceiverParameters<TSignal, TSender, TAfterCommit>, ResponseOf<TSignal>>;
export function receiver<TSignal extends AnySignal, TAfterCommit extends boolean = false>(
  signals: TSignal | readonly TSignal[],
  options?: ReceiverOptions<TSignal, TAfterCommit> & { readonly sender?: null },
): ReceiverDecorator<ReceiverParameters<TSignal, SenderOf<TSignal>, TAfterCommit>, ResponseOf<TSignal>>;
export function receiver(signals: unknown, options?: object): unknown {
  const list = parseSignals(signals);
  for (const signal of list) signal.check(undefined, options);
  const wish: Wish = { signals: list, options: { ...options } };

  // The context is asked before the function: a decorated method is a function too. Arguments are never counted, for compilers of
  // legacy decorators pass three, whatever they stand on.
  return (value: unknown, context?: unknown, descriptor?: unknown): unknown => {
    if (isContext(context)) return decorateMember(wish, value, context);
    if (typeof context === 'string' || typeof context === 'symbol') { decorateLegacy(wish, value, context, descriptor); return; }
    if (context === undefined && typeof descriptor !== 'number') {
      connect(wish, value);
      return value;
    }
    throw misplaced(typeof descriptor === 'number' ? 'a parameter' : describe(context));
  };
}

/**
 * Connect the decorated methods of an instance that are not connected: what the constructor, or the container that made the instance,
 * calls under `experimentalDecorators`, where decorators see no instances. For TC39 classes it brings back what was disconnected.
 * The most derived override is called, with the options of the most derived decorator. Does nothing for an object without decorated
 * methods.
 *
 * @throws TypeError if it is not given an object.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * class Mailer {
 *   sent = 0
 *   constructor() { connectReceivers(this) } // needed under experimentalDecorators, harmless elsewhere
 *   @receiver(saved) onSave() { this.sent++ }
 * }
 * const mailer = new Mailer()
 * saved.send('orders')
 * mailer.sent // 1
 * ```
 */
export function connectReceivers(instance: object): void {
  if (!isObject(instance)) throw new TypeError(`connectReceivers() takes an instance, usually this, not ${describe(instance)}`);
  for (const { wishes } of instanceMembers.get(instance)?.values() ?? []) {
    for (const { wish, method } of wishes) connectOwned(wish, method, instance);
  }
  const overridden = new Set<string | symbol>();
  for (let prototype: unknown = instance; isObject(prototype); prototype = Object.getPrototypeOf(prototype)) {
    for (const [key, wishes] of legacyMembers.get(prototype) ?? []) {
      if (overridden.has(key)) continue;
      overridden.add(key);
      for (const wish of wishes) connectOwned(wish, (instance as Record<string | symbol, unknown>)[key], instance);
    }
  }
}

/** What one `receiver(…)` asks for. */
interface Wish {
  readonly signals: readonly ReturnType<typeof parseSignals>[number][];
  readonly options: { readonly owner?: unknown; readonly weak?: unknown };
}

/** The decorated member of that name on one instance: what is connected for it, and which class decorated it. */
interface Member {
  readonly site: unknown;
  readonly value: unknown;
  readonly wishes: { readonly wish: Wish; readonly method: unknown; readonly connections: readonly Connection[] }[];
}

/** The parts of a TC39 decorator context that are used. */
interface MemberContext {
  readonly kind: string;
  readonly name: string | symbol;
  readonly static: boolean;
  readonly private: boolean;
  readonly metadata?: object;
  readonly access?: { readonly get?: unknown };
  addInitializer(initializer: (this: object) => void): void;
}

// Shared, for a class and its base may be decorated by different copies of the library.
const instanceMembers: WeakMap<object, Map<unknown, Member>> = /* @__PURE__ */ shared('instanceMembers', () => new WeakMap());
const legacyMembers: WeakMap<object, Map<string | symbol, Wish[]>> = /* @__PURE__ */ shared('legacyMembers', () => new WeakMap());

function decorateMember(wish: Wish, value: unknown, context: MemberContext): unknown {
  const where = `${context.static ? 'static ' : ''}${context.kind} ${String(context.name)}`;
  if (context.kind !== 'method' && context.kind !== 'field') throw misplaced(where);
  assertNoOwner(wish, where, context.static);
  if (context.kind === 'field') {
    return function (this: object, initial: unknown): unknown {
      if (typeof initial !== 'function') throw new TypeError(`The ${where} must hold a function to be a receiver, not ${describe(initial)}`);
      if (context.static) connectStatic(wish, initial, this);
      else enlist(wish, initial, initial, this, context);
      return initial;
    };
  }
  context.addInitializer(function () {
    if (context.static) connectStatic(wish, value, this);
    else enlist(wish, context.private ? value : (this as Record<string | symbol, unknown>)[context.name], value, this, context);
  });
  return undefined;
}

/** Initialisers run from the base class down, so that a member decorated again further down replaces what the base has connected. */
function enlist(wish: Wish, method: unknown, value: unknown, instance: object, context: MemberContext): void {
  let members = instanceMembers.get(instance);
  if (members === undefined) instanceMembers.set(instance, (members = new Map<unknown, Member>()));
  // A private name is a class's own: what another class calls the same is another member.
  const key = context.private ? context : context.name;
  // Stacked decorators of one member share their class's metadata, or in compilers without metadata its accessor.
  const site = context.metadata ?? context.access?.get;
  let member = members.get(key);
  if (member !== undefined && member.value !== value && (site === undefined || member.site !== site)) {
    for (const { connections } of member.wishes) for (const connection of connections) connection.disconnect();
    member = undefined;
  }
  if (member === undefined) members.set(key, (member = { site, value, wishes: [] }));
  member.wishes.push({ wish, method, connections: connectOwned(wish, method, instance) });
}

function decorateLegacy(wish: Wish, target: unknown, key: string | symbol, descriptor: unknown): void {
  const isStatic = typeof target === 'function';
  const where = `${isStatic ? 'static ' : ''}member ${String(key)}`;
  const method = isObject(descriptor) ? (descriptor as PropertyDescriptor).value as unknown : undefined;
  if (typeof descriptor === 'number') throw misplaced(`a parameter of ${where}`);
  if (typeof method !== 'function' || !isObject(target)) throw misplaced(where);
  assertNoOwner(wish, where, isStatic);
  if (isStatic) {
    connectStatic(wish, method, target);
    return;
  }
  let members = legacyMembers.get(target);
  if (members === undefined) legacyMembers.set(target, (members = new Map<string | symbol, Wish[]>()));
  const wishes = members.get(key);
  if (wishes === undefined) members.set(key, [wish]);
  else wishes.push(wish);
}

function connectStatic(wish: Wish, method: unknown, constructor: object): void {
  connect({ ...wish, options: { ...wish.options, [thisArgument]: constructor } as Wish['options'] }, method);
}

function connectOwned(wish: Wish, method: unknown, owner: object): Connection[] {
  return connect({ ...wish, options: { ...wish.options, owner } }, method);
}

/** All signals or none: what one of them would refuse is found before the first is touched. */
function connect({ signals, options }: Wish, method: unknown): Connection[] {
  assertReceiver(method);
  for (const signal of signals) signal.check(method, options);
  return signals.map((signal) => signal.connect(method, options));
}

function parseSignals(signals: unknown) {
  const list: readonly unknown[] = Array.isArray(signals) ? signals : [signals];
  if (list.length === 0) throw new TypeError('receiver() needs at least one signal; the list is empty');
  return list.map((signal) => {
    if (signal === undefined) {
      throw new TypeError('receiver() was given undefined as a signal. The usual cause is a circle of imports: the signal is not defined yet.');
    }
    if (!isSignal(signal)) throw new TypeError(`receiver() takes a signal or an array of signals, not ${describe(signal)}`);
    return signal;
  });
}

function assertNoOwner({ options }: Wish, where: string, isStatic: boolean): void {
  if ('owner' in options) {
    throw new TypeError(`owner has no place on the ${where}: ${isStatic ? 'its class' : 'each instance'} is what it is called on`);
  }
  if (options.weak === true && !isStatic) throw new TypeError(`weak has no place on the ${where}: it lives as long as its instance`);
}

function misplaced(where: string): TypeError {
  return new TypeError(`receiver() stands on a method, a field that holds a function, or is called with a function; not on ${where}`);
}

function isContext(value: unknown): value is MemberContext {
  return typeof value === 'object' && value !== null && typeof (value as Partial<MemberContext>).kind === 'string';
}

