import type { DataSource, EntityMetadata } from 'typeorm';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postSave, preSave } from '../../models.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, dataSourceOf, type TypeormAdapter } from './adapter.ts';
import type { Builder, BuilderResult, BuilderWrite } from './builder-write.ts';
import { currentOrmCall, OrmCall } from './calls.ts';
import { type Criteria, currentCriteria } from './criteria.ts';
import { insertEach, rowsOf } from './inserts.ts';
import { aroundRows } from './junctions.ts';

/**
 * Take part in what query builders write: TypeORM's events tell neither the condition, nor the count, nor an upsert
 * from an insert.
 */
export function interceptBuilders(dataSource: DataSource): () => void {
  const create = (): Builder => dataSource.createQueryBuilder() as unknown as Builder;
  const undo = [create().insert(), create().update(), create().delete(), create().softDelete()].map((builder) =>
    patch(ownerOf(builder, 'execute'), 'execute', (original) => {
      return function (this: Builder, ...args: unknown[]) {
        const run = (): Promise<BuilderResult> =>
          Reflect.apply(original, this as never, args as never[]) as Promise<BuilderResult>;
        const adapter = attached.get(dataSourceOf(this));
        if (adapter === undefined || (adapter.isIdle() && adapter.bulk.policy !== 'throw')) return run();
        return execute(adapter, this, run);
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

function execute(adapter: TypeormAdapter, builder: Builder, run: () => Promise<BuilderResult>): Promise<BuilderResult> {
  const { mainAlias, callListeners, queryType } = builder.expressionMap;
  const criteria = currentCriteria();
  try {
    // save() has been asked already; it writes with builders that have its query runner and call no listeners.
    if (callListeners || builder.queryRunner === undefined) {
      adapter.assertInside(builder.queryRunner, () => `${queryType} of ${mainAlias?.name ?? 'a table'}`);
    }
    if (!callListeners || mainAlias?.hasMetadata !== true || criteria?.isSplit === true) return run();
    if (keepsTree(builder, mainAlias.metadata)) return run();
    const write: BuilderWrite = { adapter, builder, metadata: mainAlias.metadata, run };
    if (queryType === 'insert' && isPlainInsert(builder)) return insert(write);
    return writeBulk(write, bulkOperation(builder), criteria);
  } catch (error) {
    return Promise.reject(error);
  }
}

function insert(write: BuilderWrite): Promise<BuilderResult> {
  const { adapter, builder, metadata, run } = write;
  if (metadata.isJunction) {
    const call = new OrmCall({ method: 'insert' });
    const locate = (): ReturnType<TypeormAdapter['locationOf']> => adapter.locationOf(builder.queryRunner, call);
    return aroundRows(adapter, metadata, rowsOf(builder), locate, () => adapter.perform(call, run));
  }
  const { target } = metadata;
  return preSave.hasListeners(target) || postSave.hasListeners(target) ? insertEach(write) : run();
}

function writeBulk(
  { adapter, builder, metadata, run }: BuilderWrite,
  operation: PostBulkArgs['operation'],
  criteria: Criteria | undefined,
): Promise<BuilderResult> {
  const { target } = metadata;
  adapter.bulk.announce(
    operation,
    target,
    'Use save() or remove() on instances, listen to postBulk, or attach with another `bulk` option.',
  );
  if (!postBulk.hasListeners(target)) return run();
  const call = new OrmCall({ method: operation });
  const { expressionMap } = builder;
  const send = async (): Promise<BuilderResult> => {
    const result = await run();
    await adapter.send(postBulk, target, adapter.locationOf(builder.queryRunner, call), () => ({
      operation,
      where: operation === 'insert' || operation === 'upsert' ? undefined : (criteria?.where ?? expressionMap.wheres),
      values: operation === 'delete' ? undefined : expressionMap.valuesSet,
      count: result.affected ?? undefined,
    }));
    return result;
  };
  return adapter.perform(call, send);
}

function bulkOperation(builder: Builder): PostBulkArgs['operation'] {
  const { queryType, insertFromSelect } = builder.expressionMap;
  if (queryType === 'insert') return insertFromSelect === undefined ? 'upsert' : 'insert';
  // A soft delete and a restore are updates of the delete date.
  return queryType === 'delete' ? 'delete' : 'update';
}

/** What TypeORM writes beside an instance that it saves in a tree: rows of a closure table, paths of descendants. */
function keepsTree({ expressionMap }: Builder, { tableType, materializedPathColumn }: EntityMetadata): boolean {
  if (tableType === 'closure-junction') return true;
  const { queryType, valuesSet } = expressionMap;
  if (materializedPathColumn === undefined || queryType !== 'update' || currentOrmCall()?.persists !== true)
    return false;
  return Object.keys(Object(valuesSet) as object).every((key) => key === materializedPathColumn.propertyPath);
}

/** Rows that may already be there, or that the database selects, cannot be told as created. */
function isPlainInsert(builder: Builder): boolean {
  const { onIgnore, onUpdate, onConflict, insertFromSelect } = builder.expressionMap as typeof builder.expressionMap & {
    /** TypeORM 0.3 */
    readonly onConflict?: string;
  };
  return !onIgnore && !(onUpdate as unknown) && !onConflict && !insertFromSelect;
}
