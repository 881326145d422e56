import type { DataSource, EntityMetadata, EntityTarget, ObjectLiteral } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import { m2mChanged } from '../../models.ts';
import { metadataOfRoot } from './instances.ts';

export type Relation = EntityMetadata['relations'][number];
export type Column = EntityMetadata['columns'][number];
/** A row of a junction table. */
export type Row = Record<string, unknown>;

/** A many-to-many relation of an instance that `save()` was given or reached by a cascade. */
export interface Side {
  readonly instance: object;
  readonly metadata: EntityMetadata;
  readonly relation: Relation;
}

/** Every loaded relation on that junction table, of the roots and what they hold. */
export function sidesOf(
  roots: readonly object[],
  target: EntityTarget<ObjectLiteral> | undefined,
  junction: EntityMetadata,
  dataSource: DataSource,
): Side[] {
  const sides: Side[] = [];
  const seen = new Set<object>();
  const visit = (instance: unknown, metadata: EntityMetadata): void => {
    if (!isObject(instance) || seen.has(instance)) return;
    seen.add(instance);
    for (const relation of metadata.relations) {
      // Reading a lazy relation would load it.
      const value: unknown = relation.isLazy ? undefined : relation.getEntityValue(instance);
      if (relation.junctionEntityMetadata === junction && Array.isArray(value))
        sides.push({ instance, metadata, relation });
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (isObject(each)) visit(each, relation.inverseEntityMetadata.findInheritanceMetadata(each));
      }
    }
  };
  for (const root of roots) {
    const metadata = metadataOfRoot(root, target, dataSource);
    if (metadata !== undefined) visit(root, metadata);
  }
  return sides;
}

/** Whether someone listens to a relation on such a junction table. */
export function isHeard(dataSource: DataSource, matches: (junction: EntityMetadata) => boolean): boolean {
  return relationsOf(dataSource, matches).some(({ metadata }) => m2mChanged.hasListeners(metadata.target));
}

export function relationsOf(
  dataSource: DataSource,
  matches: (junction: EntityMetadata) => boolean,
): { metadata: EntityMetadata; relation: Relation }[] {
  return dataSource.entityMetadatas.flatMap((metadata) =>
    metadata.manyToManyRelations
      .filter(({ junctionEntityMetadata }) => junctionEntityMetadata !== undefined && matches(junctionEntityMetadata))
      .map((relation) => ({ metadata, relation })),
  );
}

/** The columns of a junction table that refer to the relation's own side, and to the other. */
export function columnsOf(
  { ownerColumns, inverseColumns }: EntityMetadata,
  { isOwning }: Relation,
): [own: Column[], other: Column[]] {
  return isOwning ? [ownerColumns, inverseColumns] : [inverseColumns, ownerColumns];
}

/** What a row refers to by these columns: a value, or a map of several. */
export function idIn(row: Row, columns: readonly Column[]): unknown {
  const [column] = columns;
  if (columns.length === 1 && column !== undefined) return valueIn(row, column);
  return Object.fromEntries(
    columns.map((each) => [each.referencedColumn?.propertyName ?? each.propertyName, valueIn(row, each)]),
  );
}

/** Events name columns by property, the relation query builder as the database does. */
function valueIn(row: Row, { propertyName, databaseName }: Column): unknown {
  return row[propertyName] ?? row[databaseName];
}

/** What rows refer to an instance by, in these columns; undefined if it does not know yet. */
export function keyOfInstance(instance: object, columns: readonly Column[]): string | undefined {
  const row: Row = {};
  for (const { referencedColumn, propertyName } of columns) {
    const value = referencedColumn?.getEntityValue(instance) as unknown;
    if (value === undefined || value === null) return undefined;
    row[propertyName] = value;
  }
  return keyOf(idIn(row, columns));
}

/** Ids are compared as text, for a driver may read as a string what the app holds as a number. */
export function keyOf(id: unknown): string {
  return isObject(id) ? JSON.stringify(id) : String(id);
}
