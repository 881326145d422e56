import { AsyncLocalStorage } from 'node:async_hooks';
import type { Knex } from 'knex';
import type { Model, ModelClass } from 'objection';
import { callSite, hasAnyReceivers, hasReceivers } from '../bulk.ts';
import { isTransaction, watch } from './transactions.ts';

/** What is used of a query builder. */
export interface Query extends PromiseLike<unknown> {
  modelClass(): ModelClass<Model>;
  knex(): Knex;
  /** Of a query that is part of a graph's; that has read no more of its rows than it needs. */
  parentQuery(): Query | null;
  has(operation: RegExp): boolean;
  isFind(): boolean;
  clone(): Query;
  transacting(knex: Knex): Query;
  toFindQuery(): Query;
  toKnexQuery(): Promise<object[]>;
  execute(): Promise<unknown>;
}

const sites = new AsyncLocalStorage<string>();

/** The line that asked for the query that is executed now: when the hooks run, that call has long returned. */
export function callSiteOfQuery(): string | undefined {
  return sites.getStore();
}

/** What hooks cannot do for a query: know the line that asked for it, and give it a transaction. */
export function watchQuery(
  query: Query,
  sender: unknown,
  { atomic, loud }: { readonly atomic: boolean; readonly loud: boolean },
): void {
  const knex = knexOf(query);
  if (knex !== undefined) watch(knex);
  const concerns = hasReceivers('update', sender) || hasReceivers('delete', sender);
  // a graph may hold instances of any model
  if (!concerns && !(atomic && hasAnyReceivers())) return;
  const site = loud && concerns ? callSite() : undefined;
  const execute = query.execute.bind(query);
  query.execute = () => {
    const run = (): Promise<unknown> => {
      const surrounding = query.knex();
      if (!atomic || query.isFind() || isTransaction(surrounding)) return execute();
      watch(surrounding);
      // the clone is a plain one: what is done here is done
      return surrounding.transaction((transaction) => query.clone().transacting(transaction).execute());
    };
    return site === undefined ? run() : sites.run(site, run);
  };
}

/** The knex of a query; undefined for a model that is bound to none yet. */
function knexOf(query: Query): Knex | undefined {
  try {
    return query.knex();
  } catch {
    return undefined;
  }
}

/** The rows that a query is about to write. What the app does after its own finds is not done. */
export async function rowsOf(query: Query): Promise<Model[]> {
  const rows = await query.toFindQuery().toKnexQuery();
  return rows.map((row) => query.modelClass().fromDatabaseJson(row));
}

interface Statement {
  readonly grouping?: string;
  readonly type?: string;
  readonly column?: unknown;
  readonly operator?: string;
  readonly bool?: string;
  readonly not?: boolean;
}

/** Whether a query writes rows that it names: one by its primary key, or those of a graph. */
export function isOfRows(query: Query): boolean {
  const found = query.toFindQuery();
  if (query.parentQuery() !== null || found.has(/^findById$/)) return true;
  const { _statements: statements } = found.toKnexQuery() as unknown as { _statements: Statement[] };
  const where = statements.filter(({ grouping }) => grouping === 'where');
  const key = [(query.modelClass() as { idColumn: string | string[] }).idColumn].flat();
  const demanded = where
    .filter(({ type, operator, not }) => type === 'whereBasic' && operator === '=' && not !== true)
    .map(({ column }) => (typeof column === 'string' ? column.split('.').at(-1) : undefined));
  return where.every(({ bool }) => bool === 'and') && key.every((column) => demanded.includes(column));
}
