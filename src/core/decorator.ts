import type {
  ReceiverDecorator,
  ReceiverOptions,
  ReceiverParameters,
  ResponseOf,
  SenderOf,
} from './decorator-types.ts';
import { describe, isObject } from './describe.ts';
import { assertReceiver, thisArgument } from './options.ts';
import { registry } from './registry.ts';
import { shared } from './shared.ts';
import { isSignal } from './signal.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

/**
 * Connect a function or a decorated method to a signal, or to each of a list. The options are those of `connect()`, and
 * must suit every signal; they and the signals are checked here, before anything is connected.
 *
 * - **A function**: `receiver(signal, options)(f)` connects `f` and returns it. Runs everywhere.
 * - **A TC39 method or field**: connected for each instance when it is constructed, with the instance as `owner`, so
 *   that instances stay collectable. An overriding method is the one that is called; if it is itself decorated, its
 *   decorators replace the base's.
 * - **A TC39 static method or field**: connected once, strongly, and called with the class as `this`.
 * - **A method under `experimentalDecorators`**: a static one is connected with its class. An instance one is connected
 *   when `connectReceivers(this)` is called, for those decorators see no instances.
 *
 * TC39 methods are connected when the constructor begins, for decorators do not see it end. One that throws leaves a
 * half-made object behind, of which they are called until it is collected: catch that, call
 * `disconnectReceivers(this)`, and throw it on. Under `experimentalDecorators` let `connectReceivers(this)` be the last
 * line of the constructor.
 *
 * Decorators stack. The order in which members of one class connect is up to the compiler: use `priority` where it
 * matters.
 *
 * @throws TypeError if there is no signal, an option is wrong, or what it stands on is no function: a getter, a setter,
 * a class.
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
export function receiver<
  TSignal extends AnySignal,
  TSender extends SenderOf<TSignal>,
  TAfterCommit extends boolean = false,
>(
  signals: TSignal | readonly TSignal[],
  options: ReceiverOptions<TSignal, TAfterCommit> & { readonly sender: TSender & NonNullable<unknown> },
): ReceiverDecorator<ReceiverParameters<TSignal, TSender, TAfterCommit>, ResponseOf<TSignal>>;
export function receiver<TSignal extends AnySignal, TAfterCommit extends boolean = false>(
  signals: TSignal | readonly TSignal[],
  options?: ReceiverOptions<TSignal, TAfterCommit> & { readonly sender?: null },
): ReceiverDecorator<ReceiverParameters<TSignal, SenderOf<TSignal>, TAfterCommit>, ResponseOf<TSignal>>;
export function receiver(signals: unknown, options?: object): unknown {
  const list = parseSignals(signals);
  for (const signal of list) signal[registry].check(undefined, options);
  const wish: Wish = { signals: list, options: { ...options } };

  // The context is asked before the function: a decorated method is a function too. Arguments are never counted, for
  // compilers of legacy decorators pass three, whatever they stand on.
  return (value: unknown, context?: unknown, descriptor?: unknown): unknown => {
    if (typeof descriptor === 'number')
      throw misplaced(`a parameter of ${context === undefined ? 'the constructor' : `member ${describe(context)}`}`);
    if (isContext(context)) return decorateMember(wish, value, context);
    if (typeof context === 'string' || typeof context === 'symbol') {
      decorateLegacy(wish, value, context, descriptor);
      return;
    }
    if (context !== undefined) throw misplaced(describe(context));
    connect(wish, value);
    return value;
  };
}

/**
 * Connect the decorated methods of an instance that are not connected: what the constructor, or the container that made
 * the instance, calls under `experimentalDecorators`, where decorators see no instances. For TC39 classes it brings
 * back what was disconnected. The most derived override is called, with the options of the most derived decorator. Does
 * nothing for an object without decorated methods.
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
  if (!isObject(instance))
    throw new TypeError(`connectReceivers() takes an instance, usually this, not ${describe(instance)}`);
  for (const { wishes } of instanceMembers.get(instance)?.values() ?? []) {
    for (const { wish, method } of wishes) connect(wish, method, { owner: instance });
  }
  const overridden = new Set<string | symbol>();
  for (let prototype: unknown = instance; isObject(prototype); prototype = Object.getPrototypeOf(prototype)) {
    for (const [key, wishes] of legacyMembers.get(prototype) ?? []) {
      if (overridden.has(key)) continue;
      overridden.add(key);
      for (const wish of wishes) connect(wish, (instance as Members)[key], { owner: instance });
    }
  }
}

/** What one `receiver(…)` asks for. */
interface Wish {
  readonly signals: readonly ReturnType<typeof parseSignals>[number][];
  readonly options: object;
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

type Members = Readonly<Record<string | symbol, unknown>>;

// Shared, for a class and its base may be decorated by different copies of the library.
const instanceMembers: WeakMap<object, Map<unknown, Member>> = /* @__PURE__ */ shared(
  'instanceMembers',
  () => new WeakMap(),
);
const legacyMembers: WeakMap<object, Map<string | symbol, Wish[]>> = /* @__PURE__ */ shared(
  'legacyMembers',
  () => new WeakMap(),
);

function decorateMember(wish: Wish, value: unknown, context: MemberContext): unknown {
  const { kind, name, static: isStatic } = context;
  const where = `${isStatic ? 'static ' : ''}${kind} ${String(name)}`;
  if (kind !== 'method' && kind !== 'field') throw misplaced(where);
  assertNoOwner(wish, where, isStatic);
  const bind = (self: object, method: unknown, decorated: unknown): void => {
    if (isStatic) connect(wish, method, { [thisArgument]: self });
    else enlist(wish, method, decorated, self, context);
  };
  if (kind === 'field') {
    return function (this: object, initial: unknown): unknown {
      bind(this, initial, initial);
      return initial;
    };
  }
  context.addInitializer(function () {
    bind(this, memberOf(this, value, context), value);
  });
  return undefined;
}

/** What the finished class has under that name: a decorator above `@receiver` may have wrapped it. */
function memberOf(self: object, value: unknown, { name, access, private: isPrivate }: MemberContext): unknown {
  if (!isPrivate) return (self as Members)[name];
  const get = access?.get;
  if (typeof get !== 'function') return value;
  // Compilers of an earlier draft call it on the object, and not with it.
  const read = (holder: unknown): unknown => Reflect.apply(get, holder, [holder]) as unknown;
  try {
    return read(self);
  } catch {
    // esbuild gives an instance its private methods after the initialisers.
    const method = function (this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(read(this) as AnyFunction, this, args);
    };
    return Object.defineProperty(method, 'name', { __proto__: null, value: String(name) } as PropertyDescriptor);
  }
}

/**
 * Initialisers run from the base class down, so that a member decorated again further down replaces what the base has
 * connected.
 */
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
  member.wishes.push({ wish, method, connections: connect(wish, method, { owner: instance }) });
}

