import type { EntityManager, EntityMetadata, InsertEvent, ObjectLiteral, QueryRunner, RemoveEvent } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { M2mChangedArgs } from '../../core/model-types.ts';
import { m2mChanged } from '../../models.ts';
import type { TypeormAdapter, WriteLocation } from './adapter.ts';
import { currentOrmCall, type OrmCall } from './calls.ts';
import { blankOf } from './instances.ts';
import { columnsOf, idIn, isHeard, keyOf, keyOfInstance, relationsOf, type Row, type Side, sidesOf } from './sides.ts';

type Action = Extract<M2mChangedArgs['action'], 'preAdd' | 'postAdd' | 'preRemove' | 'postRemove'>;
type Event = Pick<InsertEvent<unknown> & RemoveEvent<unknown>, 'metadata' | 'manager' | 'queryRunner'> & {
  readonly entityId?: unknown;
};

/** Junction rows that TypeORM has told of one by one, and the sending for them all. */
interface Gathered {
  readonly rows: Row[];
  readonly sent: Promise<void>;
}

/**
 * Makes `m2mChanged` of junction rows. TypeORM tells of each row by itself, and never of the instance whose relation it
 * belongs to: that is found among the instances being saved.
 */
export class JunctionWatcher {
  private readonly adapter: TypeormAdapter;
  /** The rows that TypeORM tells of in one go, which make one signal together. */
  private readonly gathering = new WeakMap<QueryRunner, Map<string, Gathered>>();

  constructor(adapter: TypeormAdapter) {
    this.adapter = adapter;
  }

  /** Whether someone listens to the relation behind a junction table. */
  concerns(target: unknown): boolean {
    if (typeof target !== 'string') return false;
    return isHeard(this.adapter.dataSource, (junction) => junction.target === target);
  }

  row(action: Action, event: Event): Promise<void> | undefined {
    const call = currentOrmCall();
    // Deleting an object removes its rows without a change of its relations, as in Django.
    if (!event.metadata.isJunction || call?.method === 'remove' || call?.persists === false) return undefined;
    const key = `${action} ${event.metadata.tablePath}`;
    const gathering = this.gatheringOn(event.queryRunner);
    let gathered = gathering.get(key);
    if (gathered === undefined) {
      const rows: Row[] = [];
      const sent = this.send(action, event, rows, call);
      gathering.set(key, (gathered = { rows, sent }));
    }
    if (isObject(event.entityId)) gathered.rows.push(event.entityId as Row);
    return gathered.sent;
  }

  private async send(action: Action, event: Event, rows: readonly Row[], call: OrmCall | undefined): Promise<void> {
    const { metadata: junction, manager } = event;
    const { dataSource } = this.adapter;
    const isBefore = action.startsWith('pre');
    const location = isBefore ? this.adapter.locationBefore(event) : this.adapter.locationAfter(event);
    const sides = call === undefined ? [] : sidesOf(call.roots, call.target, junction, dataSource);
    let changed: Map<Side, Set<unknown>> | undefined;
    const find = async (): Promise<void> => {
      changed =
        action === 'preAdd'
          ? await aboutToBeAdded(junction, manager, sides)
          : inRows(junction, rows, sides, this.adapter);
    };
    // Not before the other rows have been told of.
    await (call ?? location.call)?.runExclusive(find);
    await sendEach(this.adapter, action, changed ?? inRows(junction, rows, sides, this.adapter), location);
  }

  private gatheringOn(runner: QueryRunner): Map<string, Gathered> {
    let gathering = this.gathering.get(runner);
    if (gathering === undefined) {
      this.gathering.set(runner, (gathering = new Map<string, Gathered>()));
      queueMicrotask(() => this.gathering.delete(runner));
    }
    return gathering;
  }
}

/**
 * Send for rows that a `relation().of(…).add(…)` inserts around the inserting. It knows ids only, so that an instance
 * is represented by its id.
 */
export async function aroundRows<T>(
  adapter: TypeormAdapter,
  junction: EntityMetadata,
  rows: readonly Row[],
  locate: () => WriteLocation,
  insert: () => Promise<T>,
): Promise<T> {
  if (!isHeard(adapter.dataSource, (each) => each === junction)) return insert();
  const changed = inRows(junction, rows, [], adapter);
  await sendEach(adapter, 'preAdd', changed, locate());
  const result = await insert();
  await sendEach(adapter, 'postAdd', changed, locate());
  return result;
}

