import type {
  DataSource,
  EntityManager,
  EntityMetadata,
  InsertEvent,
  ObjectLiteral,
  QueryRunner,
  RemoveEvent,
} from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { M2mChangedArgs } from '../../core/model-types.ts';
import { m2mChanged } from '../../models.ts';
import { inTurn } from '../lane.ts';
import { type Surroundings, surroundingsOf, type TypeormAdapter } from './adapter.ts';
import { currentCall } from './manager.ts';

type Action = Extract<M2mChangedArgs['action'], 'preAdd' | 'postAdd' | 'preRemove' | 'postRemove'>;
type Event = Pick<InsertEvent<unknown> & RemoveEvent<unknown>, 'metadata' | 'manager' | 'queryRunner'> & {
  readonly entityId?: unknown;
};
type Relation = EntityMetadata['relations'][number];
type Column = EntityMetadata['columns'][number];
type Row = Record<string, unknown>;

/** Junction rows that TypeORM has told of one by one, and the sending for them all. */
interface Gathered {
  readonly rows: Row[];
  readonly sent: Promise<void>;
}

/** A many-to-many relation of an instance that `save()` was given or reached by a cascade. */
interface Side {
  readonly instance: object;
  readonly metadata: EntityMetadata;
  readonly relation: Relation;
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
    // deleting an object removes its rows without a change of its relations, as in Django
    if (!event.metadata.isJunction || currentCall()?.removing === true) return undefined;
    const key = `${action} ${event.metadata.tablePath}`;
    const gathering = this.gatheringOn(event.queryRunner);
    let gathered = gathering.get(key);
    if (gathered === undefined) {
      const rows: Row[] = [];
      const sides = sidesOf(currentCall()?.roots ?? [], event.metadata, this.adapter.dataSource);
      const sent = inTurn(event.queryRunner, () => this.send(action, event, rows, sides));
      gathering.set(key, (gathered = { rows, sent }));
    }
    if (isObject(event.entityId)) gathered.rows.push(event.entityId as Row);
    return gathered.sent;
  }

  private async send(action: Action, event: Event, rows: readonly Row[], sides: readonly Side[]): Promise<void> {
    const changed =
      action === 'preAdd' ? await aboutToBeAdded(event, sides) : inRows(event, rows, sides, this.adapter.dataSource);
    await sendEach(this.adapter, action, changed, surroundingsOf(event));
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
  surroundings: Surroundings,
  insert: () => Promise<T>,
): Promise<T> {
  if (!isHeard(adapter.dataSource, (each) => each === junction)) return insert();
  const changed = inRows({ metadata: junction, manager: surroundings.manager }, rows, [], adapter.dataSource);
  await inTurn(surroundings.resource, () => sendEach(adapter, 'preAdd', changed, surroundings));
  const result = await insert();
  await inTurn(surroundings.resource, () => sendEach(adapter, 'postAdd', changed, surroundings));
  return result;
}

async function sendEach(
  adapter: TypeormAdapter,
  action: Action,
  changed: Map<Side, Set<unknown>>,
  surroundings: Surroundings,
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
    await adapter.send(m2mChanged, metadata.target, surroundings, args);
  }
}

/**
 * The rows that are not there yet. TypeORM does not say which, and some may not have an id yet: those are added all the
 * same, and named in `postAdd`.
 */
async function aboutToBeAdded(
  { metadata: junction, manager }: Event,
  sides: readonly Side[],
): Promise<Map<Side, Set<unknown>>> {
  const changed = new Map<Side, Set<unknown>>();
  for (const side of sides) {
    const { instance, metadata, relation } = side;
    const related = relation.getEntityValue(instance) as object[];
    const ids = related.map((each) => relation.inverseEntityMetadata.getEntityIdMixedMap(each) as unknown);
    const there = await idsThere(junction, manager, side, metadata.getEntityIdMap(instance));
    const added = ids.filter((id) => id === undefined || !there.has(keyOf(id)));
    if (added.length > 0) changed.set(side, new Set(added.filter((id) => id !== undefined)));
  }
  return changed;
}

