import type { QueryRunner } from 'typeorm';
import { isDeadlock } from '../deadlock.ts';
import type { TransactionNode } from '../transaction.ts';
import { currentOrmCall, type OrmCall } from './calls.ts';
import { type Place, Places } from './places.ts';
import { RunnerTransaction } from './runner-transaction.ts';
import { type TransactionStatement, transactionStatement } from './statements.ts';

/** What the registry must know of query runners. */
export interface RunnerHooks {
  /** Sees to it that `released()` is called. */
  readonly watchRelease: (runner: QueryRunner) => void;
  /** Whether it is the only one of its driver, so that nobody ever waits for its connection. */
  readonly isSingle: (runner: QueryRunner) => boolean;
  /** Whether a BEGIN in a transaction commits that, as in MySQL; in others it changes nothing. */
  readonly beginCommits: () => boolean;
}

/** A statement that has been issued, and not answered yet. */
interface Issued {
  readonly sql: string;
  /** Whose write it is: some drivers answer in another async context. */
  readonly call?: OrmCall | undefined;
  /** Where the connection is when it has been executed, if it is one on a transaction. */
  readonly innermost?: TransactionNode | undefined;
}

/**
 * The transactions of a DataSource, followed by the statements that its query runners issue: TypeORM names savepoints
 * by their depth, so that of several at once one may release or roll back what another has set; what counts is what
 * the database is told.
 *
 * Where a write belongs is taken from the order of the answers, which is that of execution: between TypeORM's telling
 * of a statement and its being sent subscribers of the app may take their time, and others overtake it.
 */
export class TransactionRegistry {
  private readonly hooks: RunnerHooks;
  private readonly open = new Map<QueryRunner, RunnerTransaction>();
  /** Those that have ended, and in which something may wait for that. */
  private readonly ended = new Set<RunnerTransaction>();
  /** Where TypeORM believes itself inside, and the database has not been told yet, or has been told otherwise. */
  private readonly between = new Set<QueryRunner>();
  /** Whose query runner has been released before they ended. */
  private readonly left = new Set<RunnerTransaction>();
  private readonly unanswered = new WeakMap<QueryRunner, Issued[]>();
  /** Where the last write of each was executed; null outside a transaction. */
  private lastWritten: WeakMap<QueryRunner, TransactionNode | null> | undefined;
  private readonly places = new Places((place) => {
    this.endLeft(place, false);
  });

  constructor(hooks: RunnerHooks) {
    this.hooks = hooks;
  }

  /** Whether statements must be heard of, even if nobody listens to a signal any more. */
  get isTracking(): boolean {
    return this.open.size > 0 || this.ended.size > 0 || this.between.size > 0 || this.left.size > 0;
  }

  /** What a query runner is writing into; undefined outside a transaction. */
  current(runner: QueryRunner): RunnerTransaction | undefined {
    const open = this.open.get(runner);
    if (open !== undefined) return open;
    if (runner.isReleased) return [...this.left].find((transaction) => transaction.runner === runner);
    const depth = this.between.has(runner) ? 0 : depthOf(runner);
    if (depth === 0) return undefined;
    const transaction = this.begin(runner, depth, false);
    this.places.of(runner).innermost = transaction.innermost;
    return transaction;
  }

  /**
   * Where a write was executed that no call of ours knows of, since nobody listened when it began; null outside a
   * transaction, undefined if that was not heard.
   */
  writtenIn(runner: QueryRunner): TransactionNode | null | undefined {
    return this.lastWritten?.get(runner);
  }

  /** Statements are not heard of for a while: what was heard is not the last any more. */
  pause(): void {
    this.lastWritten = undefined;
  }

  /**
   * A statement is being issued.
   *
   * @throws Error if it belongs to a call that has told of a write in a transaction which was rolled back since
   */
  issued(runner: QueryRunner, sql: string): void {
    this.places.meet(runner);
    const call = currentOrmCall();
    const statement = transactionStatement(sql);
    if (statement === undefined) {
      this.current(runner);
      if (call === undefined || READS.test(sql)) return;
      if (call.toldIn?.state === 'rolledBack') throw strayError(call.method);
      this.expect(runner, { sql, call });
      return;
    }
    if (statement.does === 'begin') this.beginAnew(runner);
    const transaction = this.open.get(runner);
    transaction?.follow(statement);
    const ends = statement.does === 'commit' || statement.does === 'rollback';
    this.expect(runner, { sql, innermost: ends ? undefined : transaction?.innermost });
    if (transaction === undefined) return;
    if (ends) this.between.add(runner);
    // What is issued from now on is not undone.
    if (statement.does === 'rollback') this.end(transaction, false);
    if (call !== undefined && (statement.does === 'begin' || statement.does === 'savepoint'))
      call.began ??= transaction;
  }

  /**
   * The database has answered a statement. Resolves when what waited for a transaction is done of which TypeORM tells
   * nothing.
   */
  answered(runner: QueryRunner, sql: string, { command, serverStatus }: RawResult): Promise<void> | undefined {
    const place = this.places.of(runner);
    const statement = transactionStatement(sql);
    if (statement === undefined) {
      if (isOutside(serverStatus)) commitImplicitly(place);
      // It may have begun when nobody listened.
      else if (place.innermost === undefined) this.current(runner);
      const call = this.answerTo(runner, sql)?.call;
      if (call !== undefined) call.writtenIn = place.innermost ?? null;
      if (!READS.test(sql)) (this.lastWritten ??= new WeakMap()).set(runner, place.innermost ?? null);
      return undefined;
    }
    const isDoomed = command === 'ROLLBACK';
    this.move(runner, place, sql, statement, isDoomed);
    const { does } = statement;
    if (does !== 'commit' && does !== 'rollback') return undefined;
    const transaction = this.open.get(runner) ?? this.endedOn(runner).at(-1);
    if (transaction === undefined) return undefined;
    if (does === 'commit') {
      transaction.isDoomed = isDoomed;
      this.end(transaction, !isDoomed);
    }
    if (!transaction.isRaw) return undefined;
    this.between.delete(runner);
    return transaction.isFree ? this.settle(transaction) : undefined;
  }

