/** What the data of a write holds, column by column. */
import { isObject } from '../../core/describe.ts';
import type { Row } from '../rows.ts';
import type { Field } from './client.ts';

/** The values of a row's own columns, without what is related. */
export function columnsOf(values: Row, fields: readonly Field[]): Row {
  return Object.fromEntries(
    fields
      .filter(({ kind, name }) => kind !== 'object' && Object.hasOwn(values, name) && values[name] !== undefined)
      .map(({ name }) => [name, values[name]]),
  );
}

/** The data of an update. */
export interface UpdateValues {
  /** `{ set: value }` is the value; an expression is itself. */
  readonly values: Row;
  /** Whether only the database knows what will come of a value, such as `{ increment: 1 }`. */
  readonly isExpression: (value: unknown) => boolean;
}

export function updateValuesOf(data: Row, fields: readonly Field[]): UpdateValues {
  const expressions: unknown[] = [];
  const valueOf = (value: unknown, { type }: Field): unknown => {
    if (type === 'Json' || !isPlainObject(value)) return value;
    if (Object.hasOwn(value, 'set')) return value.set;
    if (Object.keys(value).length > 0) expressions.push(value);
    return value;
  };
  const own = columnsOf(data, fields);
  const values = fields
    .filter(({ name }) => Object.hasOwn(own, name))
    .map((field) => [field.name, valueOf(own[field.name], field)] as const);
  return { values: Object.fromEntries(values), isExpression: (value) => expressions.includes(value) };
}

/** A row that a call gives as an object, and not, say, as an array or a date. */
export function isPlainObject(value: unknown): value is Row {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
