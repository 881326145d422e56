import { type EntityMetadata, type EntityProperty, ReferenceKind, Utils } from '@mikro-orm/core';
import type { BulkWrite } from './bulk-write.ts';

type Row = Record<string, unknown>;

/** A statement that can be divided: what it writes, where, and how its rows are told apart. */
export interface Divisible {
  readonly meta: EntityMetadata<object>;
  readonly where: Row;
  /** Undefined for a delete. */
  readonly data: Row | undefined;
  readonly key: string;
}

const OPERATORS = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$like']);
const GROUPS = new Set(['$and', '$or']);

/** What a call of `nativeUpdate()` or `nativeDelete()` asks for; undefined if anything about it is not understood. */
export async function divisibleOf({ adapter, em, name, args }: BulkWrite): Promise<Divisible | undefined> {
  if (name !== 'nativeUpdate' && name !== 'nativeDelete') return undefined;
  const [entity, condition, ...rest] = args;
  const data = name === 'nativeUpdate' ? (rest.shift() as Row | undefined) : undefined;
  const [options] = rest;
  if (rest.length > 1 || (options !== undefined && !Utils.isPlainObject(options))) return undefined;
  if (options !== undefined && Reflect.ownKeys(options).length > 0) return undefined;
  const meta = adapter.orm.getMetadata().find<object>(entity as never);
  if (meta === undefined || !hasPlainRows(meta) || !em.getPlatform().supportsTransactions()) return undefined;
  const [key = ''] = meta.primaryKeys as string[];
  const where = isValue(condition) && condition !== null ? { [key]: condition } : condition;
  if (!isPlainCondition(meta, where)) return undefined;
  // MikroORM executes nothing where there is nothing to set.
  if (name === 'nativeUpdate' && (!isPlainData(meta, data) || Object.keys(data).length === 0)) return undefined;
  // A filter may ask what it is for, and say another thing to a read than to a write.
  const unfiltered = {};
  const filtered: unknown = await em
    .getContext(false)
    .applyFilters(meta.class, unfiltered, {}, data === undefined ? 'delete' : 'update', {});
  return filtered === unfiltered ? { meta, where, data, key } : undefined;
}

/** Whether an instance holds all that its row does, and one value tells the row. */
function hasPlainRows(meta: EntityMetadata<object>): boolean {
  if (meta.compositePK || meta.virtual === true || meta.inheritanceType === 'tpt') return false;
  const properties = Object.values<EntityProperty>(meta.properties);
  return properties.every(
    ({ kind, lazy, primary, persist }) =>
      persist !== false &&
      lazy !== true &&
      kind !== ReferenceKind.EMBEDDED &&
      (primary !== true || kind === ReferenceKind.SCALAR),
  );
}

function isPlainCondition(meta: EntityMetadata<object>, where: unknown): where is Row {
  if (!Utils.isPlainObject<Row>(where) || Object.getOwnPropertySymbols(where).length > 0) return false;
  return Object.entries(where).every(([field, value]) => {
    if (GROUPS.has(field)) return Array.isArray(value) && value.every((each) => isPlainCondition(meta, each));
    return isColumn(propertyOf(meta, field)) && (isOperand(value) || isPlainOperation(value));
  });
}

function isPlainOperation(value: unknown): boolean {
  if (!Utils.isPlainObject<Row>(value) || Object.getOwnPropertySymbols(value).length > 0) return false;
  return Object.entries(value).every(([operator, operand]) => OPERATORS.has(operator) && isOperand(operand));
}

function isOperand(value: unknown): boolean {
  return isValue(value) || (Array.isArray(value) && value.every(isValue));
}

function isPlainData(meta: EntityMetadata<object>, data: unknown): data is Row {
  if (!Utils.isPlainObject<Row>(data) || Object.getOwnPropertySymbols(data).length > 0) return false;
  return Object.entries(data).every(([field, value]) => {
    const property = propertyOf(meta, field);
    return property?.kind === ReferenceKind.SCALAR && property.primary !== true && isColumn(property) && isValue(value);
  });
}

function propertyOf(meta: EntityMetadata<object>, field: string): EntityProperty | undefined {
  return Object.hasOwn(meta.properties, field) ? (meta.properties as Record<string, EntityProperty>)[field] : undefined;
}

function isColumn(property: EntityProperty | undefined): boolean {
  return (
    property !== undefined &&
    [ReferenceKind.SCALAR, ReferenceKind.MANY_TO_ONE].includes(property.kind) &&
    property.formula === undefined &&
    property.version !== true
  );
}

/** Neither an expression, nor what only the driver understands, nor what MikroORM refuses. */
function isValue(value: unknown): boolean {
  return value === null || value instanceof Date || ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
}
