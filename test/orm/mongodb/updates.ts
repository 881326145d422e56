/** Documents as updates make them. */
import { BSON } from 'bson';
import { updateOne } from 'mingo';
import { type Document, failure, idOf } from './collections.ts';

export interface Change {
  /** Operators, a replacement, or a pipeline. */
  readonly update: Document | readonly Document[];
  /** What `$` in a path refers to, and what an upsert begins with. */
  readonly filter: Document;
  readonly arrayFilters?: readonly Document[] | undefined;
}

/** The document after the change. */
export function changed(
  document: Document,
  { update, filter, arrayFilters = [] }: Change,
  inserting = false,
): Document {
  const after = isReplacement(update)
    ? { _id: document._id, ...update }
    : updated(copyOf(document), { update, filter, arrayFilters }, inserting);
  if (document._id !== undefined && idOf(after._id) !== idOf(document._id)) {
    throw failure(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
  return after;
}

/** What an upsert inserts: the fields that the filter gives a value, changed. */
export function insertedBy(change: Change): Document {
  const base = isReplacement(change.update) ? pick(equalities(change.filter), '_id') : equalities(change.filter);
  const { _id, ...rest } = changed(base, { ...change, filter: {} }, true);
  return { _id: _id ?? new BSON.ObjectId(), ...rest };
}

export function isSame(one: Document, other: Document | undefined): boolean {
  return other !== undefined && Buffer.compare(BSON.serialize(one), BSON.serialize(other)) === 0;
}

function updated(copy: Document, { update, filter, arrayFilters = [] }: Change, inserting: boolean): Document {
  let modifier: Document | readonly Document[] = update;
  if (!Array.isArray(update)) {
    const { $setOnInsert, ...operators } = update as Document & { $setOnInsert?: Document };
    // Empty ones change nothing, though mingo refuses them.
    modifier = Object.fromEntries(
      Object.entries(operators).filter(([, paths]) => Object.keys(paths as object).length > 0),
    );
    if (inserting && $setOnInsert !== undefined) {
      modifier = { ...modifier, $set: { ...(modifier as { $set?: Document }).$set, ...$setOnInsert } };
    }
    if (Object.keys(modifier).length === 0) return copy;
  }
  const documents = [copy];
  updateOne(documents, inserting ? {} : filter, modifier as never, { arrayFilters: [...arrayFilters] });
  return documents[0] as Document;
}

function isReplacement(update: Change['update']): update is Document {
  return !Array.isArray(update) && Object.keys(update)[0]?.startsWith('$') !== true;
}

/** The values that a filter asks for, and so an upsert inserts. */
function equalities(filter: Document): Document {
  const values: Document = {};
  for (const [path, value] of Object.entries(filter)) {
    if (path === '$and') for (const each of value as Document[]) Object.assign(values, equalities(each));
    if (path.startsWith('$')) continue;
    const isOperator = isPlain(value) && Object.keys(value)[0]?.startsWith('$') === true;
    if (isOperator && !('$eq' in value)) continue;
    setAt(values, path, isOperator ? value.$eq : value);
  }
  return values;
}

function setAt(document: Document, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() as string;
  let holder = document;
  for (const key of keys) holder = (holder[key] ??= {}) as Document;
  holder[last] = value;
}

function isPlain(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function pick(document: Document, key: string): Document {
  return key in document ? { [key]: document[key] } : {};
}

function copyOf(document: Document): Document {
  return BSON.deserialize(BSON.serialize(document));
}
