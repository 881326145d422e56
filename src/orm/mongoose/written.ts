import type { ClientSession, Document } from 'mongoose';
import type { Changes } from '../../core/model-types.ts';
import { INSERTED } from '../inserted.ts';
import type { AnyModel } from './adapter.ts';

/** A document as it is stored. */
export type Row = Readonly<Record<string, unknown>>;

/** What a payload says of a save. */
export interface Written {
  readonly created: boolean;
  readonly updateFields: ReadonlySet<string> | null;
  readonly changes: Changes | null;
}

/** What is used of a document beside its declared types. App-named paths may hide everything without a `$`. */
export interface Internals {
  readonly $isNew: boolean;
  readonly $isSubdocument?: boolean;
  readonly $__: {
    readonly saveOptions?: { readonly pathsToSave?: readonly string[] } | null;
    readonly session?: ClientSession | null;
  };
  readonly $__schema: { readonly options: { readonly versionKey?: string | false } };
  /** The paths that a save writes, without those that a path above covers. */
  $__dirty(): readonly { readonly path: string }[];
  $__getValue(path: string): unknown;
  $toObject(options: object): Record<string, unknown>;
}

/** Whether a save inserts the document. */
export function isNew(document: Document): boolean {
  return (document as unknown as Internals).$isNew;
}

/** The document's own number of changes, if its schema has one. */
export function versionOf(document: Document): unknown {
  const { versionKey } = (document as unknown as Internals).$__schema.options;
  return typeof versionKey === 'string' ? (document as unknown as Internals).$__getValue(versionKey) : undefined;
}

/** The paths that a save of the document writes now. */
export function writtenPaths(document: Document): string[] {
  const internals = document as unknown as Internals;
  const paths = internals.$__dirty().map(({ path }) => path);
  const only = internals.$__.saveOptions?.pathsToSave;
  if (!Array.isArray(only)) return paths;
  return paths.filter((path) => only.some((each: string) => path === each || path.startsWith(`${each}.`)));
}

/** What a save of the document writes now, compared with what is stored. */
export function writtenBy(document: Document, stored: Row | undefined): Written {
  if (isNew(document)) return INSERTED;
  const paths = writtenPaths(document);
  const updateFields = new Set(paths);
  if (paths.length === 0) return { created: false, updateFields, changes: {} };
  if (stored === undefined) return { created: false, updateFields, changes: null };
  const values = rawValues(document);
  const changes = paths.map((path) => [path, { from: valueAt(stored, path), to: valueAt(values, path) }] as const);
  return { created: false, updateFields, changes: Object.fromEntries(changes) };
}

/** The document as it will be stored: ids in place of populated documents, and no getters. */
export function rawValues(document: Document): Record<string, unknown> {
  return (document as unknown as Internals).$toObject({
    depopulate: true,
    getters: false,
    virtuals: false,
    aliases: false,
    transform: false,
    minimize: false,
    flattenMaps: true,
    flattenObjectIds: false,
    versionKey: true,
  });
}

/**
 * What is stored of the document: Mongoose remembers which paths were set, and not what they held. Read through the
 * driver, past the app's hooks, and from the primary.
 */
export async function storedRow(
  model: AnyModel,
  document: Document,
  session: ClientSession | undefined,
): Promise<Row | undefined> {
  const options = session === undefined ? { readPreference: 'primary' as const } : { session };
  const row: unknown = await model.collection.findOne({ _id: rawValues(document)._id as never }, options);
  return (row ?? undefined) as Row | undefined;
}

/** The value at a path such as `address.city`. */
export function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((each, key) => (each as Record<string, unknown> | null | undefined)?.[key], value);
}
