import type { EntityManager, EntityMetadata, ObjectLiteral, RemoveEvent } from 'typeorm';
import type { WriteCall } from '../causal-context.ts';
import { rootOf } from './calls.ts';
import { blankOf } from './instances.ts';

/** One row that is being deleted. */
export interface Deletion {
  readonly manager: EntityManager;
  readonly metadata: EntityMetadata;
  /** The instance given to `remove()`, or found on one by a cascade; undefined for a row that was orphaned. */
  readonly entity: object | undefined;
  readonly id: ObjectLiteral;
  /** What `remove()` or `save()` was asked to do, if that was another instance. */
  readonly origin: object | undefined;
}

/**
 * What TypeORM tells of a deletion; undefined if it is none of one instance: a junction row, or a query builder's
 * delete.
 */
export function deletionOf(event: RemoveEvent<unknown>): Deletion | undefined {
  const { metadata, manager } = event;
  const entity = event.entity as object | undefined;
  // gone from the declared types, and there for what cascades and orphans
  const databaseEntity = event.databaseEntity as object | undefined;
  const id = databaseEntity === undefined ? idMap(metadata, event.entityId) : metadata.getEntityIdMap(databaseEntity);
  if (metadata.isJunction || id === undefined) return undefined;
  return { manager, metadata, entity, id, origin: rootOf(entity) ?? entity };
}

/** The instance that is about to be deleted. An orphaned row is read, for receivers need more of it than its id. */
export async function whoIsDeleted(
  { manager, metadata, entity, id }: Deletion,
  call: WriteCall | undefined,
): Promise<object> {
  if (entity !== undefined) return entity;
  const found: object[] = [];
  const read = async (): Promise<void> => {
    found.push(...(await manager.find(metadata.target, { where: id, withDeleted: true, take: 1 })));
  };
  await (call === undefined ? read() : call.runExclusive(read));
  const instance = found[0] ?? withId(blankOf(metadata), metadata, id);
  let kept = orphans.get(manager);
  if (kept === undefined) orphans.set(manager, (kept = new Map<string, object>()));
  kept.set(orphanKey(metadata, id), instance);
  return instance;
}

/** The instance that was deleted, with its id, which TypeORM has taken off the original. */
export function deliveredCopy({ manager, metadata, entity, id }: Deletion): object {
  if (entity !== undefined) {
    const copy = Object.create(Object.getPrototypeOf(entity) as object | null) as object;
    return withId(Object.assign(copy, entity), metadata, id);
  }
  const kept = orphans.get(manager);
  const key = orphanKey(metadata, id);
  const orphan = kept?.get(key);
  kept?.delete(key);
  return orphan ?? withId(blankOf(metadata), metadata, id);
}

/** Drop what was read for deletions that were rolled back. */
export function forgetOrphans(manager: EntityManager): void {
  orphans.delete(manager);
}

/** Orphaned rows between their pre and post signal, when nothing else of TypeORM holds them. */
const orphans = new WeakMap<EntityManager, Map<string, object>>();

function orphanKey(metadata: EntityMetadata, id: object): string {
  return `${metadata.name} ${JSON.stringify(id)}`;
}

/** The id as a map of its columns, from the mixed form of TypeORM's events. */
function idMap(metadata: EntityMetadata, id: unknown): ObjectLiteral | undefined {
  return id === undefined || id === null ? undefined : metadata.ensureEntityIdMap(id);
}

function withId(instance: object, metadata: EntityMetadata, id: object): object {
  for (const column of metadata.primaryColumns) {
    const embedded = column.embeddedMetadata?.parentPropertyNames[0];
    // the copy shares its embedded objects with the original, which must stay as it is
    if (embedded !== undefined) {
      const holder = instance as Record<string, object | undefined>;
      const part = holder[embedded] ?? {};
      holder[embedded] = Object.assign(Object.create(Object.getPrototypeOf(part) as object | null) as object, part);
    }
    column.setEntityValue(instance, column.getEntityValue(id));
  }
  return instance;
}
