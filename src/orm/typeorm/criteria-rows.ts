import { isDeepStrictEqual } from 'node:util';
import type { EntityManager, EntityMetadata, EntityTarget, ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { dataSourceOf } from './adapter.ts';
import type { BuilderResult } from './builder-write.ts';
import { columnsIn, columnsUpdateOf, computedColumns, dateChangeOf, type Moment } from './fields.ts';
import { blankOf } from './instances.ts';
import { singleRunner } from './pool.ts';

type Column = EntityMetadata['columns'][number];

/** A call of a method of EntityManager that writes all rows that meet a criterion. */
export interface CriteriaCall {
  readonly manager: EntityManager;
  readonly name: 'update' | 'delete' | 'softDelete' | 'restore';
  readonly target: EntityTarget<ObjectLiteral>;
  readonly criteria: unknown;
  readonly values: unknown;
  /** TypeORM's own method, with everything that it was given, in a transaction. */
  readonly run: (tx: EntityManager) => Promise<BuilderResult>;
}

/** One of the rows that such a call writes, as an instance. */
export class CriteriaRow {
  readonly metadata: EntityMetadata;
  readonly entity: ObjectLiteral;
  private readonly databaseEntity: ObjectLiteral;
  private readonly tx: EntityManager;
  private readonly name: CriteriaCall['name'];
  /** What the statement writes, and what it leaves in them. */
  private readonly asked: readonly Column[];
  private readonly expected: ReadonlyMap<Column, unknown>;
  /** What receivers have changed beside. */
  private changed: readonly Column[] = [];

  constructor(entity: ObjectLiteral, { name, target, values }: CriteriaCall, tx: EntityManager) {
    this.metadata = dataSourceOf(tx).getMetadata(target).findInheritanceMetadata(entity);
    this.entity = entity;
    this.databaseEntity = copyOf(entity, this.metadata);
    this.tx = tx;
    this.name = name;
    this.asked = name === 'update' ? columnsIn(values as object, this.metadata) : [];
    if (name === 'update') tx.merge(this.metadata.target, entity, values as ObjectLiteral);
    this.expected = new Map(this.metadata.columns.map((column) => [column, column.getEntityValue(entity) as unknown]));
  }

  get id(): ObjectLiteral {
    return this.metadata.getEntityIdMap(this.databaseEntity) as ObjectLiteral;
  }

  payload(moment: Moment): object {
    const { entity, name } = this;
    if (name === 'delete') return { instance: entity, origin: entity };
    if (name !== 'update') return dateChangeOf(this.update, moment);
    return columnsUpdateOf(this.update, [...new Set([...this.asked, ...this.changed])], moment);
  }

  /** Take note of what receivers have changed: for this row only. */
  noteChanges(): void {
    if (this.name === 'delete') return;
    this.changed = this.metadata.columns.filter((column) => {
      if (!column.isUpdate || column.isPrimary || column.isVirtual) return false;
      return !isDeepStrictEqual(column.getEntityValue(this.entity), this.expected.get(column));
    });
  }

  async writeChanges(): Promise<void> {
    if (this.changed.length === 0) return;
    const values = {};
    for (const column of this.changed) column.setEntityValue(values, column.getEntityValue(this.entity));
    const update = this.tx.createQueryBuilder().update(this.metadata.target).set(values);
    await update.where(this.id).callListeners(false).execute();
  }

  private get update(): { metadata: EntityMetadata; entity: object; databaseEntity: object } {
    const { metadata, entity, databaseEntity } = this;
    return { metadata, entity, databaseEntity };
  }
}

/** The rows that the statement will write, soft-deleted ones too, locked on the connection that it will use. */
export async function readRows(tx: EntityManager, { name, target, criteria }: CriteriaCall): Promise<ObjectLiteral[]> {
  const query = queryOf(tx, target);
  if (singleRunner(dataSourceOf(tx)) === undefined) query.setLock('pessimistic_write');
  if (isConditions(criteria)) query.where(criteria);
  else query.whereInIds(criteria);
  if (name === 'softDelete' || name === 'restore') {
    const { deleteDateColumn } = dataSourceOf(tx).getMetadata(target);
    // Since 1.0 TypeORM leaves alone what is in that state already.
    const isLeftAlone = / IS (NOT )?NULL/.test(tx.createQueryBuilder()[name]().from(target).getQuery());
    const state = name === 'restore' ? 'IS NOT NULL' : 'IS NULL';
    if (isLeftAlone) query.andWhere(`${query.alias}.${String(deleteDateColumn?.propertyPath)} ${state}`);
  }
  return query.getMany();
}

/** Read what the database has computed: dates and versions. */
export async function readComputed(
  tx: EntityManager,
  { name, target }: CriteriaCall,
  rows: readonly CriteriaRow[],
): Promise<void> {
  const metadata = dataSourceOf(tx).getMetadata(target);
  const { deleteDateColumn } = metadata;
  const computed = computedColumns(metadata);
  if (deleteDateColumn !== undefined) computed.push(deleteDateColumn);
  if (name === 'delete' || computed.length === 0) return;
  for (let from = 0; from < rows.length; from += CHUNK) {
    const chunk = rows.slice(from, from + CHUNK);
    const found = await queryOf(tx, target)
      .whereInIds(chunk.map(({ id }) => id))
      .getMany();
    const byId = new Map(chunk.map((row) => [JSON.stringify(row.id), row]));
    for (const each of found) {
      const row = byId.get(JSON.stringify(metadata.getEntityIdMap(each)));
      for (const column of computed) {
        if (row !== undefined) column.setEntityValue(row.entity, column.getEntityValue(each));
      }
    }
  }
}

/** Every database takes so many parameters. */
const CHUNK = 500;

/** Reading for signals is nothing that TypeORM's own hooks should be told of. */
function queryOf(tx: EntityManager, target: EntityTarget<ObjectLiteral>): SelectQueryBuilder<ObjectLiteral> {
  const { name } = dataSourceOf(tx).getMetadata(target);
  return tx.createQueryBuilder(target, name).withDeleted().callListeners(false);
}

/** TypeORM takes ids and conditions apart in the same way. */
function isConditions(criteria: unknown): criteria is ObjectLiteral {
  return typeof criteria === 'object' && !Array.isArray(criteria) && !(criteria instanceof Date);
}

/** A copy down to embedded objects, which a change of the original must not reach. */
function copyOf(entity: ObjectLiteral, metadata: EntityMetadata): ObjectLiteral {
  const copy = blankOf(metadata) as ObjectLiteral;
  for (const column of metadata.columns) {
    const value = column.getEntityValue(entity) as unknown;
    if (value !== undefined) column.setEntityValue(copy, value);
  }
  return copy;
}