  /** The database has refused a statement. A deadlock ends the whole transaction in MySQL and MariaDB. */
  refused(runner: QueryRunner, sql: string, error: unknown): void {
    const statement = transactionStatement(sql);
    // Another statement is refused while a ROLLBACK is on its way: TypeORM still believes itself inside.
    if (statement !== undefined) this.between.delete(runner);
    this.answerTo(runner, sql);
    const place = this.places.of(runner);
    if ((Object(error) as { fatal?: unknown }).fatal === true) place.isGone = true;
    if (isDeadlock(error)) place.innermost = undefined;
    const transaction = this.open.get(runner);
    if (transaction === undefined) return;
    if (statement?.does === 'savepoint') transaction.releaseSavepoint(statement.name);
    if (statement?.does === 'begin' && depthOf(runner) <= 1) this.end(transaction, false);
    if (isDeadlock(error)) transaction.root.rollback();
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
    const place = this.places.of(runner);
    // Where it had no statement of its own.
    if (place.innermost?.root === transaction?.root) place.innermost = undefined;
    if (transaction !== undefined) this.end(transaction, isCommitted);
    return this.endedOn(runner).at(-1);
  }

  /** A query runner holds its connection no longer. */
  async released(runner: QueryRunner): Promise<void> {
    if (!this.hooks.isSingle(runner)) {
      this.between.delete(runner);
      const open = this.open.get(runner);
      if (open !== undefined) this.leave(open);
    }
    const ended = this.endedOn(runner);
    for (const transaction of ended) transaction.isFree = true;
    for (const transaction of ended) await this.settle(transaction);
  }

  /** Run what waited for a transaction that has ended. */
  async settle(transaction: RunnerTransaction): Promise<void> {
    if (this.left.has(transaction)) return;
    this.ended.delete(transaction);
    await transaction.root.settle();
  }

  private endedOn(runner: QueryRunner): RunnerTransaction[] {
    return [...this.ended].filter((each) => each.runner === runner);
  }

  private expect(runner: QueryRunner, issued: Issued): void {
    const unanswered = this.unanswered.get(runner);
    if (unanswered === undefined) this.unanswered.set(runner, [issued]);
    else unanswered.push(issued);
  }

  private answerTo(runner: QueryRunner, sql: string): Issued | undefined {
    const unanswered = this.unanswered.get(runner) ?? [];
    const index = unanswered.findIndex((each) => each.sql === sql);
    return index === -1 ? undefined : unanswered.splice(index, 1)[0];
  }

  /** A statement on a transaction has been executed. */
  private move(
    runner: QueryRunner,
    place: Place,
    sql: string,
    { does }: TransactionStatement,
    isDoomed: boolean,
  ): void {
    const issued = this.answerTo(runner, sql);
    if (does === 'commit' || does === 'rollback') {
      place.innermost = undefined;
      this.endLeft(place, does === 'commit' && !isDoomed);
      return;
    }
    if (does === 'begin' && this.hooks.beginCommits()) this.endLeft(place, true);
    place.innermost = issued?.innermost ?? place.innermost;
    const open = this.open.get(runner);
    // A query runner may have been released while it was beginning.
    if (does === 'begin' && runner.isReleased && open !== undefined) this.leave(open);
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
    else transaction.rollback();
    transaction.isFree = this.hooks.isSingle(transaction.runner);
    this.ended.add(transaction);
  }

  /** It has been given back unfinished: drivers hand out the connection as it is. */
  private leave(transaction: RunnerTransaction): void {
    const place = this.places.of(transaction.runner);
    if (!place.isShared || place.isGone) {
      this.end(transaction, false);
      return;
    }
    this.open.delete(transaction.runner);
    transaction.isFree = true;
    this.left.add(transaction);
    place.left.add(transaction);
  }

  /** Nobody who ends them should have to wait for what waited. */
  private endLeft({ left }: Place, isCommitted: boolean): void {
    for (const transaction of left) {
      left.delete(transaction);
      this.left.delete(transaction);
      if (isCommitted) transaction.root.commit();
      else transaction.rollback();
      void this.settle(transaction);
    }
  }
}

/** What drivers answer beside rows. */
export interface RawResult {
  /** What PostgreSQL says that it has done. */
  readonly command?: unknown;
  /** What MySQL says of the connection. */
  readonly serverStatus?: unknown;
}

/** `SERVER_STATUS_IN_TRANS` of MySQL */
const IN_TRANSACTION = 1;

function isOutside(serverStatus: unknown): boolean {
  return typeof serverStatus === 'number' && (serverStatus & IN_TRANSACTION) === 0;
}

/** MySQL commits by itself before it changes a table, or empties one. */
function commitImplicitly(place: Place): void {
  place.innermost?.root.commit();
  place.innermost = undefined;
}

const READS = /^\s*select\b/i;

function strayError(method: string): Error {
  return new Error(
    `${method}() was stopped: its transaction has been rolled back while its receivers were running. ` +
      'Await every write before the transaction ends, also when another of them fails (Promise.allSettled).',
  );
}

/** How deep in savepoints: 0 outside a transaction, 1 for the transaction itself. Not in TypeORM's declared types. */
export function depthOf(runner: QueryRunner): number {
  return (runner as unknown as { transactionDepth: number }).transactionDepth;
}
