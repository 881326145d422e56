import { getTableName, is, Param, Placeholder, type Table } from 'drizzle-orm';
import type { Row } from '../rows.ts';
import { isOfRowAlone } from './conditions.ts';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { type Builder, partOf } from './internals.ts';
import { isOfOneRow, keysOf } from './tables.ts';
import { isExpression } from './values.ts';

export type Operation = 'insert' | 'update' | 'delete';

/** A query that writes. */
export interface Query {
  readonly builder: Builder;
  readonly operation: Operation;
  readonly table: Table;
  /** The `values()` or `set()` as the caller gave them. */
  readonly given: unknown;
}

/** One call that runs a query. */
export interface Run {
  readonly builder: Builder;
  /** What it writes: the query itself, and before it those that it is built `with()`. */
  readonly writes: readonly Query[];
  /** The line of the app that has built it; empty if nobody wants to know. */
  readonly site: string;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Run the query as if there were no signals. */
  readonly natively: () => unknown;
}

/** The parts of a query that are passed on when it is done row by row. Any other part makes it a bulk write. */
const PASSED_ON: ReadonlySet<string> = new Set([
  'table',
  'values',
  'set',
  'where',
  'returning',
  'returningFields',
  'overridingSystemValue_',
  'comment',
  'ignoreSelectionCastCodecs',
]);

/** Whether the query is understood whole, so that it can be run with other values and more columns returned. */
export function isUnderstood({ builder, method, args }: Run, knowsResults: boolean): boolean {
  const { dialect } = builder as { dialect?: { shapeGenerator?: unknown } };
  const returns = partOf(builder, 'returning') !== undefined;
  return (
    args.every((each) => each === undefined) &&
    (returns ? ['execute', 'all', 'get'] : ['execute', 'run']).includes(method) &&
    (returns || knowsResults) &&
    dialect?.shapeGenerator === undefined &&
    Object.keys(builder.config).every((part) => PASSED_ON.has(part) || isAbsent(partOf(builder, part))) &&
    !hasPlaceholders(builder)
  );
}

/** Whether the rows that an understood query writes are known before. */
export function isOfRows({ builder, operation, table }: Query): boolean {
  return operation === 'insert' || isOfOneRow(partOf(builder, 'where'), table);
}

/** Whether the rows that an understood query writes can be read before, and be written one by one. */
export function canBeIndividual({ builder, operation, table }: Query): boolean {
  const { primary, refersToItself } = keysOf(table);
  if (operation === 'insert' || primary.length === 0 || refersToItself) return false;
  const values = (partOf(builder, 'set') ?? {}) as Row;
  // Rows are known by their keys.
  if (primary.some((name) => Object.hasOwn(values, name))) return false;
  return !Object.values(values).some(isExpression) && isOfRowAlone(partOf(builder, 'where'), table);
}

function isAbsent(part: unknown): boolean {
  return part === undefined || part === false || (Array.isArray(part) && part.length === 0);
}

function hasPlaceholders(builder: Builder): boolean {
  const rows = [partOf(builder, 'values'), partOf(builder, 'set')].flat() as (Row | undefined)[];
  const values = rows.flatMap((row) => Object.values(row ?? {}));
  return values.some((value) => is(is(value, Param) ? value.value : value, Placeholder));
}

export function bulkOperation({ builder, operation }: Query): PostBulkArgs['operation'] {
  return partOf(builder, 'onConflict') === undefined ? operation : 'upsert';
}

/** What a query is, for people. */
export function describeQuery({ operation, table }: Query): string {
  return `${operation}() of ${getTableName(table)}`;
}
