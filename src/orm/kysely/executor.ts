/**
 * Kysely's builders run their queries through an executor. This one sends signals for those that write, and hands
 * everything else to Kysely's own, so that builders and what they resolve to are Kysely's.
 */
import type {
  CompiledQuery,
  ConnectionProvider,
  DatabaseConnection,
  DialectAdapter,
  KyselyPlugin,
  QueryExecutor,
  QueryId,
  QueryResult,
  RootOperationNode,
} from 'kysely';
import { originalOf, rememberOriginal, type Statement } from './queries.ts';

/** What is done with a query in place of running it. */
export interface QueryRunner {
  run(statement: Statement, inner: QueryExecutor): Promise<QueryResult<unknown>>;
  stream(statement: Statement, inner: QueryExecutor, chunkSize: number): AsyncIterableIterator<QueryResult<unknown>>;
  /** Whether nothing is to be done for a query, and nothing to be known of it. Asked for every query. */
  isIdle(query: RootOperationNode): boolean;
  /** What to run a query on: the executor itself, or one that does not wait for ever. */
  connecting(inner: QueryExecutor, query: RootOperationNode): QueryExecutor;
  /** Take note of a query that is run and writes no rows: of what it does to transactions, and whether it fails. */
  watch<T extends QueryResult<unknown>>(compiled: CompiledQuery, outcome: Promise<T>): Promise<T>;
}

export class SignalExecutor implements QueryExecutor {
  readonly #inner: QueryExecutor;
  readonly #runner: QueryRunner;

  constructor(inner: QueryExecutor, runner: QueryRunner) {
    this.#inner = inner;
    this.#runner = runner;
  }

  get adapter(): DialectAdapter {
    return this.#inner.adapter;
  }

  get plugins(): readonly KyselyPlugin[] {
    return this.#inner.plugins;
  }

  transformQuery<T extends RootOperationNode>(node: T, queryId: QueryId): T {
    const transformed = this.#inner.transformQuery(node, queryId);
    rememberOriginal(transformed, node);
    return transformed;
  }

  compileQuery<R>(node: RootOperationNode, queryId: QueryId): CompiledQuery<R> {
    return this.#inner.compileQuery(node, queryId);
  }

  /** @param args - options or a query id: what Kysely of that version gives. */
  executeQuery<R>(compiled: CompiledQuery<R>, ...args: readonly unknown[]): Promise<QueryResult<R>> {
    if (this.#runner.isIdle(compiled.query)) return this.#inner.executeQuery(compiled, ...(args as []));
    const inner = this.#runner.connecting(this.#inner, compiled.query);
    if (!mayWrite(compiled)) {
      const result = inner.executeQuery(compiled, ...(args as []));
      return this.#runner.watch(compiled, result);
    }
    const statement = { compiled, written: originalOf(compiled.query), args };
    return this.#runner.run(statement, inner) as Promise<QueryResult<R>>;
  }

  stream<R>(
    compiled: CompiledQuery<R>,
    chunkSize: number,
    ...args: readonly unknown[]
  ): AsyncIterableIterator<QueryResult<R>> {
    const inner = this.#runner.connecting(this.#inner, compiled.query);
    if (!mayWrite(compiled)) return inner.stream(compiled, chunkSize, ...(args as []));
    const statement = { compiled, written: originalOf(compiled.query), args };
    return this.#runner.stream(statement, inner, chunkSize) as AsyncIterableIterator<QueryResult<R>>;
  }

  provideConnection<T>(
    consumer: (connection: DatabaseConnection) => Promise<T>,
    ...options: readonly unknown[]
  ): Promise<T> {
    return this.#inner.provideConnection(consumer, ...(options as []));
  }

  withConnectionProvider(provider: ConnectionProvider): QueryExecutor {
    return this.#with(this.#inner.withConnectionProvider(provider));
  }

  withPlugin(plugin: KyselyPlugin): QueryExecutor {
    return this.#with(this.#inner.withPlugin(plugin));
  }

  withPlugins(plugins: readonly KyselyPlugin[]): QueryExecutor {
    return this.#with(this.#inner.withPlugins(plugins));
  }

  withPluginAtFront(plugin: KyselyPlugin): QueryExecutor {
    return this.#with(this.#inner.withPluginAtFront(plugin));
  }

  withoutPlugins(): QueryExecutor {
    return this.#with(this.#inner.withoutPlugins());
  }

  #with(inner: QueryExecutor): QueryExecutor {
    return new SignalExecutor(inner, this.#runner);
  }
}

/** A read writes only in a common table expression. */
function mayWrite({ query }: CompiledQuery): boolean {
  switch (query.kind) {
    case 'InsertQueryNode':
    case 'UpdateQueryNode':
    case 'DeleteQueryNode':
    case 'MergeQueryNode':
      return true;
    default:
      return (query as { with?: unknown }).with !== undefined;
  }
}