function decorateLegacy(wish: Wish, target: unknown, key: string | symbol, descriptor: unknown): void {
  const isStatic = typeof target === 'function';
  const where = `${isStatic ? 'static ' : ''}member ${String(key)}`;
  const method = (descriptor as PropertyDescriptor | undefined)?.value as unknown;
  if (typeof method !== 'function' || !isObject(target)) throw misplaced(where);
  assertNoOwner(wish, where, isStatic);
  if (isStatic) {
    connect(wish, method, { [thisArgument]: target });
    return;
  }
  let members = legacyMembers.get(target);
  if (members === undefined) legacyMembers.set(target, (members = new Map<string | symbol, Wish[]>()));
  members.set(key, [...(members.get(key) ?? []), wish]);
}

/** All signals or none: what one of them would refuse is found before the first is touched. */
function connect({ signals, options }: Wish, method: unknown, more?: object): Connection[] {
  const all = { ...options, ...more };
  assertReceiver(method);
  for (const signal of signals) signal[registry].check(method, all);
  return signals.map((signal) => signal.connect(method, all));
}

function parseSignals(signals: unknown) {
  const list: readonly unknown[] = Array.isArray(signals) ? signals : [signals];
  if (list.length === 0) throw new TypeError('receiver() needs at least one signal; the list is empty');
  return list.map((signal) => {
    if (!isSignal(signal))
      throw new TypeError(
        `receiver() takes a signal or an array of signals, not ${describe(signal)}${signal === undefined ? ', usually by a circle of imports: import its module first' : ''}`,
      );
    return signal;
  });
}

/** What a decorated method is called on is its owner. */
function assertNoOwner({ signals, options }: Wish, where: string, isStatic: boolean): void {
  if (Object.hasOwn(options, 'owner'))
    throw new TypeError(
      `owner has no place on the ${where}: ${isStatic ? 'its class' : 'each instance'} is what it is called on`,
    );
  if (!isStatic) for (const signal of signals) signal[registry].check(undefined, { ...options, owner: options });
}

function misplaced(where: string): TypeError {
  return new TypeError(
    `receiver() stands on a method, a field that holds a function, or is called with a function; not on ${where}`,
  );
}

function isContext(value: unknown): value is MemberContext {
  return typeof (value as Partial<MemberContext> | null | undefined)?.kind === 'string';
}
