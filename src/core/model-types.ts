import type {
  AnyFunction,
  ConnectOptions,
  Connection,
  DisconnectOptions,
  DispatchUidOptions,
  Outcomes,
  ReceiverThis,
  Responses,
  SendAsyncOptions,
  SenderConnectOptions,
} from './types.ts';

/** What an ORM reports of the fields it writes: old and new value by field name. */
export type Changes = Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;

/**
 * What every model payload says about its surroundings. `TTx` is the ORM's transaction handle, typed by the adapter.
 */
export interface TransactionArgs<TTx = unknown> {
  /** The name of the database connection. */
  readonly using: string;
  /** The ORM's own handle of the surrounding transaction: write through it to be part of it. */
  readonly tx: TTx;
  /**
   * Run a function after the outermost transaction has committed, in order, each awaited before the next. It is dropped
   * if that transaction or the savepoint it was given in rolls back. Errors there are reported (`onError()`) and stop
   * nobody.
   *
   * The payload remembers the transaction that its row was written in, so that a function given late, when that has
   * ended already, is dropped if it was rolled back, and run soon if it was committed. It runs in the async context of
   * whoever gives it, when the transaction holds no connection any more, also if nobody listens to the signal by then.
   *
   * Outside a transaction the function runs at once: its throw is yours, and if it returns a promise that rejects, that
   * is reported.
   */
  readonly onCommit: (callback: () => unknown) => void;
  /**
   * Run a function if the row was written in vain: the transaction, or the savepoint it was written in, was rolled
   * back. It runs when the outermost transaction has ended, as those of `onCommit()` do. Outside a transaction it never
   * runs.
   */
  readonly onRollback: (callback: () => unknown) => void;
}

/** Payload of `preSave`. A receiver may change `instance`; what it changes is saved. */
export interface PreSaveArgs<TInstance = object, TTx = unknown> extends TransactionArgs<TTx> {
  readonly instance: TInstance;
  /** The instance is written exactly as given (fixtures): do not touch other rows. */
  readonly raw: boolean;
  /** The fields about to be written; null when the ORM cannot tell, or writes them all. */
  readonly updateFields: ReadonlySet<string> | null;
  /** Whether this is an insert; undefined when the ORM cannot tell yet. */
  readonly created: boolean | undefined;
  /** Old and new values of the fields about to be written; null when the ORM cannot tell. */
  readonly changes: Changes | null;
}

/** Payload of `postSave`. */
export interface PostSaveArgs<TInstance = object, TTx = unknown> extends TransactionArgs<TTx> {
  readonly instance: TInstance;
  /** True for an insert, false for an update. */
  readonly created: boolean;
  /** As in `preSave`. */
  readonly raw: boolean;
  /**
   * The fields written, those that `preSave` receivers changed included; null when the ORM cannot tell, or wrote them
   * all.
   */
  readonly updateFields: ReadonlySet<string> | null;
  /** Old and new values of the fields written; null when the ORM cannot tell. */
  readonly changes: Changes | null;
}

/** Payload of `preDelete` and `postDelete`. The id is still readable on `instance` in both. */
export interface DeleteArgs<TInstance = object, TTx = unknown> extends TransactionArgs<TTx> {
  readonly instance: TInstance;
  /** What the deletion was asked of: the instance itself, or the one whose deletion took this one along. */
  readonly origin: unknown;
}

/** Payload of `m2mChanged`: a many-to-many relation gains or loses rows. Its sender is the class of `instance`. */
export interface M2mChangedArgs<TInstance = object, TTx = unknown> extends TransactionArgs<TTx> {
  readonly action: 'preAdd' | 'postAdd' | 'preRemove' | 'postRemove' | 'preClear' | 'postClear';
  /** The instance whose relation changes. */
  readonly instance: TInstance;
  /** The class of the objects added or removed. */
  readonly model: unknown;
  /** Their primary keys; null for a clear. */
  readonly pkSet: ReadonlySet<unknown> | null;
  /** Whether the relation was changed from the side that does not own it. */
  readonly reverse: boolean;
  /** The property that holds the relation on `instance`; undefined if sent by hand without it. */
  readonly relation: string | undefined;
}

