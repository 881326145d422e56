import type { UpdateEvent } from 'typeorm';
import type { Changes } from '../../core/model-types.ts';

/** The fields that an update writes, and their old and new values. Foreign keys go by the name of their relation. */
export function fieldsOf({ entity, databaseEntity, updatedColumns, updatedRelations }: UpdateEvent<unknown>): {
  updateFields: ReadonlySet<string>;
  changes: Changes | null;
} {
  const updateFields = new Set<string>();
  const changes: Record<string, { from: unknown; to: unknown }> = {};
  for (const field of [
    ...updatedColumns.filter(({ relationMetadata }) => relationMetadata === undefined),
    ...updatedRelations,
  ]) {
    const { propertyPath } = field;
    updateFields.add(propertyPath);
    // defined, not assigned: a field may be called __proto__
    Object.defineProperty(changes, propertyPath, {
      value: {
        from: field.getEntityValue(databaseEntity as object) as unknown,
        to: field.getEntityValue(entity as object) as unknown,
      },
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return { updateFields, changes: databaseEntity === undefined ? null : changes };
}
