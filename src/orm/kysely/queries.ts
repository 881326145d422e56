/** Running queries through Kysely's executor: those of the caller, and reads for receivers. */
import type { CompiledQuery, ConnectionProvider, QueryExecutor, QueryId, QueryResult, RootOperationNode } from 'kysely';
import type { Row } from '../rows.ts';
import { type Dialect, queryId, rawQuery } from './dialect.ts';
import { readOf, readOfKeys, returningAll } from './edits.ts';
import type { PlainWrite } from './nodes.ts';

/** A query as it was built, and what its caller gave to the method that runs it. */
export interface Statement {
  readonly compiled: CompiledQuery;
  /** Before plugins have changed it: with the names that the app uses. */
  readonly written: RootOperationNode;
  readonly args: readonly unknown[];
}

/** What a write has done. */
export interface Written {
  /** What the caller gets, but for what plugins make of it. */
  readonly result: QueryResult<Row>;
  /** The rows as they are stored now, as the app sees them. */
  readonly rows: readonly Row[];
}

/** Reads the rows of a write that has this result, as they are stored now, as the app sees them. */
export type ReadBack = (result: QueryResult<unknown>, queries: Queries) => Promise<readonly Row[]>;

const KEYS_AT_ONCE = 200;

/** What is known of queries before plugins have changed them, by what they became. */
const originals = new WeakMap<object, RootOperationNode>();

export function rememberOriginal(transformed: RootOperationNode, written: RootOperationNode): void {
  if (transformed !== written) originals.set(transformed, written);
}

export function originalOf(transformed: RootOperationNode): RootOperationNode {
  return originals.get(transformed) ?? transformed;
}

/** The queries of one write, on one executor. */
export class Queries {
  readonly executor: QueryExecutor;
  readonly dialect: Dialect;

  constructor(executor: QueryExecutor, dialect: Dialect) {
    this.executor = executor;
    this.dialect = dialect;
  }

  /** The query of the caller, as it is. */
  run({ compiled, args }: Statement): Promise<QueryResult<unknown>> {
    return this.executor.executeQuery(compiled, ...(args as []));
  }

  /** The rows that a write is about, as the app sees them. */
  async read(write: PlainWrite, lock?: 'ForUpdate' | 'ForNoKeyUpdate'): Promise<Row[]> {
    // SQLite has no locks of rows, and MySQL no other kind; without one it reads what was there in the past.
    const locks = { postgres: lock, mysql: 'ForUpdate', sqlite: undefined, other: undefined } as const;
    return this.select(readOf(write, locks[this.dialect]));
  }

  /** The rows of the table of a write that have one of these keys. */
  async readKeys(write: PlainWrite, keys: readonly Row[]): Promise<Row[]> {
    const rows: Row[] = [];
    // A compiler of queries goes as deep as there are conditions.
    for (let index = 0; index < keys.length; index += KEYS_AT_ONCE)
      rows.push(...(await this.select(readOfKeys(write, keys.slice(index, index + KEYS_AT_ONCE)))));
    return rows;
  }

  /**
   * Run a write and read what it has written. `edited` is the write with other values; if it is the one that the caller
   * wrote, what plugins have made of that is run.
   *
   * @param readBack - reads the rows, for a database that does not return them
   */
  async write({ compiled, written, args }: Statement, edited: PlainWrite, readBack?: ReadBack): Promise<Written> {
    const id = idOf(compiled, args);
    const node = edited === written ? compiled.query : this.executor.transformQuery(edited, id);
    if (readBack !== undefined && edited.returning === undefined) {
      const query = this.executor.compileQuery<Row>(node, id);
      const result = await this.executor.withoutPlugins().executeQuery(query, ...(args as []));
      return { result, rows: await readBack(result, this) };
    }
    const { node: withRows, split } = returningAll(node as PlainWrite);
    const query = this.executor.compileQuery<Row>(withRows, id);
    const run = (executor: QueryExecutor): Promise<QueryResult<Row>> => executor.executeQuery(query, ...(args as []));
    const bare = this.executor.withoutPlugins();
    if (edited.returning !== undefined) {
      const { rows, ...told } = await run(bare);
      const parts = rows.map(split);
      const result = { ...told, rows: parts.map(({ asked }) => asked) };
      return {
        result,
        rows: await this.show(
          edited,
          parts.map(({ all }) => all),
        ),
      };
    }
    // SQLite's driver tells nothing of a statement that returns rows, and else the id of the last insert of all.
    const { rows, ...told } = await (this.dialect === 'sqlite'
      ? onOneConnection(bare, (one) => withInsertId(one, run))
      : run(bare));
    const result = told.numAffectedRows === undefined ? { ...told, numAffectedRows: BigInt(rows.length) } : told;
    return { result: { ...result, rows: [] }, rows: await this.show(edited, rows) };
  }

