import type { QueryRunner } from 'typeorm';
import { currentOrmCall } from './calls.ts';
import { RunnerTransaction } from './runner-transaction.ts';
import { transactionStatement } from './statements.ts';

/** What the registry must know of query runners. */
export interface RunnerHooks {
  /** Sees to it that `released()` is called. */
  readonly watchRelease: (runner: QueryRunner) => void;
  /** Whether it is the only one of its driver, so that nobody ever waits for its connection. */
  readonly isSingle: (runner: QueryRunner) => boolean;
}

/**
 * The transactions of a DataSource, followed by the statements that its query runners issue: TypeORM names savepoints
 * by their depth, so that of several at once one may release or roll back what another has set; what counts is what
 * the database is told.
 */
export class TransactionRegistry {
  private readonly hooks: RunnerHooks;
  private readonly open = new Map<QueryRunner, RunnerTransaction>();
  /** Those that have ended, and in which something may wait for that. */
  private readonly ended = new Set<RunnerTransaction>();
  /** Where TypeORM believes itself inside, and the database has not been told yet, or has been told otherwise. */
  private readonly between = new Set<QueryRunner>();

  constructor(hooks: RunnerHooks) {
    this.hooks = hooks;
  }

  /** Whether statements must be heard of, even if nobody listens to a signal any more. */
  get isTracking(): boolean {
    return this.open.size > 0 || this.ended.size > 0 || this.between.size > 0;
  }

  /** What a query runner is writing into; undefined outside a transaction. */
  current(runner: QueryRunner): RunnerTransaction | undefined {
    const depth = this.between.has(runner) ? 0 : depthOf(runner);
    return this.open.get(runner) ?? (depth > 0 ? this.begin(runner, depth, false) : undefined);
  }

  /** A statement is being issued. */
  issued(runner: QueryRunner, sql: string): void {
    const call = currentOrmCall();
    const statement = transactionStatement(sql);
    if (statement === undefined) {
      if (call !== undefined && !/^\s*select\b/i.test(sql)) call.issuedIn = this.current(runner)?.innermost ?? null;
      return;
    }
    if (statement.does === 'begin') this.beginAnew(runner);
    const transaction = this.open.get(runner);
    if (transaction === undefined) return;
    transaction.follow(statement);
    if (statement.does === 'commit' || statement.does === 'rollback') this.between.add(runner);
    // What is issued from now on is not undone.
    if (statement.does === 'rollback') this.end(transaction, false);
    if (call !== undefined && (statement.does === 'begin' || statement.does === 'savepoint'))
      call.began ??= transaction;
  }

  /**
   * The database has answered a statement. `tag` is what PostgreSQL says that it has done. Resolves when what waited
   * for a transaction is done of which TypeORM tells nothing.
   */
  answered(runner: QueryRunner, sql: string, tag: unknown): Promise<void> | undefined {
    const does = transactionStatement(sql)?.does;
    if (does !== 'commit' && does !== 'rollback') return undefined;
    const transaction = this.open.get(runner) ?? this.endedOn(runner).at(-1);
    if (transaction === undefined) return undefined;
    if (does === 'commit') {
      transaction.isDoomed = tag === 'ROLLBACK';
      this.end(transaction, !transaction.isDoomed);
    }
    if (!transaction.isRaw) return undefined;
    this.between.delete(runner);
    return transaction.isFree ? this.settle(transaction) : undefined;
  }

  /** The database has refused a statement. A deadlock ends the whole transaction in MySQL and MariaDB. */
  refused(runner: QueryRunner, sql: string, error: unknown): void {
    this.between.delete(runner);
    const transaction = this.open.get(runner);
    if (transaction === undefined) return;
    const statement = transactionStatement(sql);
    if (statement?.does === 'savepoint') transaction.releaseSavepoint(statement.name);
    if (statement?.does === 'begin' && depthOf(runner) <= 1) this.end(transaction, false);
    if ((error as { errno?: unknown } | undefined)?.errno === DEADLOCK) transaction.root.rollback();
  }

  /** TypeORM is about to begin a transaction. */
  starting(runner: QueryRunner): void {
    if (depthOf(runner) > 0 || this.open.has(runner)) return;
    this.hooks.watchRelease(runner);
    this.between.add(runner);
  }

  /** TypeORM has begun a transaction, in whatever way; not every driver has a statement for it. */
  started(runner: QueryRunner): void {
    this.between.delete(runner);
    const transaction = this.current(runner);
    const call = currentOrmCall();
    if (call !== undefined) call.began ??= transaction;
  }

  /** TypeORM has ended a transaction. Answers which, if it was the outermost one. */
  finished(runner: QueryRunner, isCommitted: boolean): RunnerTransaction | undefined {
    if (depthOf(runner) > 0) return undefined;
    this.between.delete(runner);
    const transaction = this.open.get(runner);
    if (transaction !== undefined) this.end(transaction, isCommitted);
    return this.endedOn(runner).at(-1);
  }

  /** A query runner holds its connection no longer. What is open then is not in the database. */
  async released(runner: QueryRunner): Promise<void> {
    if (!this.hooks.isSingle(runner)) this.between.delete(runner);
    const open = this.open.get(runner);
    if (open !== undefined && !this.hooks.isSingle(runner)) this.end(open, false);
    const ended = this.endedOn(runner);
    for (const transaction of ended) transaction.isFree = true;
    for (const transaction of ended) await this.settle(transaction);
  }

  /** Run what waited for a transaction that has ended. */
  settle(transaction: RunnerTransaction): Promise<void> {
    this.ended.delete(transaction);
    return transaction.root.settle();
  }

  private endedOn(runner: QueryRunner): RunnerTransaction[] {
    return [...this.ended].filter((each) => each.runner === runner);
  }

  private beginAnew(runner: QueryRunner): void {
    const open = this.open.get(runner);
    const isRaw = !runner.isTransactionActive;
    if (open !== undefined) {
      // A second BEGIN changes nothing, unless TypeORM knows that there is no transaction any more.
      if (isRaw || open.isRaw) return;
      this.end(open, false);
    }
    this.begin(runner, 1, isRaw);
  }

  private begin(runner: QueryRunner, depth: number, isRaw: boolean): RunnerTransaction {
    this.hooks.watchRelease(runner);
    this.between.delete(runner);
    const transaction = new RunnerTransaction(runner, depth, isRaw);
    this.open.set(runner, transaction);
    return transaction;
  }

  private end(transaction: RunnerTransaction, isCommitted: boolean): void {
    this.open.delete(transaction.runner);
    if (isCommitted) transaction.root.commit();
    else transaction.root.rollback();
    transaction.isFree = this.hooks.isSingle(transaction.runner);
    this.ended.add(transaction);
  }
}

/** `ER_LOCK_DEADLOCK` */
const DEADLOCK = 1213;

/** How deep in savepoints: 0 outside a transaction, 1 for the transaction itself. Not in TypeORM's declared types. */
export function depthOf(runner: QueryRunner): number {
  return (runner as { transactionDepth?: number }).transactionDepth ?? 0;
}
