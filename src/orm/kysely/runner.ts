import type { CompiledQuery, Kysely, OperationNode, QueryExecutor, QueryResult, Transaction } from 'kysely';
import { nobodyListens } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import { isDeadlock } from '../deadlock.ts';
import type { TransactionNode } from '../transaction.ts';
import { type ScopedWrite, WriteScope } from '../write-scope.ts';
import { rawQuery } from './dialect.ts';
import type { QueryRunner } from './executor.ts';
import { isWrite, operationOf, senderOf, type WriteNode, writesIn } from './nodes.ts';
import { Queries, type Statement } from './queries.ts';
import type { KyselySettings } from './settings.ts';
import { type SqlTransaction, watchSavepoints } from './sql-transaction.ts';
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
  private readonly database: AnyKysely;
  private readonly handle: Scope;
  private readonly wrap: Wrap;
  private readonly sql: SqlTransaction | undefined;

  /** @param sql - what the app begins in SQL, for a handle of one connection */
  constructor(database: AnyKysely, scope: Scope, wrap: Wrap, sql?: SqlTransaction) {
    this.database = database;
    this.handle = scope;
    this.wrap = wrap;
    this.sql = sql;
  }

  get scope(): Scope {
    const { handle } = this;
    const node = this.sql?.node;
    if (node === undefined) return handle;
    const scope = new WriteScope(handle.database, node);
    scope.tx = handle.tx;
    return scope;
  }

  run(statement: Statement, inner: QueryExecutor): Promise<QueryResult<unknown>> {
    const { written, args } = statement;
    const { database } = this.handle;
    const writes = isAlone(written) ? [written] : writesIn(written);
    if (currentCause() !== undefined) for (const node of writes) this.checkOutside(node);
    const isOfInterest = database.bulk.policy === 'throw' || writes.some(isHeard);
    if (!isOfInterest || isAborted(args) || isExplained(written)) return this.plainly(statement, inner);
    return this.noteFailure(perform(statement, new Queries(inner, database.options.dialect), this));
  }

  watch<T extends QueryResult<unknown>>({ query, sql }: CompiledQuery, outcome: Promise<T>): Promise<T> {
    const { transaction } = this.handle;
    if (query.kind !== 'RawNode') return this.noteFailure(outcome);
    if (transaction === undefined) return this.sql?.watch(sql, outcome) ?? outcome;
    watchSavepoints(sql, transaction.root);
    return this.noteFailure(outcome);
  }

  stream(statement: Statement, inner: QueryExecutor, chunkSize: number): AsyncIterableIterator<QueryResult<unknown>> {
    const stream = (): AsyncIterableIterator<QueryResult<unknown>> =>
      inner.stream(statement.compiled, chunkSize, ...(statement.args as []));
    return writesIn(statement.written).length === 0 ? stream() : performStream(statement, stream, this);
  }

  isIdle({ kind }: OperationNode): boolean {
    if (this.handle.transaction !== undefined || this.handle.database.bulk.policy === 'throw') return false;
    // SQL may begin a transaction.
    return kind !== 'RawNode' && nobodyListens() && currentCause() === undefined;
  }

  connecting(inner: QueryExecutor, { kind }: OperationNode): QueryExecutor {
    if (this.handle.transaction !== undefined || currentCause() === undefined) return inner;
    const { scope } = this;
    const description = kind.replace(/(Query)?Node$/, '').toLowerCase();
    return inner.withConnectionProvider({
      provideConnection: (consumer, ...options) =>
        connecting(scope, description, (begin) => inner.provideConnection(begun(begin, consumer), ...options)),
    });
  }

  within<T>(queries: Queries, work: (queries: Queries, write: ScopedWrite) => Promise<T>): Promise<T> {
    const { scope, database } = this;
    if (scope.transaction !== undefined || scope.isLost || !scope.database.options.atomic)
      return work(queries, scope.write());
    return runTransaction(
      scope,
      (body) =>
        connecting(scope, 'a write', (begin) => database.transaction().execute(begun(begin, body))).catch(advise),
      (tx, inner) => {
        inner.tx = this.wrap(tx, inner);
        return work(queries.on(tx.getExecutor()), inner.write());
      },
      true,
    );
  }

  private checkOutside(node: WriteNode): void {
    const { database, transaction } = this.scope;
    const description = `${operationOf(node)} of ${senderOf(node) ?? 'an expression'}`;
    // SQLite has one connection.
    const poolIsFull = database.options.dialect === 'sqlite' ? () => true : undefined;
    database.outside.check({ database, transaction, description, poolIsFull });
  }

  private plainly({ compiled, args }: Statement, inner: QueryExecutor): Promise<QueryResult<unknown>> {
    return this.noteFailure(inner.executeQuery(compiled, ...(args as [])));
  }

  /** PostgreSQL does not commit a transaction in which a query has failed. */
  private noteFailure<T>(outcome: Promise<T>): Promise<T> {
    const { transaction, database } = this.handle;
    const { dialect } = database.options;
    if (transaction === undefined) return outcome;
    if (dialect === 'postgres') outcome.catch(() => failed.add(transaction.root));
    if (dialect === 'mysql') {
      outcome.catch((error: unknown) => {
        if (isDeadlock(error)) this.handle.lose();
      });
    }
    return outcome;
  }
}

/** Wait for a connection: for some seconds, if a receiver asks for it whose own transaction holds one. */
export function connecting<T>(
  { database, transaction }: Scope,
  description: string,
  connect: (begin: () => void) => Promise<T>,
): Promise<T> {
  return database.outside.acquire({ database, transaction, description }, connect);
}

/** What is done with a connection, unless nobody waits for it any more. */
export function begun<TConnection, T>(
  begin: () => void,
  use: (connection: TConnection) => Promise<T>,
): (connection: TConnection) => Promise<T> {
  return async (connection) => {
    begin();
    return use(connection);
  };
}

/** Run a transaction of Kysely's. */
export function runTransaction<T>(
  scope: Scope,
  open: (body: (tx: AnyTransaction) => Promise<T>) => Promise<T>,
  body: (tx: AnyTransaction, inner: Scope) => Promise<T>,
  own: boolean,
): Promise<T> {
  return scope.runTransaction({ open, body, own, isDoomed: (tx, node) => isDoomed(node, tx) });
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

/** A write that has no other in common table expressions. */
function isAlone(node: OperationNode): node is WriteNode {
  return isWrite(node) && (node as { with?: unknown }).with === undefined;
}

/** To explain a query is to run it only with options such as `analyze`. */
function isExplained(node: OperationNode): boolean {
  const { explain } = node as { explain?: { options?: object } };
  return explain !== undefined && explain.options === undefined;
}

/** D1 and drivers over HTTP have none. */
function advise(error: unknown): never {
  if (!(error instanceof Error) || !/transactions? (is|are) not supported/i.test(error.message)) throw error;
  throw new Error(
    `${error.message} tocsin gives a write that has receivers a transaction of its own; ` +
      'do without: withSignals(db, { atomic: false }).',
    { cause: error },
  );
}

function isAborted([options]: readonly unknown[]): boolean {
  return (options as { signal?: AbortSignal } | undefined)?.signal?.aborted === true;
}
