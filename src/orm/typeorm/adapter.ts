import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard, nobodyListens } from '../bulk.ts';
import { currentCause, type WriteCall } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import { ownerOf, patch } from '../patch.ts';
import { sendModelSignal } from '../send-model-signal.ts';
import type { TransactionNode } from '../transaction.ts';
import { currentOrmCall, OrmCall } from './calls.ts';
import { leaveTransaction } from './leaving.ts';
import { isPoolFull, singleRunner } from './pool.ts';
import type { RunnerTransaction } from './runner-transaction.ts';
import { TransactionRegistry } from './transactions.ts';

/** Where one write of TypeORM happens. */
export interface WriteLocation {
  readonly manager: EntityManager;
  readonly transaction: TransactionNode | undefined;
  readonly call: WriteCall | undefined;
}

/** What `EntityManager.transaction()` is given. */
export type TransactionBody = (tx: EntityManager) => unknown;

/** The signals of one DataSource. */
export class TypeormAdapter {
  readonly dataSource: DataSource;
  readonly bulk: BulkGuard;
  readonly transactions: TransactionRegistry;
  private readonly using: string;
  private readonly outside: OutsideGuard;
  private readonly watched = new Map<object, () => void>();

  constructor(dataSource: DataSource, { bulk, outside, using }: Required<AdapterOptions>) {
    this.dataSource = dataSource;
    this.bulk = new BulkGuard(bulk);
    this.outside = new OutsideGuard(outside);
    this.using = using;
    this.transactions = new TransactionRegistry({
      watchRelease: (runner) => {
        this.watchRelease(runner);
      },
      isSingle: (runner) => runner === singleRunner(dataSource),
      beginCommits: () => MYSQL.has(dataSource.options.type),
    });
  }

  /** Whether a write concerns nobody: no model has receivers, and none is running that has made it. */
  isIdle(): boolean {
    return nobodyListens() && currentCause() === undefined;
  }

  /** Perform a call. It is over when what waited for its transaction is done, unless the app holds the connection. */
  async perform<T>(call: OrmCall, work: () => T | Promise<T>): Promise<T> {
    try {
      return await call.run(work);
    } finally {
      if (call.began?.isFree === true) await this.transactions.settle(call.began);
    }
  }

  /** The body of a transaction or savepoint: a callback that is given in it belongs to it. */
  inNode(body: TransactionBody): TransactionBody {
    return (tx) => {
      const node = tx.queryRunner === undefined ? undefined : this.transactions.current(tx.queryRunner)?.innermost;
      return node === undefined ? body(tx) : node.run(() => body(tx));
    };
  }

  /**
   * Do all of `work` or nothing, on one connection: in the transaction of `manager`, or else in one of its own, as
   * TypeORM's `save()` has.
   */
  async inTransaction<T>(manager: EntityManager, work: (tx: EntityManager) => Promise<T>): Promise<T> {
    const runner = manager.queryRunner ?? this.dataSource.createQueryRunner();
    try {
      if (runner.isTransactionActive || this.dataSource.driver.transactionSupport === 'none') {
        return await work(runner.manager);
      }
      await runner.startTransaction();
      try {
        const result = await work(runner.manager);
        await runner.commitTransaction();
        return result;
      } catch (error) {
        await runner.rollbackTransaction().catch(() => undefined);
        throw error;
      }
    } finally {
      if (runner !== manager.queryRunner) await runner.release();
    }
  }

  /** Send to the receivers one after the other; `args` are taken when it is their turn. */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    { manager, transaction, call }: WriteLocation,
    args: object | (() => object),
  ): Promise<void> {
    if (call instanceof OrmCall && signal.hasListeners(sender)) call.toldIn = transaction;
    return sendModelSignal(signal, sender, args, {
      database: this,
      using: this.using,
      tx: manager,
      transaction,
      call,
      leaveTransaction: (run) => leaveTransaction(manager, run),
    });
  }

  /** Where one of TypeORM's events happens: before the statement of the write is issued. */
  locationBefore({ queryRunner, manager }: EventPlace): WriteLocation {
    return { manager, transaction: this.placeOf(queryRunner), call: currentOrmCall() };
  }

  /** Where one of TypeORM's events happens, after the statement: where that was executed. */
  locationAfter({ queryRunner, manager }: EventPlace): WriteLocation {
    const call = currentOrmCall();
    const known = this.located(manager, queryRunner, call);
    const writtenIn = call?.writtenIn === undefined ? this.transactions.writtenIn(queryRunner) : undefined;
    return writtenIn === undefined ? known : { ...known, transaction: writtenIn ?? undefined };
  }

  /** Where a query builder writes that has the given query runner, or one of its own. */
  locationOf(runner: QueryRunner | undefined, call: OrmCall): WriteLocation {
    return this.located(runner?.manager ?? this.dataSource.manager, runner, call);
  }

  /**
   * The receiver must not write outside the transaction that it runs in.
   *
   * @throws Error if it does, and the policy or the pool forbids it
   */
  assertInside(runner: QueryRunner | undefined, description: () => string): void {
    if (currentCause() === undefined) return;
    this.outside.check({
      database: this,
      transaction: this.transactionOf(runner)?.innermost,
      description: description(),
      poolIsFull: () => isPoolFull(this.dataSource),
    });
  }

  /** Leave TypeORM's query runners as they were. */
  dispose(): void {
    for (const undo of this.watched.values()) undo();
  }

  /** When its statement has been issued, where; else where it would be now. */
  private located(manager: EntityManager, runner: QueryRunner | undefined, call: OrmCall | undefined): WriteLocation {
    const now = this.placeOf(runner);
    return { manager, transaction: call?.writtenIn === undefined ? now : (call.writtenIn ?? undefined), call };
  }

  /** Where something is sent for a write. */
  private placeOf(runner: QueryRunner | undefined): TransactionNode | undefined {
    const transaction = this.transactionOf(runner);
    if (transaction !== undefined) transaction.isUsed = true;
    return transaction?.innermost;
  }

  /** A driver with one connection writes on that, whoever asks. */
  private transactionOf(runner: QueryRunner | undefined): RunnerTransaction | undefined {
    const on = runner ?? singleRunner(this.dataSource);
    return on === undefined ? undefined : this.transactions.current(on);
  }

  private watchRelease(runner: QueryRunner): void {
    const owner = ownerOf(runner, 'release');
    if (this.watched.has(owner)) return;
    const undo = patch(owner, 'release', (original) => {
      return function (this: QueryRunner, ...args: unknown[]) {
        const released = Reflect.apply(original, this as never, args as never[]) as Promise<void>;
        const settle = (): Promise<void> | undefined => attached.get(dataSourceOf(this))?.transactions.released(this);
        // Nobody may have to wait for what waited: release() is the app's, or a call that waits by itself.
        void released.then(settle, settle);
        return released;
      };
    });
    this.watched.set(owner, undo);
  }
}

const MYSQL: ReadonlySet<string> = new Set(['mysql', 'mariadb', 'aurora-mysql']);

interface EventPlace {
  readonly queryRunner: QueryRunner;
  readonly manager: EntityManager;
}

/** The adapters at work, by their DataSource. */
export const attached = new WeakMap<DataSource, TypeormAdapter>();

/** Called `connection` before TypeORM 1.0. */
export function dataSourceOf(part: object): DataSource {
  const { dataSource, connection } = part as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection) as DataSource;
}
