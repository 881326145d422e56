import type { Knex } from 'knex';
import { type KnexQuery, type Operation, type Query, type Statement, type Values } from './query.ts';
import { abortsTransaction } from './transactions.ts';

/**
 * What a query may consist of, for its rows to be found before it writes them. With anything else (joins, limits,
 * orders, tables of others) a select might find others than the statement writes.
 */
const UNDERSTOOD =
  /^((and|or)?where\w*|find(ById|ByIds|One)?|first|(update|patch|delete)(AndFetch)?|returning|run(Before|After)|onBuild(Knex)?|onError|timeout|debug|options|connection|withSchema|from|table|eager)$/i;
/** What only matters to the query itself, when it is executed. */
const NOT_CONDITIONS = /^(first|returning|run(Before|After)|onError)$/;
/** What Objection selects beside the columns, to tell the owners of related rows apart. */
const TEMPORARY = /^objectiontmpjoin\d+$/;

/** A query that finds what the conditions of a write find. */
export function findQueryOf(query: Query): Query {
  return query.toFindQuery().clear(NOT_CONDITIONS).clearWithGraph();
}

/** The rows that a write is about, to be found before it. */
export interface Target {
  /**
   * Whether the conditions demand one value of the primary key, or one of several. Objection takes the key as given by
   * the model, `idColumn`; whether it is one in the database, only the rows found can tell.
   */
  readonly names: 'one' | 'some' | undefined;
  /** Whether each condition is about a column and a value, so that a row fulfils it whatever other rows hold. */
  readonly isPlain: boolean;
  /** Undefined if they cannot be read: the write then fails by itself. */
  read(): Promise<Values[] | undefined>;
}

/** The target of an update or delete; undefined if it has parts that are not understood. */
export function targetOf(query: Query, operation: Operation): Target | undefined {
  const found = isUnderstood(query) ? built(findQueryOf(query)) : undefined;
  if (found === undefined) return undefined;
  const { _statements: statements, _single: single } = found;
  const conditions = statements.filter(({ grouping }) => grouping === 'where');
  const isRelated = (operation.relation?.joinTable ?? null) !== null;
  const others = statements.some(
    ({ grouping }) => !['where', 'columns', isRelated ? 'join' : ''].includes(grouping ?? ''),
  );
  if (others || single.limit !== undefined || single.offset !== undefined) return undefined;
  const keys = countOfKeys(query, conditions);
  return {
    names: keys === Infinity || conditions.length === 0 ? undefined : keys <= 1 ? 'one' : 'some',
    isPlain: !isRelated && conditions.every(isPlain),
    read: async () => {
      const rows = await found.then(undefined, (error: unknown) => {
        if (!abortsTransaction(query.unsafeKnex(), error)) return undefined;
        // The write would only be told that the transaction has been aborted, or be made after it.
        throw asErrorOf(error, found, query.clone().toKnexQuery());
      });
      const models = rows && modelsOf(query, operation, rows);
      return isRelated ? models && distinct(models) : models;
    },
  };
}

function isUnderstood(query: Query): boolean {
  return !query.has(({ name }) => !UNDERSTOOD.test(name));
}

/** A query that cannot be built fails by itself. */
function built(query: Query): KnexQuery | undefined {
  try {
    return query.toKnexQuery();
  } catch {
    return undefined;
  }
}

/** How many values of the primary key conditions allow: infinitely many, if they are about other columns. */
function countOfKeys(query: Query, conditions: readonly Statement[]): number {
  let count = 0;
  for (const alternative of alternativesOf(conditions)) {
    const keys = [query.fullIdColumn()].flat().map((column) => {
      const counts = alternative.map((condition) => countOfValues(query, condition, column));
      return Math.min(...counts, Infinity);
    });
    const groups = alternative.map((condition) => countOfKeys(query, groupOf(query, condition)));
    count += Math.min(
      keys.reduce((product, each) => product * each, 1),
      ...groups.filter((each) => each > 0),
    );
  }
  return count;
}

function alternativesOf(conditions: readonly Statement[]): Statement[][] {
  const alternatives: Statement[][] = [];
  for (const condition of conditions) {
    if (condition.bool === 'or' || alternatives.length === 0) alternatives.push([]);
    alternatives.at(-1)?.push(condition);
  }
  return alternatives;
}

