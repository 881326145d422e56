import type { EntityManager, EntityMetadata, QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import { postSave, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import type { Builder, BuilderResult, BuilderWrite } from './builder-write.ts';
import { OrmCall } from './calls.ts';
import { blankOf } from './instances.ts';

type Row = Record<string, unknown>;

/**
 * An insert of given rows is a save of each: an instance is made of a row that is none, and what receivers change is
 * inserted. Several rows are inserted in one transaction, so that none is kept when a receiver throws.
 */
export function insertEach(write: BuilderWrite): Promise<BuilderResult> {
  const { adapter, builder } = write;
  const call = new OrmCall({ method: 'insert' });
  if (rowsOf(builder).length < 2) return adapter.perform(call, () => insertRows(write, call));
  return adapter.perform(call, () =>
    adapter.inTransaction(managerOf(write), (tx) => onRunner(builder, tx.queryRunner, () => insertRows(write, call))),
  );
}

async function insertRows({ adapter, builder, metadata, run }: BuilderWrite, call: OrmCall): Promise<BuilderResult> {
  const { target } = metadata;
  const inserts = rowsOf(builder).map((row) => ({ row, instance: instanceOf(row, metadata) }));
  for (const { row, instance } of inserts) {
    const before = { ...instance };
    await adapter.send(preSave, target, adapter.locationOf(builder.queryRunner, call), { instance, ...INSERTED });
    for (const key of Object.keys(instance)) if (instance[key] !== before[key]) row[key] = instance[key];
  }
  const result = await run();
  for (const { row, instance } of inserts) {
    if (row !== instance) Object.assign(instance, row);
    await adapter.send(postSave, target, adapter.locationOf(builder.queryRunner, call), { instance, ...INSERTED });
  }
  return result;
}

/** The rows that a builder was given. */
export function rowsOf(builder: Builder): Row[] {
  const { valuesSet } = builder.expressionMap;
  return (Array.isArray(valuesSet) ? valuesSet : [valuesSet]).filter(isObject) as Row[];
}

function managerOf({ adapter, builder }: BuilderWrite): EntityManager {
  return builder.queryRunner?.manager ?? adapter.dataSource.manager;
}

/** Execute a builder on a given connection, and leave it as it was. */
async function onRunner<T>(builder: Builder, runner: QueryRunner | undefined, work: () => Promise<T>): Promise<T> {
  const before = builder.queryRunner;
  builder.queryRunner = runner;
  try {
    return await work();
  } finally {
    builder.queryRunner = before;
  }
}

function instanceOf(row: Row, metadata: EntityMetadata): Row {
  if (typeof metadata.target !== 'function' || row instanceof metadata.target) return row;
  return Object.assign(blankOf(metadata) as Row, row);
}
