import type { DataSource, EntityMetadata, QueryBuilder, QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postSave, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, dataSourceOf, type Surroundings, type TypeormAdapter } from './adapter.ts';
import { aroundRows } from './junctions.ts';
import { currentCriteria } from './manager.ts';

type Row = Record<string, unknown>;
type Builder = QueryBuilder<Row> & { readonly queryRunner?: QueryRunner };
interface Result {
  readonly affected?: number | null;
  readonly raw: unknown;
}

const rows = new WeakSet();

/** Whether a query builder is inserting this object: its signals are not TypeORM's event's to send. */
export function isBuilderRow(entity: unknown): boolean {
  return isObject(entity) && rows.has(entity);
}

/**
 * Take part in what query builders write: TypeORM's events tell neither the condition, nor the count, nor an upsert
 * from an insert.
 */
export function interceptBuilders(dataSource: DataSource): () => void {
  const create = (): QueryBuilder<Row> => dataSource.createQueryBuilder() as QueryBuilder<Row>;
  const undo = [create().insert(), create().update(), create().delete(), create().softDelete()].map((builder) =>
    patch(ownerOf(builder, 'execute'), 'execute', (original) => {
      return function (this: Builder) {
        const run = (): Promise<Result> => Reflect.apply(original, this as never, []) as Promise<Result>;
        const adapter = attached.get(dataSourceOf(this));
        const { mainAlias, callListeners, queryType } = this.expressionMap;
        // save() writes with builders that are told to call no listeners
        if (adapter === undefined || !callListeners || mainAlias?.hasMetadata !== true) return run();
        const write: Write = { adapter, builder: this, metadata: mainAlias.metadata, run };
        if (queryType === 'insert' && isPlainInsert(this)) {
          return write.metadata.isJunction
            ? aroundRows(adapter, write.metadata, rowsOf(this), surround(adapter, this), run)
            : insertEach(write);
        }
        return writeBulk(write, bulkOperation(this), currentCriteria());
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

interface Write {
  readonly adapter: TypeormAdapter;
  readonly builder: Builder;
  readonly metadata: EntityMetadata;
  readonly run: () => Promise<Result>;
}

/**
 * An insert of given rows is a save of each: an instance is made of a row that is none, and what receivers change is
 * inserted.
 */
async function insertEach({ adapter, builder, metadata, run }: Write): Promise<Result> {
  const { target } = metadata;
  if (!preSave.hasListeners(target) && !postSave.hasListeners(target)) return run();
  const given = rowsOf(builder);
  const inserts = given.map((row) => ({ row, instance: instanceOf(row, metadata) }));
  const surroundings = surround(adapter, builder);
  for (const { row, instance } of inserts) {
    const before = { ...instance };
    await adapter.sendInTurn(preSave, target, surroundings, () => ({ instance, ...INSERTED }));
    for (const key of Object.keys(instance)) if (instance[key] !== before[key]) row[key] = instance[key];
  }
  for (const row of given) rows.add(row);
  let result: Result;
  try {
    result = await run();
  } finally {
    for (const row of given) rows.delete(row);
  }
  for (const { row, instance } of inserts) {
    if (row !== instance) Object.assign(instance, row);
    await adapter.sendInTurn(postSave, target, surroundings, () => ({ instance, ...INSERTED }));
  }
  return result;
}

async function writeBulk(
  { adapter, builder, metadata, run }: Write,
  operation: PostBulkArgs['operation'],
  criteria: unknown,
): Promise<Result> {
  const { expressionMap } = builder;
  adapter.bulk.announce(
    operation,
    metadata.target,
    'Use save() or remove() on instances, listen to postBulk, or attach with another `bulk` option.',
  );
  const result = await run();
  await adapter.sendInTurn(postBulk, metadata.target, surround(adapter, builder), () => ({
    operation,
    where: operation === 'insert' || operation === 'upsert' ? undefined : (criteria ?? expressionMap.wheres),
    values: operation === 'delete' ? undefined : expressionMap.valuesSet,
    count: result.affected ?? undefined,
  }));
  return result;
}

function rowsOf(builder: Builder): Row[] {
  const { valuesSet } = builder.expressionMap;
  return (Array.isArray(valuesSet) ? valuesSet : [valuesSet]).filter(isObject) as Row[];
}

function bulkOperation(builder: Builder): PostBulkArgs['operation'] {
  const { queryType, insertFromSelect } = builder.expressionMap;
  if (queryType === 'insert') return insertFromSelect === undefined ? 'upsert' : 'insert';
  // a soft delete and a restore are updates of the delete date
  return queryType === 'delete' ? 'delete' : 'update';
}

/** Rows that may already be there, or that the database selects, cannot be told as created. */
function isPlainInsert(builder: Builder): boolean {
  const { onIgnore, onUpdate, onConflict, insertFromSelect } = builder.expressionMap as typeof builder.expressionMap & {
    /** TypeORM 0.3 */
    readonly onConflict?: string;
  };
  return !onIgnore && !(onUpdate as unknown) && !onConflict && !insertFromSelect;
}

function surround(adapter: TypeormAdapter, builder: Builder): Surroundings {
  const runner = builder.queryRunner;
  return { resource: runner ?? builder, runner, manager: runner?.manager ?? adapter.dataSource.manager };
}

function instanceOf(row: Row, metadata: EntityMetadata): Row {
  if (typeof metadata.target !== 'function' || row instanceof metadata.target) return row;
  return Object.assign(metadata.create() as Row, row);
}