/** The conditions that a callback puts between brackets; Objection does so for composite keys. */
function groupOf(query: Query, { type, value, not }: Statement): readonly Statement[] {
  if (type !== 'whereWrapped' || not === true || typeof value !== 'function') return [];
  if (!Array.isArray(query.fullIdColumn())) return [];
  const group = (query.unsafeKnex() as Knex).queryBuilder();
  value.call(group, group);
  return (group as unknown as KnexQuery)._statements.filter(({ grouping }) => grouping === 'where');
}

/** How many values a condition allows for a column. */
function countOfValues(query: Query, { type, column, operator, value, not }: Statement, wanted: string): number {
  if (not === true) return Infinity;
  const isWanted = (each: unknown): boolean => {
    const name = nameOf(each);
    return name !== undefined && unqualified(query, name) === unqualified(query, wanted);
  };
  if (type === 'whereBasic') return isWanted(column) && operator === '=' && isValue(value) ? 1 : Infinity;
  if (type !== 'whereIn' || !Array.isArray(value)) return Infinity;
  if (Array.isArray(column)) return column.some(isWanted) && value.every(Array.isArray) ? value.length : Infinity;
  return isWanted(column) && value.every(isValue) ? value.length : Infinity;
}

/** The name of a column; undefined for an expression. Objection's relations give columns as references. */
function nameOf(column: unknown): string | undefined {
  if (typeof column === 'string') return column;
  const { sql, bindings } = Object(column) as { sql?: unknown; bindings?: unknown };
  if (sql !== '??' || !Array.isArray(bindings)) return undefined;
  return bindings.length === 1 && typeof bindings[0] === 'string' ? bindings[0] : undefined;
}

/** The name of a column of the query's own table. */
function unqualified(query: Query, column: string): string {
  const [own = column] = [query.tableRef(), query.tableName()]
    .filter((table) => column.startsWith(`${table}.`))
    .map((table) => column.slice(table.length + 1));
  return own;
}

function isPlain({ type, column, operator, value, bool }: Statement): boolean {
  if (bool !== 'and' || [column].flat().some((each) => nameOf(each) === undefined)) return false;
  if (type === 'whereNull') return true;
  if (type === 'whereBasic') return typeof operator === 'string' && isValue(value);
  return (type === 'whereIn' || type === 'whereBetween') && Array.isArray(value) && value.every(isValue);
}

/** Whether it is bound as it is: a query or an expression may stand for many values. */
function isValue(value: unknown): boolean {
  return value === null || typeof value !== 'object' || value instanceof Date || Buffer.isBuffer(value);
}

/** The error of a read, with the statement in its message that the caller knows of. */
function asErrorOf(error: unknown, read: KnexQuery, write: KnexQuery): unknown {
  if (!(error instanceof Error)) return error;
  const [reads, writes] = [textsOf(read), textsOf(write)];
  const index = reads.findIndex((sql) => error.message.startsWith(sql));
  if (index >= 0) error.message = `${String(writes[index])}${error.message.slice(reads[index]?.length)}`;
  return error;
}

/** What knex may call a query in an error: it fills in the values of those that have question marks only. */
function textsOf(query: KnexQuery): readonly string[] {
  const compiled = query.toSQL();
  const { sql } = compiled.toNative();
  return sql === compiled.sql ? [query.toQuery(), sql] : [sql];
}

/** What the app does after its own finds is not done. */
function modelsOf(query: Query, { relation }: Operation, rows: readonly object[]): Values[] {
  const extras = (relation?.joinTableExtras ?? []).map(({ aliasProp }) => aliasProp);
  return rows.map((row) => {
    const model = query.modelClass().fromDatabaseJson(row) as Values;
    for (const name of Object.keys(model))
      if (TEMPORARY.test(name) || extras.includes(name)) Reflect.deleteProperty(model, name);
    return model;
  });
}

/** A join finds a row as often as it is related. */
function distinct(rows: readonly Values[]): Values[] {
  const found = new Map(rows.map((row) => [JSON.stringify([row.$id()].flat().map(String)), row]));
  return [...found.values()];
}