async function idsThere(
  junction: EntityMetadata,
  manager: EntityManager,
  { relation }: Side,
  own: object | undefined,
): Promise<Set<string>> {
  if (own === undefined) return new Set();
  const [ownColumns, otherColumns] = columnsOf(junction, relation);
  const where: ObjectLiteral = Object.fromEntries(
    ownColumns.map((column) => [column.propertyName, column.referencedColumn?.getEntityValue(own) as unknown]),
  );
  const found: Row[] = await manager.getRepository<ObjectLiteral>(junction.target).find({ where });
  return new Set(found.map((row) => keyOf(idIn(row, otherColumns))));
}

/** Which instance's relation each row belongs to. One that was not part of the call is represented by its id. */
function inRows(
  { metadata: junction, manager }: Pick<Event, 'metadata' | 'manager'>,
  rows: readonly Row[],
  sides: readonly Side[],
  dataSource: DataSource,
): Map<Side, Set<unknown>> {
  const changed = new Map<Side, Set<unknown>>();
  const strangers = new Map<string, Side>();
  for (const row of rows) {
    let side = sides.find((each) => {
      const [ownColumns] = columnsOf(junction, each.relation);
      return keyOf(each.metadata.getEntityIdMixedMap(each.instance)) === keyOf(idIn(row, ownColumns));
    });
    if (side === undefined) {
      const owning = relationsOf(dataSource, (each) => each === junction).find(({ relation }) => relation.isOwning);
      if (owning === undefined) continue;
      const id = idIn(row, junction.ownerColumns);
      side = strangers.get(keyOf(id)) ?? { ...owning, instance: partial(owning.metadata, id, manager) };
      strangers.set(keyOf(id), side);
    }
    const [, otherColumns] = columnsOf(junction, side.relation);
    const pkSet = changed.get(side) ?? new Set();
    changed.set(side, pkSet.add(idIn(row, otherColumns)));
  }
  return changed;
}

function partial(metadata: EntityMetadata, id: unknown, manager: EntityManager): object {
  return manager.create(metadata.target, metadata.ensureEntityIdMap(id));
}

/** Every loaded relation on that junction table, of the roots and what they hold. */
function sidesOf(roots: readonly object[], junction: EntityMetadata, dataSource: DataSource): Side[] {
  const sides: Side[] = [];
  const seen = new Set<object>();
  const visit = (instance: unknown, metadata: EntityMetadata): void => {
    if (!isObject(instance) || seen.has(instance)) return;
    seen.add(instance);
    for (const relation of metadata.relations) {
      // reading a lazy relation would load it
      const value: unknown = relation.isLazy ? undefined : relation.getEntityValue(instance);
      if (relation.junctionEntityMetadata === junction && Array.isArray(value))
        sides.push({ instance, metadata, relation });
      for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (isObject(each)) visit(each, metadataOf(each, relation.inverseEntityMetadata, dataSource));
      }
    }
  };
  for (const root of roots)
    if (dataSource.hasMetadata(root.constructor)) visit(root, dataSource.getMetadata(root.constructor));
  return sides;
}

function metadataOf(instance: object, declared: EntityMetadata, dataSource: DataSource): EntityMetadata {
  const { constructor } = instance;
  return constructor !== Object && dataSource.hasMetadata(constructor) ? dataSource.getMetadata(constructor) : declared;
}

/** Whether someone listens to a relation on such a junction table. */
function isHeard(dataSource: DataSource, matches: (junction: EntityMetadata) => boolean): boolean {
  return relationsOf(dataSource, matches).some(({ metadata }) => m2mChanged.hasListeners(metadata.target));
}

function relationsOf(
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
function columnsOf({ ownerColumns, inverseColumns }: EntityMetadata, { isOwning }: Relation): [Column[], Column[]] {
  return isOwning ? [ownerColumns, inverseColumns] : [inverseColumns, ownerColumns];
}

function idIn(row: Row, columns: readonly Column[]): unknown {
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

/** Ids are compared as text, for a driver may read as a string what the app holds as a number. */
function keyOf(id: unknown): string {
  return isObject(id) ? JSON.stringify(id) : String(id);
}