  /** What plugins make of the result that the caller gets. */
  async finish({ compiled, args }: Statement, result: QueryResult<Row>): Promise<QueryResult<unknown>> {
    const [options] = args as [{ signal?: AbortSignal }?];
    return this.transform(result, idOf(compiled, args), options?.signal);
  }

  /** Do several writes in a transaction as one does: all or none. */
  async atomically<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    // PostgreSQL aborts the transaction. A savepoint would undo what others write meanwhile, so it lets nobody in.
    if (this.dialect === 'postgres') return work(this);
    return onOneConnection(this.executor, async (executor) => {
      const run = (sql: string): Promise<unknown> => executor.executeQuery(rawQuery(sql));
      await run('savepoint tocsin_rows');
      try {
        const result = await work(new Queries(executor, this.dialect));
        await run('release savepoint tocsin_rows');
        return result;
      } catch (error) {
        await run('rollback to tocsin_rows');
        await run('release savepoint tocsin_rows');
        throw error;
      }
    });
  }

  /** The same queries on another connection. */
  on(provider: ConnectionProvider): Queries {
    return new Queries(this.executor.withConnectionProvider(provider), this.dialect);
  }

  /** What plugins make of the names of columns. */
  async namesOf(columns: readonly string[]): Promise<string[]> {
    if (this.executor.plugins.length === 0) return [...columns];
    const rows = columns.map((column): Row => ({ [column]: null }));
    const result = await this.transform({ rows }, queryId());
    return result.rows.map((row) => Object.keys(row as Row)[0] as string);
  }

  /** A read, as the app sees its rows. */
  private async select(node: RootOperationNode): Promise<Row[]> {
    const id = queryId();
    const compiled = this.executor.compileQuery<Row>(this.executor.transformQuery(node, id), id);
    return (await this.executor.executeQuery(compiled, id as never)).rows;
  }

  /** Rows as plugins show those of a read. */
  private async show(write: PlainWrite, rows: Row[]): Promise<readonly Row[]> {
    if (this.executor.plugins.length === 0) return rows;
    const id = queryId();
    this.executor.transformQuery(readOf(write), id);
    return (await this.transform({ rows }, id)).rows as Row[];
  }

  private async transform(result: QueryResult<Row>, id: QueryId, signal?: AbortSignal): Promise<QueryResult<unknown>> {
    let transformed: QueryResult<never> = result as QueryResult<never>;
    for (const plugin of this.executor.plugins) {
      transformed = (await plugin.transformResult(
        Object.freeze({ queryId: id, result: transformed, signal }),
      )) as QueryResult<never>;
    }
    return transformed;
  }
}

/** Kysely before 0.28.17 gives it beside the query. */
function idOf(compiled: CompiledQuery, args: readonly unknown[]): QueryId {
  return (compiled as { queryId?: QueryId }).queryId ?? (args[0] as QueryId);
}

/** Run several queries with nothing of others between them. */
export function onOneConnection<T>(executor: QueryExecutor, work: (executor: QueryExecutor) => Promise<T>): Promise<T> {
  return executor.provideConnection((connection) =>
    work(executor.withConnectionProvider({ provideConnection: (consumer) => consumer(connection) })),
  );
}

/** The result of a write that returns rows, with the id that SQLite would have told if it returned none. */
async function withInsertId(
  executor: QueryExecutor,
  run: (executor: QueryExecutor) => Promise<QueryResult<Row>>,
): Promise<QueryResult<Row>> {
  const result = await run(executor);
  if (result.insertId !== undefined) return result;
  const { rows } = await executor.executeQuery(rawQuery<{ id: number }>('select last_insert_rowid() as id'));
  return { insertId: BigInt((rows[0] as { id: number }).id), ...result };
}
