import type { Model } from 'sequelize';
import type { Changes } from '../../core/model-types.ts';
import { modelOf, type Operation } from './adapter.ts';

/** What a save writes, and what it held before. */
export interface Fields {
  readonly updateFields: ReadonlySet<string>;
  readonly changes: Changes;
}

interface Attributes {
  readonly _timestampAttributes: { readonly updatedAt?: string; readonly deletedAt?: string };
  /** False for a model without. */
  readonly _versionAttribute?: string | false;
}

/** Of an update, before it is done: of what has changed, that which will be written. */
export function fieldsOf(instance: Model, { fields }: Operation): Fields {
  const changed = instance.changed();
  const { updatedAt, version } = automatic(instance);
  const written = [...new Set([...(changed === false ? [] : changed), updatedAt, version])].filter(
    (field): field is string => field !== undefined && (fields?.includes(field) ?? true),
  );
  // A timestamp and a version are written along with something, and never by themselves.
  const names = written.every((field) => field === updatedAt || field === version) ? [] : written;
  return {
    updateFields: new Set(names),
    changes: Object.fromEntries(
      names.map((field) => [field, { from: previousOf(instance, field), to: nextOf(instance, field, version) }]),
    ),
  };
}

/** The attribute that holds when a row of a paranoid model was deleted. */
export function deletedAtOf(instance: Model): string {
  return (modelOf(instance) as unknown as Attributes)._timestampAttributes.deletedAt ?? 'deletedAt';
}

/** What Sequelize writes along by itself. */
function automatic(instance: Model): { readonly updatedAt: string | undefined; readonly version: string | undefined } {
  const { _timestampAttributes: timestamps, _versionAttribute: version } = modelOf(instance) as unknown as Attributes;
  return { updatedAt: timestamps.updatedAt, version: typeof version === 'string' ? version : undefined };
}

/** Sequelize keeps no copy of what was changed in place, such as JSON: then nobody knows the old value. */
function previousOf(instance: Model, field: string): unknown {
  const previous: unknown = instance.previous(field);
  return typeof previous === 'object' && previous === instance.getDataValue(field as never) ? null : previous;
}

/** Sequelize counts the version on after its hooks. */
function nextOf(instance: Model, field: string, version: string | undefined): unknown {
  const value: unknown = instance.get(field);
  return field === version ? Number(value) + 1 : value;
}