/** Payload of `postBulk`: a write that the ORM does not break down into instances. */
export interface PostBulkArgs<TTx = unknown> extends TransactionArgs<TTx> {
  readonly operation: 'insert' | 'update' | 'delete' | 'upsert';
  /** Which rows, in the ORM's own terms; undefined for an insert, or when the ORM cannot tell. */
  readonly where: unknown;
  /** What was written, in the ORM's own terms; undefined for a delete. */
  readonly values: unknown;
  /** How many rows were written; undefined when the driver does not say. */
  readonly count: number | undefined;
}

/** The payload of each kind of model signal. */
export interface ModelPayloads<TInstance = object, TTx = unknown> {
  readonly preSave: PreSaveArgs<TInstance, TTx>;
  readonly postSave: PostSaveArgs<TInstance, TTx>;
  readonly preDelete: DeleteArgs<TInstance, TTx>;
  readonly postDelete: DeleteArgs<TInstance, TTx>;
  readonly m2mChanged: M2mChangedArgs<TInstance, TTx>;
  readonly postBulk: PostBulkArgs<TTx>;
}

/** The names of the model signals. */
export type ModelSignalKind = keyof ModelPayloads;

/** The payload of the model signal `TKind` when `TSender` sends. */
export type ModelArgs<
  TKind extends ModelSignalKind,
  TSender = unknown,
  TTx = unknown,
  TModels = unknown,
> = ModelPayloads<InstanceOf<TSender, TModels>, TTx>[TKind];

/**
 * The instances of a sender: of a model by its name in `TModels`; the rows of a table that declares them; the instances
 * of a class, private constructors included; `object` for what is none of these.
 */
export type InstanceOf<TSender, TModels = unknown> = TSender extends keyof TModels
  ? TModels[TSender] & object
  : TSender extends { readonly $inferSelect: infer TRow extends object }
    ? TRow
    : OfClass<TSender>;
type OfClass<TSender> = TSender extends { readonly prototype: infer TInstance }
  ? 0 extends 1 & TInstance
    ? ConstructedBy<TSender>
    : TInstance extends object
      ? TInstance
      : object
  : object;

/** For what declares no prototype of its own, such as the models of Mongoose. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever it is constructed with
type ConstructedBy<TSender> = TSender extends abstract new (...args: any) => infer TInstance ? TInstance : object;

/** The keys that a hand-sent payload must have; the others get defaults. */
interface EssentialKeys {
  readonly preSave: 'instance';
  readonly postSave: 'instance' | 'created';
  readonly preDelete: 'instance';
  readonly postDelete: 'instance';
  readonly m2mChanged: 'action' | 'instance' | 'model' | 'pkSet';
  readonly postBulk: 'operation';
}

/** A payload to send by hand: the essential keys, and any of the others. */
export type ModelSendArgs<TKind extends ModelSignalKind, TSender = unknown, TTx = unknown, TModels = unknown> = Loose<
  ModelArgs<TKind, TSender, TTx, TModels>,
  EssentialKeys[TKind]
>;
type Loose<TArgs, TKey> = { readonly [K in keyof TArgs as K extends TKey ? K : never]: TArgs[K] } & {
  readonly [K in keyof TArgs as K extends TKey ? never : K]?: TArgs[K] | undefined;
};

/** The kinds that are sent after a write. */
export type AfterWriteKind = 'postSave' | 'postDelete' | 'm2mChanged' | 'postBulk';

