import { isDeepStrictEqual } from 'node:util';
import type { Changes } from '../core/model-types.ts';

/** The fields that a save writes, and what they held and hold. */
export interface Difference {
  readonly updateFields: ReadonlySet<string>;
  readonly changes: Changes | null;
}

type Values = Readonly<Record<string, unknown>>;

/**
 * What changed from one state of a row to another; of the fields given, else of all. Dates, buffers and JSON are
 * compared by value.
 */
export function differenceOf(
  before: Values,
  after: Values,
  fields: readonly string[] = Object.keys(after),
): Difference {
  const changed = fields.filter((field) => !isDeepStrictEqual(before[field], after[field]));
  return {
    updateFields: new Set(changed),
    // fromEntries defines, where an assignment to a field called __proto__ would not
    changes: Object.fromEntries(changed.map((field) => [field, { from: before[field], to: after[field] }])),
  };
}

/** What is known of a save whose row nobody has read: the fields, and not what they held. */
export function fieldsOnly(fields: Iterable<string>): Difference {
  return { updateFields: new Set(fields), changes: null };
}
