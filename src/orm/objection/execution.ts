import { AsyncLocalStorage } from 'node:async_hooks';
import type { Knex } from 'knex';
import type { Model, ModelClass } from 'objection';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { nobodyListens } from '../bulk.ts';
import { currentCall, currentCause, WriteCall } from '../causal-context.ts';
import { senderName, sendModelSignal } from '../send-model-signal.ts';
import type { TransactionNode } from '../transaction.ts';
import { doomedError } from '../write-scope.ts';
import { type Mixin, mixinOf, senderOf, siteOf } from './mixin.ts';
import { isWrite, kindOf, type Operation, type Query, writesOthers } from './query.ts';
import type { Execution, RowWrite } from './row-write.ts';
import { databaseOf, hasEnded, isPoolFull, isTransaction, transactionOf, watchTransactions } from './transactions.ts';
import { rowWriteOf } from './writes.ts';

/** One execution of a query that writes. */
export class QueryExecution implements Execution {
  readonly mixin: Mixin;
  readonly sender: ModelClass<Model>;
  readonly site: string;
  private readonly query: Query;
  private readonly call: WriteCall;
  private write: RowWrite | undefined;
  /** Whether the statement was sent to the database: hooks of the app may cancel it. */
  private isIssued = false;
  private issuedIn: TransactionNode | undefined;
  /** Whether an `onError()` has given a result in place of an error. */
  private hasRecovered = false;

  private constructor(query: Query, mixin: Mixin) {
    this.query = query;
    this.mixin = mixin;
    this.sender = senderOf(query.modelClass());
    this.site = siteOf(query);
    // What a graph writes is one call.
    this.call = (query.parentQuery() === null ? undefined : currentCall()) ?? new WriteCall();
  }

  /** The execution of a query; undefined if nobody is concerned. */
  static of(query: Query): QueryExecution | undefined {
    const mixin = mixinOf(query.modelClass());
    if (mixin === undefined) return undefined;
    if (nobodyListens() && mixin.options.bulk !== 'throw') return undefined;
    return isWrite(query) ? new QueryExecution(query, mixin) : undefined;
  }

  /** @param execute - Objection's own method */
  async run(execute: () => Promise<unknown>): Promise<unknown> {
    const knex = this.query.unsafeKnex();
    if (hasEnded(knex)) return runApart(execute);
    watchTransactions(knex);
    if (currentCause() !== undefined) this.checkOutside(knex);
    if (!this.isConcerned && this.mixin.options.bulk !== 'throw') return runApart(execute);
    const inside = (): Promise<unknown> => executions.run(this, () => this.call.run(execute));
    return this.needsTransaction(knex) ? this.runInTransaction(knex as Knex, inside) : inside();
  }

  /** Run a step of Objection's, with what is sent before and after it. `query` is the copy that is executed. */
  async step(
    query: Query,
    operation: Operation,
    name: string,
    [, result]: readonly unknown[],
    proceed: () => Promise<unknown>,
  ): Promise<unknown> {
    if (name === 'onError') {
      const value = await proceed();
      this.hasRecovered = true;
      return value;
    }
    if (kindOf(operation) === undefined) return proceed();
    if (name === 'onBefore2') {
      const value = await proceed();
      if (!query.isExplicitlyResolvedOrRejected()) await this.beginWrite(query, operation);
      return value;
    }
    if (name !== 'onAfter2' || this.write === undefined || !this.isIssued) return proceed();
    this.write.note(result);
    const value = await proceed();
    await this.write.after();
    return value;
  }

  /** Send to the receivers one after the other. */
  send<TKind extends ModelSignalKind>(signal: ModelSignal<TKind>, args: object): Promise<void> {
    const knex = this.knex;
    return sendModelSignal(signal, this.sender, args, {
      database: databaseOf(knex),
      using: this.mixin.options.using,
      tx: isTransaction(knex) ? knex : undefined,
      transaction: this.isIssued ? this.issuedIn : this.innermost,
      call: this.call,
    });
  }

  /** The statement is sent to the database: this decides with which savepoint it is undone. */
  issue(): void {
    this.isIssued = true;
    this.issuedIn = this.innermost;
  }

  private get innermost(): TransactionNode | undefined {
    return transactionOf(this.knex)?.innermost;
  }

  private executing: Query | undefined;
  private get knex(): Knex | null {
    return (this.executing ?? this.query).unsafeKnex();
  }

  private async beginWrite(query: Query, operation: Operation): Promise<void> {
    this.executing = query;
    this.write = rowWriteOf(this, query, operation);
    query.onBuildKnex((built) => {
      built.on('query', () => {
        this.issue();
      });
    });
    await this.write.before();
  }

  private get isConcerned(): boolean {
    const signals = this.query.has(({ name }) => name === 'delete')
      ? [preDelete, postDelete, postBulk]
      : [preSave, postSave, postBulk];
    return signals.some((signal) => signal.hasListeners(this.sender)) || writesOthers(this.query);
  }

  private checkOutside(knex: Knex | null): void {
    const { outside } = this.mixin;
    const kind = ['insert', 'update', 'patch', 'delete', 'relate', 'unrelate'].find((each) =>
      this.query.has(({ name }) => name.startsWith(each)),
    );
    outside.check({
      database: databaseOf(knex),
      transaction: transactionOf(knex),
      description: `${kind ?? 'upsertGraph'}() of ${senderName(this.sender)}`,
      poolIsFull: () => isPoolFull(knex),
      site: this.site,
    });
  }

  private needsTransaction(knex: Knex | null): boolean {
    return (
      this.mixin.options.atomic &&
      this.isConcerned &&
      knex !== null &&
      !isTransaction(knex) &&
      // It shares its connection with the query that it is part of, or has been given one.
      this.query.parentQuery() === null &&
      !this.query.has(/^connection$/)
    );
  }

  /**
   * Run the query itself, and no copy of it, in a transaction: so the context that its hooks get is the caller's own
   * and knows the transaction.
   */
  private async runInTransaction(knex: Knex, inside: () => Promise<unknown>): Promise<unknown> {
    const { query } = this;
    const previous = running.get(query);
    const bound = query.modelClass().knex() === knex ? null : knex;
    let node: TransactionNode | undefined;
    const run = async (): Promise<unknown> => {
      await previous?.catch(() => undefined);
      return knex.transaction(async (transaction) => {
        node = transactionOf(transaction);
        query.transacting(transaction);
        try {
          const value = await inside();
          if (this.hasRecovered) throw new Recovered(value);
          return value;
        } finally {
          query.transacting(bound);
        }
      });
    };
    const result = run();
    running.set(query, result);
    try {
      const value = await result;
      if (node?.state === 'rolledBack') throw doomedError();
      return value;
    } catch (error) {
      if (error instanceof Recovered) return error.value;
      throw error;
    }
  }
}

/** A query that failed has a result all the same; its transaction must be rolled back. */
class Recovered extends Error {
  readonly value: unknown;

  constructor(value: unknown) {
    super();
    this.value = value;
  }
}

/** Queries that run in a transaction of their own: one that is executed twice at a time waits for itself. */
const running = new WeakMap<Query, Promise<unknown>>();

/** What the hooks of the query that is executed now belong to; undefined in one that nobody is concerned with. */
const executions = new AsyncLocalStorage<QueryExecution | undefined>();

export function currentExecution(): QueryExecution | undefined {
  return executions.getStore();
}

/** Run a query as part of no other's execution, such as one that a hook of the app makes. */
export function runApart<T>(run: () => T): T {
  return executions.getStore() === undefined ? run() : executions.run(undefined, run);
}
