import type {
  AfterCommitOption,
  AfterWriteKind,
  CommittedArgs,
  ModelArgs,
  ModelSignal,
  ModelSignalKind,
} from './model-types.ts';
import type { Signal } from './signal.ts';
import type { AnyFunction, AnySignal, RegistrationOptions } from './types.ts';

/**
 * What `receiver()` returns: one function for every place it may stand. A getter, setter, class or parameter fits none
 * of them.
 *
 * The plain call comes last, for compilers report the last signature's mismatch, and its `context?: undefined` keeps
 * decorators of getters and setters from being taken for a plain call.
 */
export interface ReceiverDecorator<TParameters extends readonly unknown[], TResponse> {
  /** A TC39 method: instance, static or private. */
  <This, F extends AnyFunction>(
    value: F & ((this: This, ...args: TParameters) => TResponse),
    context: ClassMethodDecoratorContext<This, F>,
  ): void;
  /** A TC39 field that holds a function. */
  <This, F extends (...args: TParameters) => TResponse>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, F>,
  ): (this: This, value: F) => F;
  /** A method under `experimentalDecorators`: instance or static. */
  <F extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<F & ((...args: TParameters) => TResponse)>,
  ): void;
  /** A function: connected, and returned as it is. */
  <F extends (...args: TParameters) => TResponse>(receiver: F, context?: undefined): F;
}

/** The parameters of a receiver of `TSignal`: for a list of signals, `args` is the union of their payloads. */
export type ReceiverParameters<TSignal extends AnySignal, TSender, TAfterCommit extends boolean = false> = [
  sender: TSender,
  args: CommittedArgs<ArgsOf<TSignal, TSender>, TAfterCommit>,
  signal: TSignal,
];

/** Options of `receiver()`: those of `connect()`, as far as they suit every signal in the list. */
export type ReceiverOptions<TSignal extends AnySignal, TAfterCommit extends boolean = boolean> = RegistrationOptions & {
  readonly owner?: object;
} & ([TSignal] extends [{ readonly name: AfterWriteKind }]
    ? AfterCommitOption<TAfterCommit>
    : { readonly afterCommit?: never });

/* eslint-disable @typescript-eslint/no-explicit-any -- only the inferred parameter matters */
/** What `TSignal` may be sent by. */
export type SenderOf<TSignal extends AnySignal> = TSignal extends Signal<any, infer TSender, any> ? TSender : unknown;

/** What receivers of `TSignal` return. */
export type ResponseOf<TSignal extends AnySignal> =
  TSignal extends Signal<any, any, infer TResponse> ? TResponse : unknown;

/** The payload of `TSignal` when `TSender` sends. */
export type ArgsOf<TSignal extends AnySignal, TSender> =
  TSignal extends ModelSignal<infer TKind extends ModelSignalKind, infer TTx, infer TModels>
    ? ModelArgs<TKind, TSender, TTx, TModels>
    : TSignal extends Signal<infer TArgs, any, any>
      ? TArgs
      : never;
/* eslint-enable @typescript-eslint/no-explicit-any */
