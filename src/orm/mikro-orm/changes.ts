import { ChangeSetType, type EventArgs, wrap } from '@mikro-orm/core';
import { type Difference, differenceOf, fieldsOnly } from '../difference.ts';

type Event = EventArgs<object>;
export type ChangeSet = NonNullable<Event['changeSet']>;
type Values = Readonly<Record<string, unknown>>;

/**
 * The change sets by which the instance of an event is written, in the order of the writes: one, but for an entity
 * whose hierarchy has a table for each class.
 */
export function changeSetsOf({ em, entity, changeSet }: Event): readonly ChangeSet[] {
  if (changeSet === undefined) return [];
  const alone = [changeSet];
  if (changeSet.meta.inheritanceType !== 'tpt') return alone;
  const own = em
    .getUnitOfWork(false)
    .getChangeSets()
    .find((each) => each.entity === entity);
  if (own === undefined) return alone;
  const all = [...(own.tptChangeSets ?? [])].reverse().concat(own) as ChangeSet[];
  if (!all.includes(changeSet)) return alone;
  return all.filter(
    ({ type, payload, meta }) =>
      type === ChangeSetType.CREATE || Object.keys(payload).length > 0 || meta.hasOptimisticLock(),
  );
}

/** What a payload says of an update: what MikroORM compares, relations by their keys, embedded objects by column. */
export function updateOf(event: Event): Difference {
  const changeSets = changeSetsOf(event);
  const written: Values = Object.assign({}, ...changeSets.map(({ payload }) => payload)) as Values;
  const { originalEntity } = (event.changeSet ?? {}) as { originalEntity?: Values };
  const version = changeSets.find(({ meta }) => meta.ownsVersionProperty())?.meta.versionProperty as string | undefined;
  const fields = Object.keys(written);
  const before = originalEntity === undefined ? undefined : valuesBefore(event, originalEntity, fields);
  const difference = before === undefined ? fieldsOnly(fields) : differenceOf(before, written);
  // The database counts it up in the same statement, and MikroORM learns of it after.
  if (version === undefined || Object.hasOwn(written, version)) return difference;
  return { ...difference, updateFields: new Set([...difference.updateFields, version]) };
}

/** What the fields held; undefined if one of them was never read. MikroORM keeps nothing of one that was never set. */
function valuesBefore({ entity, meta }: Event, original: Values, fields: readonly string[]): Values | undefined {
  const missing = fields.filter((field) => original[field] === undefined);
  if (missing.length === 0) return original;
  if (Object.keys(original).every((field) => (meta.primaryKeys as string[]).includes(field))) return undefined;
  const { fields: loaded } = wrap(entity, true).__serializationContext as { readonly fields?: unknown };
  if (loaded !== undefined) return undefined;
  return { ...original, ...Object.fromEntries(missing.map((field) => [field, null])) };
}
