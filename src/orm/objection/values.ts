import { isDeepStrictEqual } from 'node:util';
import type { Row } from '../rows.ts';
import type { Values } from './query.ts';

/** What a model holds of its row: without relations, methods, and what begins with $. */
export function valuesOf(model: Values): Row {
  const relations = (model.constructor as unknown as { getRelationNames(): string[] }).getRelationNames();
  return Object.fromEntries(
    Object.entries(model).filter(
      ([name, value]) => !name.startsWith('$') && typeof value !== 'function' && !relations.includes(name),
    ),
  );
}

/** What an update sets. */
export interface Assignments {
  /** Bound as they are. */
  readonly values: Row;
  /** Raw SQL, references, queries and paths into JSON: what becomes of them, only the database knows. */
  readonly expressions: Row;
}

export function assignmentsOf(model: Values & { readonly $$queryProps?: Row }): Assignments {
  const omitted = omittedOf(model);
  const set = Object.entries({ ...valuesOf(model), ...model.$$queryProps }).filter(
    ([name, value]) => value !== undefined && omitted?.includes(name) !== true,
  );
  const isExpression = (name: string): boolean =>
    name.includes(':') || (model.$$queryProps !== undefined && Object.hasOwn(model.$$queryProps, name));
  return {
    values: Object.fromEntries(set.filter(([name]) => !isExpression(name))),
    expressions: Object.fromEntries(set.filter(([name]) => isExpression(name))),
  };
}

/** Have an update set more. `columns` are known to be of the table: Objection omits those that have not changed. */
export function assign(model: Values & { $$queryProps?: Row }, extras: Row, columns: Row): void {
  for (const [name, value] of Object.entries(extras)) {
    model[name] = value;
    // it would win
    if (model.$$queryProps !== undefined) Reflect.deleteProperty(model.$$queryProps, name);
    const omitted = omittedOf(model);
    const index = omitted?.indexOf(name) ?? -1;
    if (index >= 0 && Object.hasOwn(columns, name)) omitted?.splice(index, 1);
  }
}

/** The names that are left out of the statement. */
function omittedOf(model: Values): string[] | undefined {
  return (model as unknown as { $omitFromDatabaseJson(): string[] | undefined }).$omitFromDatabaseJson();
}

/** A copy to compare with later: receivers may change a JSON value in place. */
export function snapshotOf(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isJson(value) ? copyOf(value) : value]));
}

function isJson(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

function copyOf(value: object): object {
  try {
    return structuredClone(value);
  } catch {
    return value;
  }
}

/**
 * What was stored, in the types of what is set. SQLite and MySQL keep booleans as numbers, SQLite dates too; drivers
 * give big numbers as text.
 */
export function inTypesOf(set: Row, stored: Row): Row {
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [name, Object.hasOwn(set, name) ? alike(set[name], value) : value]),
  );
}

function alike(set: unknown, stored: unknown): unknown {
  if (typeof set === 'boolean') return [0, 1, '0', '1'].includes(stored as number) ? Number(stored) === 1 : stored;
  if (set instanceof Date) {
    const date = typeof stored === 'number' || isTimestamp(stored) ? new Date(stored) : undefined;
    return date === undefined || Number.isNaN(date.getTime()) ? stored : date;
  }
  if (typeof set === 'number' && typeof stored === 'string') {
    return stored.trim() !== '' && Number(stored) === set ? set : stored;
  }
  if (typeof set === 'string' && typeof stored === 'number') return String(stored) === set ? set : stored;
  if (typeof set === 'string' && stored instanceof Date) {
    const times = [set, `${set}T00:00`].map((each) => new Date(each).getTime());
    return times.includes(stored.getTime()) ? set : stored;
  }
  if (typeof set === 'bigint') return String(stored) === String(set) ? set : stored;
  if (isJson(set) && typeof stored === 'string') {
    const parsed = parsedOf(stored);
    return isDeepStrictEqual(parsed, set) ? parsed : stored;
  }
  return stored;
}

function isTimestamp(stored: unknown): stored is string {
  return typeof stored === 'string' && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(stored);
}

function parsedOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
