import type { Kysely, QueryExecutor, QueryResult, Transaction } from 'kysely';
import type { TransactionNode } from '../transaction.ts';
import type { ScopedWrite, WriteScope } from '../write-scope.ts';
import { rawQuery } from './dialect.ts';
import type { QueryRunner } from './executor.ts';
import { operationOf, senderOf, writesIn } from './nodes.ts';
import { Queries, type Statement } from './queries.ts';
import type { KyselySettings } from './settings.ts';
import { isHeard, perform, performStream, type Place } from './writes.ts';

type Scope = WriteScope<KyselySettings>;
/** A Kysely or a transaction, of any tables. */
export type AnyKysely = Kysely<Record<string, never>>;
export type AnyTransaction = Transaction<Record<string, never>>;
/** Makes the handle for a transaction that receivers and callers get. */
export type Wrap = <T extends AnyKysely>(database: T, scope: Scope) => T;

/** Transactions in which a query has failed. */
const failed = new WeakSet<TransactionNode>();

/** Runs the queries of one handle: a Kysely, or a transaction. */
export class Runner implements QueryRunner, Place {
  readonly scope: Scope;
  readonly watch?: <T>(outcome: Promise<T>) => Promise<T>;
  private readonly database: AnyKysely;
  private readonly wrap: Wrap;

  constructor(database: AnyKysely, scope: Scope, wrap: Wrap) {
    this.database = database;
    this.scope = scope;
    this.wrap = wrap;
    const { transaction } = scope;
    if (transaction !== undefined && scope.database.options.dialect === 'postgres') {
      this.watch = (outcome) => {
        outcome.catch(() => failed.add(transaction.root));
        return outcome;
      };
    }
  }

  run(statement: Statement, inner: QueryExecutor): Promise<QueryResult<unknown>> {
    const { written, args } = statement;
    const { database, transaction } = this.scope;
    const { explain } = written as { explain?: { options?: object } };
    if ((explain !== undefined && explain.options === undefined) || isAborted(args))
      return this.plainly(statement, inner);
    const writes = writesIn(written);
    for (const node of writes) {
      const description = `${operationOf(node)} of ${senderOf(node) ?? 'an expression'}`;
      // SQLite has one connection.
      const poolIsFull = database.options.dialect === 'sqlite' ? () => true : undefined;
      database.outside.check({ database, transaction, description, poolIsFull });
    }
    if (database.bulk.policy !== 'throw' && !writes.some(isHeard)) return this.plainly(statement, inner);
    const outcome = perform(statement, new Queries(inner, database.options.dialect), this);
    return this.watch?.(outcome) ?? outcome;
  }

  stream(statement: Statement, inner: QueryExecutor, chunkSize: number): AsyncIterableIterator<QueryResult<unknown>> {
    const stream = (): AsyncIterableIterator<QueryResult<unknown>> =>
      inner.stream(statement.compiled, chunkSize, ...(statement.args as []));
    return writesIn(statement.written).length === 0 ? stream() : performStream(statement, stream, this);
  }

  within<T>(queries: Queries, work: (queries: Queries, write: ScopedWrite) => Promise<T>): Promise<T> {
    const { scope, database } = this;
    if (scope.transaction !== undefined || !scope.database.options.atomic) return work(queries, scope.write());
    return runTransaction(
      scope,
      (body) => database.transaction().execute(body),
      (tx, inner) => {
        inner.tx = this.wrap(tx, inner);
        return work(queries.on(tx.getExecutor()), inner.write());
      },
      true,
    );
  }

  private plainly({ compiled, args }: Statement, inner: QueryExecutor): Promise<QueryResult<unknown>> {
    const outcome = inner.executeQuery(compiled, ...(args as []));
    return this.watch?.(outcome) ?? outcome;
  }
}

/** Run a transaction of Kysely's. */
export function runTransaction<T>(
  scope: Scope,
  open: (body: (tx: AnyTransaction) => Promise<T>) => Promise<T>,
  body: (tx: AnyTransaction, inner: Scope) => Promise<T>,
  own: boolean,
): Promise<T> {
  let node: TransactionNode | undefined;
  return scope.runTransaction({
    open,
    own,
    body: (tx: AnyTransaction, inner) => {
      node = inner.transaction;
      return body(tx, inner);
    },
    isDoomed: async (tx) => node !== undefined && isDoomed(node, tx),
  });
}

/** Whether PostgreSQL will answer `commit` with a rollback. Kysely before 0.29.8 does not tell. */
export async function isDoomed(node: TransactionNode, tx: AnyTransaction): Promise<boolean> {
  if (!failed.has(node.root)) return false;
  return tx
    .getExecutor()
    .withoutPlugins()
    .executeQuery(rawQuery('select 1'))
    .then(
      () => false,
      () => true,
    );
}

function isAborted([options]: readonly unknown[]): boolean {
  return (options as { signal?: AbortSignal } | undefined)?.signal?.aborted === true;
}