async function sendEach(
  adapter: TypeormAdapter,
  action: Action,
  changed: Map<Side, Set<unknown>>,
  location: WriteLocation,
): Promise<void> {
  for (const [{ instance, metadata, relation }, pkSet] of changed) {
    const { inverseEntityMetadata, isOwning, propertyName } = relation;
    const args = {
      action,
      instance,
      model: inverseEntityMetadata.target,
      pkSet,
      reverse: !isOwning,
      relation: propertyName,
    };
    await adapter.send(m2mChanged, metadata.target, location, args);
  }
}

/**
 * The rows that are not there yet. TypeORM does not say which, and some may not have an id yet: those are added all the
 * same, and named in `postAdd`.
 */
async function aboutToBeAdded(
  junction: EntityMetadata,
  manager: EntityManager,
  sides: readonly Side[],
): Promise<Map<Side, Set<unknown>>> {
  const changed = new Map<Side, Set<unknown>>();
  for (const side of sides) {
    const { instance, relation } = side;
    const [, otherColumns] = columnsOf(junction, relation);
    const there = await keysThere(junction, manager, side);
    const added = (relation.getEntityValue(instance) as unknown[]).filter(isObject).filter((each) => {
      const key = keyOfInstance(each, otherColumns);
      return key === undefined || !there.has(key);
    });
    if (added.length === 0) continue;
    const ids = added.map((each) => relation.inverseEntityMetadata.getEntityIdMixedMap(each) as unknown);
    changed.set(side, new Set(ids.filter((id) => id !== undefined)));
  }
  return changed;
}

async function keysThere(junction: EntityMetadata, manager: EntityManager, side: Side): Promise<Set<string>> {
  const [ownColumns, otherColumns] = columnsOf(junction, side.relation);
  const values = ownColumns.map(({ referencedColumn }) => referencedColumn?.getEntityValue(side.instance) as unknown);
  // Only a row that is there can have junction rows.
  if (values.some((value) => value === undefined || value === null)) return new Set();
  const where: ObjectLiteral = Object.fromEntries(ownColumns.map(({ propertyName }, at) => [propertyName, values[at]]));
  const found: Row[] = await manager.getRepository<ObjectLiteral>(junction.target).find({ where });
  return new Set(found.map((row) => keyOf(idIn(row, otherColumns))));
}

/** Which instance's relation each row belongs to. One that was not part of the call is represented by its id. */
function inRows(
  junction: EntityMetadata,
  rows: readonly Row[],
  sides: readonly Side[],
  { dataSource }: TypeormAdapter,
): Map<Side, Set<unknown>> {
  const changed = new Map<Side, Set<unknown>>();
  const strangers = new Map<string, Side>();
  for (const row of rows) {
    let side = sides.find(({ instance, relation }) => {
      const [ownColumns] = columnsOf(junction, relation);
      return keyOfInstance(instance, ownColumns) === keyOf(idIn(row, ownColumns));
    });
    if (side === undefined) {
      const owning = relationsOf(dataSource, (each) => each === junction).find(({ relation }) => relation.isOwning);
      if (owning === undefined) continue;
      const key = keyOf(idIn(row, junction.ownerColumns));
      side = strangers.get(key) ?? { ...owning, instance: standIn(owning.metadata, row, junction) };
      strangers.set(key, side);
    }
    const pkSet = changed.get(side) ?? new Set();
    changed.set(side, pkSet.add(idOfOther(row, side, junction)));
  }
  return changed;
}

/** The primary key of the object on the other side, which the row need not refer to by that. */
function idOfOther(row: Row, { instance, relation }: Side, junction: EntityMetadata): unknown {
  const [, otherColumns] = columnsOf(junction, relation);
  const id = idIn(row, otherColumns);
  if (otherColumns.every(({ referencedColumn }) => referencedColumn?.isPrimary === true)) return id;
  const related: unknown = relation.isLazy ? undefined : relation.getEntityValue(instance);
  const other = (Array.isArray(related) ? (related as unknown[]) : [])
    .filter(isObject)
    .find((each) => keyOfInstance(each, otherColumns) === keyOf(id));
  return other === undefined ? id : relation.inverseEntityMetadata.getEntityIdMixedMap(other);
}

/** An instance that holds what the row refers to it by. */
function standIn(metadata: EntityMetadata, row: Row, junction: EntityMetadata): object {
  const instance = blankOf(metadata);
  for (const column of junction.ownerColumns) {
    column.referencedColumn?.setEntityValue(instance, row[column.propertyName] ?? row[column.databaseName]);
  }
  return instance;
}
