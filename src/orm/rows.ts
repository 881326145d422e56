/**
 * Saving and deleting rows, for ORMs that write values and keep no instances. The row is a plain object, the same one
 * in the signal before the write and in the one after it.
 */
import type { ModelSignal, ModelSignalKind } from '../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../models.ts';
import { type Difference, differenceOf, fieldsOnly } from './difference.ts';
import { INSERTED } from './inserted.ts';

export type Row = Record<string, unknown>;
type Send = <TKind extends ModelSignalKind>(signal: ModelSignal<TKind>, sender: unknown, args: object) => Promise<void>;

/** Insert rows by one statement. `write` returns them as stored, in the same order. */
export async function insertRows(
  send: Send,
  sender: unknown,
  values: readonly Row[],
  write: (values: Row[]) => Promise<readonly Row[]>,
): Promise<void> {
  const instances = values.map((each) => ({ ...each }));
  for (const instance of instances) await send(preSave, sender, { instance, ...INSERTED });
  const stored = await write(instances.map((each) => ({ ...each })));
  // A trigger may have left out some, and nobody knows which.
  const isComplete = stored.length === instances.length;
  const saved = stored.map((row, index) => (isComplete ? Object.assign(instances[index] as Row, row) : { ...row }));
  for (const instance of saved) await send(postSave, sender, { instance, ...INSERTED });
}

/** An update of one row. */
export interface RowUpdate {
  /** The row as stored; undefined if it was not read. */
  readonly before: Row | undefined;
  /** What is known of it without reading: the key. */
  readonly key: Row;
  /** What the caller sets. */
  readonly values: Row;
  /** Whether a value is an expression, whose outcome only the database knows. */
  readonly isExpression: (value: unknown) => boolean;
}

/** An update that `preSave` was sent for. */
export interface PreparedUpdate {
  /** What `preSave` has changed. */
  readonly changed: Row;
  /** What is to be written: the caller's values, and what `preSave` has changed beside. */
  readonly assigned: Row;
  /** To be called with the row as it is stored then. */
  readonly written: (after: Row) => Promise<void>;
}

/** Send `preSave` for the update of one row. */
export async function prepareUpdate(
  send: Send,
  sender: unknown,
  { before, key, values, isExpression }: RowUpdate,
): Promise<PreparedUpdate> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const known = Object.fromEntries(given.filter(([, value]) => !isExpression(value)));
  const asGiven = { ...(before ?? key), ...known };
  const instance: Row = { ...asGiven };
  const certain = before !== undefined && Object.keys(known).length === given.length;
  const intent = certain ? differenceOf(before, asGiven) : fieldsOnly(given.map(([field]) => field));
  await send(preSave, sender, { instance, raw: false, created: false, ...intent });
  const fields = [...differenceOf(asGiven, instance).updateFields];
  const changed = Object.fromEntries(fields.map((field) => [field, instance[field]]));
  const assigned = { ...Object.fromEntries(given), ...changed };
  return {
    changed,
    assigned,
    written: async (after) => {
      Object.assign(instance, after);
      const outcome: Difference =
        before === undefined ? fieldsOnly(Object.keys(assigned)) : differenceOf(before, after);
      await send(postSave, sender, { instance, raw: false, created: false, ...outcome });
    },
  };
}

/** Delete one row. `write` returns it as it was; undefined if it was gone. `before` is only needed for `preDelete`. */
export async function deleteRow(
  send: Send,
  sender: unknown,
  before: Row | undefined,
  write: () => Promise<Row | undefined>,
): Promise<void> {
  if (before !== undefined) await send(preDelete, sender, { instance: before, origin: before });
  const deleted = await write();
  if (deleted === undefined) return;
  const instance = before ?? deleted;
  await send(postDelete, sender, { instance, origin: instance });
}
