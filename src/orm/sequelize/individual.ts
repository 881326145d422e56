import type { Model, ModelStatic, Transaction, WhereOptions } from 'sequelize';
import { isObject } from '../../core/describe.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { currentCall, WriteCall } from '../causal-context.ts';
import { differenceOf } from '../difference.ts';
import { attached, type SequelizeAdapter, sequelizeOf } from './adapter.ts';

type Values = Record<string, unknown>;
interface Options {
  readonly where?: unknown;
  readonly transaction?: Transaction | null;
}

/** A bulk statement that is told row by row. */
export interface IndividualWrite {
  readonly adapter: SequelizeAdapter;
  readonly model: ModelStatic<Model>;
  readonly name: 'update' | 'destroy';
  /** Of an update. */
  readonly values: Values | undefined;
  readonly options: Options;
  readonly transaction: Transaction | undefined;
  /** Do the statement, with these options. */
  readonly run: (options: object) => Promise<unknown>;
}

const calls = new WeakSet<WriteCall>();

/** Whether the bulk statement that is running is told row by row: then it is not told as a whole. */
export function isIndividual(): boolean {
  const call = currentCall();
  return call !== undefined && calls.has(call);
}

/** Options that change neither which rows are written nor what of the result is wanted. */
const UNDERSTOOD = ['where', 'transaction', 'logging', 'benchmark', 'validate', 'hooks', 'individualHooks'];

/** Whether the rows of the statement can be read before it, and what it makes of them is known. */
export function canBeIndividual(name: string, model: ModelStatic<Model>, values: unknown, options: unknown): boolean {
  if (!isObject(options) || !isObject((options as Options).where)) return false;
  if ((options as { hooks?: unknown }).hooks === false) return false;
  if ((options as { individualHooks?: unknown }).individualHooks === true) return false;
  if (!Object.keys(options).every((key) => UNDERSTOOD.includes(key))) return false;
  const { paranoid } = model.options as { paranoid?: boolean };
  if (paranoid === true || model.primaryKeyAttributes.length !== 1) return false;
  if (name === 'destroy') return true;
  // Literals, functions and columns: only the database can compute them.
  return isObject(values) && Object.values(values).every((value) => !isExpression(value));
}

function isExpression(value: unknown): boolean {
  return isObject(value) && !Array.isArray(value) && !(value instanceof Date) && !Buffer.isBuffer(value);
}

/**
 * Do the very statement that was asked for, in a transaction, with the signals of each of its rows around it. The rows
 * are read and locked first, and the statement is held to them. What `preSave` changes on a row is written to that row.
 */
export async function individually(write: IndividualWrite): Promise<unknown> {
  const { adapter, model, name, transaction } = write;
  if (transaction !== undefined) return inTransaction(write, transaction);
  return adapter.ownTransaction(`${name}() of ${model.name}`, (opened) => inTransaction(write, opened));
}

async function inTransaction(
  { adapter, model, name, values, options, run }: IndividualWrite,
  transaction: Transaction,
): Promise<unknown> {
  const [key = ''] = model.primaryKeyAttributes;
  const operation = { transaction };
  const rows = await model.findAll({
    where: options.where as WhereOptions,
    hooks: false,
    transaction,
    ...(adapter.sequelize.getDialect() === 'sqlite' ? {} : { lock: transaction.LOCK.UPDATE }),
  } as object);
  const images = new Map(rows.map((row) => [row, { ...(row.dataValues as Values) }]));
  const corrections = new Map<Model, Values>();
  for (const row of rows) {
    if (name === 'destroy') {
      await adapter.send(preDelete, model, operation, { instance: row, origin: row });
      continue;
    }
    row.set(values as object);
    const intent = { ...(row.dataValues as Values) };
    const image = images.get(row) ?? {};
    await adapter.send(preSave, model, operation, {
      instance: row,
      raw: false,
      created: false,
      ...differenceOf(image, intent),
    });
    const { updateFields } = differenceOf(intent, row.dataValues as Values);
    if (updateFields.size > 0) {
      corrections.set(
        row,
        Object.fromEntries([...updateFields].map((field) => [field, row.getDataValue(field as never) as unknown])),
      );
    }
  }
  const keys = rows.map((row) => row.getDataValue(key as never) as unknown);
  const { Op } = adapter.sequelize.constructor as unknown as { Op: { and: symbol } };
  const call = new WriteCall();
  calls.add(call);
  const held = { ...options, transaction, where: { [Op.and]: [options.where, { [key]: keys }] } };
  const result = await call.run(() => run(held));
  for (const [row, corrected] of corrections) {
    const silently = { hooks: false, validate: false, sideEffects: false, fields: Object.keys(corrected), transaction };
    await model.update(corrected, {
      where: { [key]: row.getDataValue(key as never) as unknown } as WhereOptions,
      ...silently,
    });
  }
  for (const row of rows) {
    if (name === 'destroy') await adapter.send(postDelete, model, operation, { instance: row, origin: row });
    else if (postSave.hasListeners(model)) {
      await row.reload({ transaction });
      const outcome = differenceOf(images.get(row) ?? {}, row.dataValues as Values);
      await adapter.send(postSave, model, operation, { instance: row, raw: false, created: false, ...outcome });
    }
  }
  return result;
}

/** The adapter of a model, if signals are attached to its Sequelize. */
export function adapterOf(model: object): SequelizeAdapter | undefined {
  return attached.get(sequelizeOf(model));
}
