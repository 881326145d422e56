import type { DataSource } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { dataSourceOf, type TypeormAdapter } from './adapter.ts';
import type { BuilderResult } from './builder-write.ts';
import { OrmCall } from './calls.ts';
import { withCriteria } from './criteria.ts';
import { type CriteriaCall, CriteriaRow, readComputed, readRows } from './criteria-rows.ts';
import { columnsIn } from './fields.ts';
import { singleRunner } from './pool.ts';

/**
 * Only a call whose criterion says plainly which rows, and whose values are plain, so that TypeORM's `where()` finds
 * the same rows in a query as in the write; any other stays a bulk write, or is refused by TypeORM.
 */
export function canBeIndividual({ manager, name, target, criteria, values }: CriteriaCall): boolean {
  const dataSource = dataSourceOf(manager);
  if (!isPlainCriterion(criteria) || !canLock(dataSource) || !dataSource.hasMetadata(target)) return false;
  const metadata = dataSource.getMetadata(target);
  const classes = [metadata, ...metadata.childEntityMetadatas];
  const operation = name === 'delete' ? 'delete' : 'update';
  if (metadata.primaryColumns.length === 0 || !classes.some((each) => hasReceivers(operation, each.target)))
    return false;
  if (name !== 'update') return name === 'delete' || metadata.deleteDateColumn !== undefined;
  if (!isObject(values) || hasExpression(values)) return false;
  const columns = columnsIn(values, metadata);
  return columns.length > 0 && !columns.some(({ isPrimary }) => isPrimary);
}

/**
 * Send for each row, around the very statement that was asked for, in one transaction. What a receiver changes on one
 * row is written to that row alone.
 */
export function individually(adapter: TypeormAdapter, write: CriteriaCall): Promise<BuilderResult> {
  const call = new OrmCall({ method: write.name });
  const [pre, post] = write.name === 'delete' ? ([preDelete, postDelete] as const) : ([preSave, postSave] as const);
  return adapter.perform(call, () =>
    adapter.inTransaction(write.manager, async (tx) => {
      const perform = (): Promise<BuilderResult> =>
        withCriteria({ where: write.criteria, isSplit: true }, () => write.run(tx));
      const entities = await readRows(tx, write).catch((error: unknown) => {
        if (isOfAbortedTransaction(error)) return undefined;
        throw error;
      });
      // The statement cannot be done either, but the app's subscribers and error are to be those of the statement.
      if (entities === undefined) return perform();
      const rows = entities.map((entity) => new CriteriaRow(entity, write, tx));
      const send = async (signal: ModelSignal<ModelSignalKind>, moment: 'before' | 'after'): Promise<void> => {
        for (const row of rows) {
          const location = adapter.locationOf(tx.queryRunner, call);
          await adapter.send(signal, row.metadata.target, location, () => row.payload(moment));
        }
      };
      await send(pre as ModelSignal<ModelSignalKind>, 'before');
      for (const row of rows) row.noteChanges();
      const result = await perform();
      if ((result.affected ?? 0) > rows.length) warnOfOthers(adapter, write);
      for (const row of rows) await row.writeChanges();
      await readComputed(tx, write, rows);
      await send(post as ModelSignal<ModelSignalKind>, 'after');
      return result;
    }),
  );
}

/** `in_failed_sql_transaction` of PostgreSQL: it refuses every statement until the rollback. */
function isOfAbortedTransaction(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === '25P02';
}

/** Rows that another transaction has inserted since ours were read and locked were written, too. */
function warnOfOthers({ bulk }: TypeormAdapter, { manager, name, target }: CriteriaCall): void {
  const { target: sender } = dataSourceOf(manager).getMetadata(target);
  bulk.announce(
    name === 'delete' ? 'delete' : 'update',
    sender,
    'Rows that came meanwhile were written with the others.',
  );
}

/** An id, ids, or conditions that all name a value; TypeORM's versions disagree on empty ones, null and undefined. */
function isPlainCriterion(criteria: unknown): boolean {
  if (Array.isArray(criteria)) return criteria.length > 0 && criteria.every(isId);
  return isId(criteria) || (isPlainObject(criteria) && hasValues(criteria));
}

function isId(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' || value instanceof Date;
}

function hasValues(conditions: object): boolean {
  const values = Object.values(conditions) as unknown[];
  return (
    values.length > 0 &&
    values.every((value) => value !== undefined && value !== null && (!isPlainObject(value) || hasValues(value)))
  );
}

function isPlainObject(value: unknown): value is object {
  return isObject(value) && Object.getPrototypeOf(value) === Object.prototype;
}

function hasExpression(value: object): boolean {
  return (Object.values(value) as unknown[]).some(
    (each) => typeof each === 'function' || (isPlainObject(each) && hasExpression(each)),
  );
}

/** Where rows are locked when they are read, or only one connection could change them. */
function canLock(dataSource: DataSource): boolean {
  return singleRunner(dataSource) !== undefined || LOCKING.has(dataSource.options.type);
}

const LOCKING: ReadonlySet<string> = new Set([
  'postgres',
  'aurora-postgres',
  'cockroachdb',
  'mysql',
  'mariadb',
  'aurora-mysql',
  'mssql',
  'oracle',
  'sap',
]);
