/** What differs between databases, by how Kysely compiles for them: names of classes are lost in bundles. */
import type { CompiledQuery, OperationNode, QueryExecutor, QueryId, RawNode, RootOperationNode } from 'kysely';

/** `mysql` is MariaDB, too. */
export type Dialect = 'postgres' | 'sqlite' | 'mysql' | 'other';

export function dialectOf(executor: QueryExecutor): Dialect {
  const identifier = { kind: 'IdentifierNode', name: 'a' } as OperationNode;
  const value = { kind: 'ValueNode', value: 1 } as OperationNode;
  const probe: RawNode = { kind: 'RawNode', sqlFragments: ['', ' ', ''], parameters: [identifier, value] };
  const { sql } = executor.withoutPlugins().compileQuery(probe, queryId());
  if (sql === '"a" $1') return 'postgres';
  if (sql === '`a` ?') return 'mysql';
  return sql === '"a" ?' ? 'sqlite' : 'other';
}

/** For a query of our own: plugins keep what they know of a query by its id. */
export function queryId(): QueryId {
  return { queryId: 'tocsin' };
}

/** A query of our own in SQL. */
export function rawQuery<R>(sql: string, parameters: readonly unknown[] = []): CompiledQuery<R> {
  const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] } as RootOperationNode;
  return { query, sql, parameters, queryId: queryId() };
}
