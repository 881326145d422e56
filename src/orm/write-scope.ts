import type { ModelSignal, ModelSignalKind } from '../core/model-types.ts';
import type { AdapterOptions } from './adapter-options.ts';
import { BulkGuard } from './bulk.ts';
import { WriteCall } from './causal-context.ts';
import { OutsideGuard } from './outside.ts';
import { sendModelSignal } from './send-model-signal.ts';
import { TransactionNode } from './transaction.ts';

/** What every write through one wrapped database has in common. */
export class WrappedDatabase<TOptions extends Required<AdapterOptions>> {
  readonly options: TOptions;
  readonly bulk: BulkGuard;
  readonly outside: OutsideGuard;

  constructor(options: TOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
    this.outside = new OutsideGuard(options.outside);
  }
}

/** How a transaction is run. */
export interface TransactionRun<THandle, TOptions extends Required<AdapterOptions>, T> {
  /** The ORM's own method. It calls back with the handle of the transaction, several times if it tries again. */
  readonly open: (body: (handle: THandle) => Promise<T>) => Promise<T>;
  readonly body: (handle: THandle, inner: WriteScope<TOptions>) => Promise<T>;
  /**
   * Whether the database will answer `COMMIT` with a rollback, because a query has failed and somebody has caught the
   * error. Asked before the commit if a payload was given out, or if the adapter has opened the transaction.
   */
  readonly isDoomed?: (handle: THandle, transaction: TransactionNode) => Promise<boolean>;
  /** Whether the adapter has opened it, and not the app. */
  readonly own: boolean;
  /** The name of the savepoint, if it is one and others may have the same. */
  readonly savepointName?: string | undefined;
}

/**
 * Where writes happen, for an ORM that is wrapped and has no hooks: outside a transaction, or in one. It knows the
 * handle that receivers get as `tx`, and what waits for the commit.
 */
export class WriteScope<TOptions extends Required<AdapterOptions> = Required<AdapterOptions>> {
  readonly database: WrappedDatabase<TOptions>;
  /** The handle of the ORM, itself wrapped: what is written through it sends signals. */
  tx: unknown = undefined;
  /** Whether the app is done with the transaction, so that it is being committed or rolled back. */
  ended = false;

  /** Whether the database has rolled the transaction back by itself, so that it commits every write at once. */
  isLost = false;
  private readonly node: TransactionNode | undefined;

  constructor(database: WrappedDatabase<TOptions>, transaction?: TransactionNode) {
    this.database = database;
    this.node = transaction;
  }

  /** Undefined outside a transaction. */
  get transaction(): TransactionNode | undefined {
    return this.isLost ? undefined : this.node;
  }

  /** MySQL rolls the whole transaction back when it ends a deadlock. */
  lose(): void {
    this.node?.root.rollback();
    this.isLost = true;
  }

  /** Begin a write. */
  write(): ScopedWrite {
    return new ScopedWrite(this);
  }

  /**
   * Run a transaction of the ORM, or a savepoint in the one that this is. What waits for the commit runs when the ORM
   * is done with it and its connection is free.
   *
   * @throws Error if the adapter has opened the transaction and the database would not commit it.
   */
  async runTransaction<THandle, T>(run: TransactionRun<THandle, TOptions, T>): Promise<T> {
    const { open, body, isDoomed, own, savepointName } = run;
    const roots: TransactionNode[] = [];
    // A savepoint is there as soon as its statement is issued, and that is now.
    const savepoint = this.transaction?.savepoint(savepointName);
    const begin = (): TransactionNode => {
      const root = TransactionNode.begin();
      roots.push(root);
      return root;
    };
    try {
      const result = await open((handle) => {
        const node = savepoint ?? begin();
        const inner = new WriteScope(this.database, node);
        return node.run(async () => {
          try {
            const value = await body(handle, inner);
            inner.ended = true;
            if (savepoint !== undefined) node.release();
            else if ((own || node.isWatched) && (await isDoomed?.(handle, node)) === true) {
              node.rollback();
              if (own) throw doomedError();
            }
            return value;
          } catch (error) {
            inner.ended = true;
            node.rollback();
            throw error;
          }
        });
      });
      roots.at(-1)?.commit();
      return result;
    } catch (error) {
      savepoint?.rollback();
      roots.at(-1)?.rollback();
      throw error;
    } finally {
      for (const root of roots) await root.settle();
    }
  }
}

/** One write with all its queries and signals. */
export class ScopedWrite {
  private readonly scope: WriteScope;
  private readonly call = new WriteCall();
  private transaction: TransactionNode | undefined;
  private readonly isLate: boolean;

  constructor(scope: WriteScope) {
    this.scope = scope;
    this.isLate = scope.ended;
    this.issue();
  }

  /**
   * Its statement is issued now: this decides with which savepoint it is undone.
   *
   * @throws Error if the transaction has ended while receivers ran, so that the write would be made outside of it.
   */
  issue(): void {
    if (this.scope.ended && !this.isLate) {
      throw new Error(
        'Nothing was written: the transaction has ended while receivers of this write were running. ' +
          'Await every write before the transaction ends, also when another of them fails (Promise.allSettled).',
      );
    }
    this.transaction = this.scope.transaction?.innermost;
  }

  /** Send to the receivers one after the other. */
  readonly send = <TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    args: object,
  ): Promise<void> => {
    const { database, tx } = this.scope;
    return sendModelSignal(signal, sender, args, {
      database,
      using: database.options.using,
      tx,
      transaction: this.transaction,
      call: this.call,
    });
  };
}

/** What a write rejects with whose own transaction the database does not commit. */
export function doomedError(): Error {
  return new Error(
    'Nothing was written: the database rolls the transaction back, because a query in it has failed and a receiver ' +
      'has caught the error. Run such a query in a savepoint, or after the commit.',
  );
}
