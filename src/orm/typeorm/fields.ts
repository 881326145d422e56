import type { EntityMetadata, UpdateEvent } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { PostSaveArgs } from '../../core/model-types.ts';

type Column = EntityMetadata['columns'][number];
type Relation = EntityMetadata['relations'][number];
/** Before the row is written, or after. */
export type Moment = 'before' | 'after';
type SaveArgs = Pick<PostSaveArgs, 'instance' | 'raw' | 'created' | 'updateFields' | 'changes'>;

/** One row that is updated: what it is now, and what it was when TypeORM read it. */
interface Update {
  readonly metadata: EntityMetadata;
  readonly entity?: unknown;
  readonly databaseEntity?: unknown;
}

/** What a payload says of an update: the fields that it writes, and their old and new values. */
export function updateOf(event: UpdateEvent<unknown>, moment: Moment): SaveArgs {
  const { updatedColumns, updatedRelations, metadata } = event;
  const columns = updatedColumns.filter(
    ({ isUpdate, relationMetadata }) =>
      isUpdate && (relationMetadata === undefined || !updatedRelations.includes(relationMetadata)),
  );
  return argsOf(event, [...columns, ...updatedRelations], computedColumns(metadata), moment);
}

/** The same of a soft removal or a recovery. */
export function dateChangeOf(event: Update, moment: Moment): SaveArgs {
  const { deleteDateColumn } = event.metadata;
  const date = deleteDateColumn === undefined ? [] : [deleteDateColumn];
  return argsOf(event, [], [...date, ...computedColumns(event.metadata)], moment);
}

/** The same of an update by criteria, which writes these columns. */
export function columnsUpdateOf(update: Update, columns: readonly Column[], moment: Moment): SaveArgs {
  const fields = columns.map((column) => (column.isVirtual ? (column.relationMetadata ?? column) : column));
  const args = argsOf(update, fields, computedColumns(update.metadata), moment);
  // A relation is not read with the row, nor is a column that nobody selects.
  return columns.every(({ isVirtual, isSelect }) => !isVirtual && isSelect) ? args : { ...args, changes: null };
}

/** The columns that the values given to `update()` are written to. */
export function columnsIn(values: object, { columns }: EntityMetadata): Column[] {
  return columns.filter((column) => column.isUpdate && column.getEntityValue(values) !== undefined);
}

/** The columns that every update of a row writes, and the database computes. */
export function computedColumns({ versionColumn, updateDateColumn }: EntityMetadata): Column[] {
  return [versionColumn, updateDateColumn].filter((column) => column !== undefined);
}

function argsOf(
  { entity, databaseEntity }: Update,
  written: readonly (Column | Relation)[],
  computed: readonly Column[],
  moment: Moment,
): SaveArgs {
  const args = { instance: entity as object, raw: false, created: false } as const;
  const fields = new Set([...written, ...computed]);
  const updateFields = new Set([...fields].map(({ propertyPath }) => propertyPath));
  if (!isObject(databaseEntity)) return { ...args, updateFields, changes: null };
  const changes: Record<string, { from: unknown; to: unknown }> = {};
  for (const field of fields) {
    // What the database computes is not known before.
    const isKnown = moment === 'after' || written.includes(field);
    defineChange(changes, field.propertyPath, {
      from: valueIn(databaseEntity, field),
      to: isKnown ? valueIn(entity as object, field) : undefined,
    });
  }
  return { ...args, updateFields, changes: changes };
}

/** TypeORM reads a relation to nothing as an object whose id is null. */
function valueIn(entity: object, field: Column | Relation): unknown {
  const value = field.getEntityValue(entity) as unknown;
  if (!('joinColumns' in field) || !isObject(value)) return value;
  const keys = field.joinColumns.map(({ referencedColumn }) => referencedColumn?.getEntityValue(value) as unknown);
  return keys.length > 0 && keys.every((key) => key === null) ? null : value;
}

/** Defined, not assigned: a field may be called `__proto__`. */
export function defineChange(changes: object, field: string, change: { from: unknown; to: unknown }): void {
  Object.defineProperty(changes, field, { value: change, enumerable: true, configurable: true, writable: true });
}
