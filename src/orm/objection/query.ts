import type { Knex } from 'knex';
import type { Model, ModelClass } from 'objection';

/** What is used of Objection's query builder. Its types do not tell all of it. */
export interface Query extends PromiseLike<unknown> {
  modelClass(): ModelClass<Model>;
  unsafeKnex(): Knex | null;
  transacting(knex: Knex | null): Query;
  /** Of a query that is part of another. */
  parentQuery(): Query | null;
  childQueryOf(query: Query, options: { fork: true }): Query;
  has(operation: RegExp | ((operation: Operation) => boolean)): boolean;
  isExplicitlyResolvedOrRejected(): boolean;
  resolve(value: unknown): void;
  isFind(): boolean;
  isRelate(): boolean;
  isUnrelate(): boolean;
  clone(): Query;
  clear(operation: RegExp): Query;
  clearWithGraph(): Query;
  toFindQuery(): Query;
  findById(id: unknown): Query;
  whereComposite(columns: unknown, values: unknown): Query;
  fullIdColumn(): string | string[];
  tableName(): string;
  tableRef(): string;
  onBuildKnex(callback: (query: Knex.QueryBuilder) => void): Query;
  toKnexQuery(): KnexQuery;
  execute(): Promise<unknown>;
}

/** One call of a query builder's method, to be executed. */
export interface Operation {
  readonly name: string;
  /** What is inserted. */
  readonly models?: Values[];
  /** What is set by an update. */
  readonly model?: Values;
  /** The instance whose `$query()` it is. */
  readonly instance?: Values;
  readonly relation?: {
    readonly joinTable: string | null;
    readonly joinTableExtras: readonly { aliasProp: string }[];
    getJoinModelClass(knex: Knex | null): ModelClass<Model>;
  };
  /** Whether an update of related rows sets something in the join table, too: after it, by a query of its own. */
  readonly hasExtraProps?: boolean;
  /** What it does beside something of its own: fetch the row. */
  readonly delegate?: Operation;
}

/** A model that is used as a row. */
export type Values = Model & Record<string, unknown>;

/** What is used of a query of knex that its types do not tell. */
export interface KnexQuery extends PromiseLike<object[]> {
  readonly _statements: readonly Statement[];
  readonly _single: { readonly limit?: unknown; readonly offset?: unknown };
  transacting(transaction: Knex.Transaction): PromiseLike<unknown>;
  toQuery(): string;
  toSQL(): { readonly sql: string; toNative(): { readonly sql: string } };
}

export interface Statement {
  readonly grouping?: string;
  readonly type?: string;
  readonly column?: unknown;
  readonly value?: unknown;
  readonly operator?: unknown;
  readonly bool?: string;
  readonly not?: boolean;
}

export type WriteKind = 'insert' | 'update' | 'delete';

/** What an operation writes into the table of its query; graphs and relations make queries of their own of it. */
export function kindOf({ name }: Operation): WriteKind | undefined {
  const [, verb] = /^(insert|update|patch|delete)(?:AndFetch)?$/.exec(name) ?? [];
  return verb === 'patch' ? 'update' : (verb as WriteKind | undefined);
}

/** Whether a query writes; `isFind()` is true of `upsertGraph()`. */
export function isWrite(query: Query): boolean {
  return !query.isFind() || query.has(/^upsertGraph/);
}

/** Whether a query writes rows of other models beside its own, by queries of their own. */
export function writesOthers(query: Query): boolean {
  return (
    query.isRelate() ||
    query.isUnrelate() ||
    query.has(({ name, relation }) => /^(insert|upsert)Graph/.test(name) || (relation ?? null) !== null)
  );
}

export function isUpsert(query: Query): boolean {
  return query.has(/^(onConflict|merge|ignore)$/);
}

/** The instance whose `$query()` the operation is of. */
export function instanceOf({ instance, delegate }: Operation): Values | undefined {
  return instance ?? (delegate === undefined ? undefined : instanceOf(delegate));
}