/** The option that only signals sent after a write take. */
export interface AfterCommitOption<TAfterCommit extends boolean = boolean> {
  /**
   * Call the receiver after the surrounding transaction has committed, if it is still connected then, with a copy of
   * the payload in which `tx` is undefined. It then yields no pair, and what it throws is reported. Not called after a
   * rollback. Outside a transaction it is an ordinary receiver. Default `false`.
   */
  readonly afterCommit?: TAfterCommit;
}
type KindOptions<TKind, TAfterCommit extends boolean> = TKind extends AfterWriteKind
  ? AfterCommitOption<TAfterCommit>
  : { readonly afterCommit?: never };

/** The payload as a receiver connected with `afterCommit: TAfterCommit` gets it. */
export type CommittedArgs<TArgs, TAfterCommit> = TAfterCommit extends true
  ? Omit<TArgs, 'tx'> & { readonly tx: undefined }
  : TArgs;

/** Options of `connect()` on a model signal, for one sender. */
export type ModelSenderConnectOptions<
  TKind extends ModelSignalKind,
  TSender,
  TOwner = undefined,
  TAfterCommit extends boolean = boolean,
> = SenderConnectOptions<TSender, TOwner> & KindOptions<TKind, TAfterCommit>;

/** Options of `connect()` on a model signal, for every sender. */
export type ModelConnectOptions<
  TKind extends ModelSignalKind,
  TOwner = undefined,
  TAfterCommit extends boolean = boolean,
> = ConnectOptions<TOwner> & KindOptions<TKind, TAfterCommit>;

/**
 * A `Signal` whose payload depends on its sender: `sender: User` types `instance` as `User`. It differs from `Signal`
 * in three ways: a payload sent by hand may leave out all but its essential keys; an arrow function is refused as
 * sender; and those sent after a write take the option `afterCommit`.
 */
export interface ModelSignal<TKind extends ModelSignalKind, TTx = unknown, TModels = unknown> {
  readonly name: TKind;
  readonly connections: readonly Connection[];
  /** See {@link Signal.connect}. */
  connect<const S, TOwner extends object | undefined = undefined, TAfterCommit extends boolean = false>(
    receiver: (
      this: ReceiverThis<NoInfer<TOwner>>,
      sender: S,
      args: CommittedArgs<ModelArgs<TKind, S, TTx, TModels>, TAfterCommit>,
      signal: ModelSignal<TKind, TTx, TModels>,
    ) => unknown,
    options: ModelSenderConnectOptions<TKind, S, TOwner, TAfterCommit>,
  ): Connection;
  connect<TOwner extends object | undefined = undefined, TAfterCommit extends boolean = false>(
    receiver: (
      this: ReceiverThis<NoInfer<TOwner>>,
      sender: unknown,
      args: CommittedArgs<ModelArgs<TKind, unknown, TTx, TModels>, TAfterCommit>,
      signal: ModelSignal<TKind, TTx, TModels>,
    ) => unknown,
    options?: ModelConnectOptions<TKind, TOwner, TAfterCommit>,
  ): Connection;
  /** See {@link Signal.disconnect}. */
  disconnect(receiver: AnyFunction, options?: DisconnectOptions): boolean;
  disconnect(options: DispatchUidOptions): boolean;
  /** See {@link Signal.hasListeners}. */
  hasListeners(sender?: unknown): boolean;
  /** See {@link Signal.send}. */
  send<const S>(sender: S, args: ModelSendArgs<TKind, S, TTx, TModels>): Responses<unknown>;
  /** See {@link Signal.sendRobust}. */
  sendRobust<const S>(sender: S, args: ModelSendArgs<TKind, S, TTx, TModels>): Outcomes<unknown>;
  /** See {@link Signal.sendAsync}. */
  sendAsync<const S>(
    sender: S,
    args: ModelSendArgs<TKind, S, TTx, TModels>,
    options?: SendAsyncOptions,
  ): Promise<Responses<unknown>>;
  /** See {@link Signal.sendRobustAsync}. */
  sendRobustAsync<const S>(
    sender: S,
    args: ModelSendArgs<TKind, S, TTx, TModels>,
    options?: SendAsyncOptions,
  ): Promise<Outcomes<unknown>>;
}
