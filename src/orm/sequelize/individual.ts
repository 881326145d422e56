import type { Model, ModelStatic, Transaction } from 'sequelize';
import { isObject } from '../../core/describe.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { currentCall, WriteCall } from '../causal-context.ts';
import { differenceOf } from '../difference.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, type SequelizeAdapter, sequelizeOf, senderOf } from './adapter.ts';

type Values = Record<string, unknown>;

/** What Sequelize hands to the statement of an update or a delete, when all of its own hooks have run. */
interface StatementOptions {
  readonly model?: ModelStatic<Model>;
  readonly transaction?: Transaction | null;
  readonly individualHooks?: boolean;
}

/** A statement of a call that is told row by row. */
interface Statement {
  readonly adapter: SequelizeAdapter;
  readonly model: ModelStatic<Model>;
  readonly table: unknown;
  /** By column; undefined for a delete. */
  readonly values: Values | undefined;
  readonly where: unknown;
  readonly options: StatementOptions;
  /** Do the statement with this condition, in this transaction. */
  readonly run: (where: unknown, transaction: Transaction) => Promise<unknown>;
}

/** The model whose rows such a call writes, by the call. */
const calls = new WeakMap<WriteCall, ModelStatic<Model>>();

/** Whether the bulk statement that is running is told row by row: then it is not told as a whole. */
export function isIndividual(): boolean {
  const call = currentCall();
  return call !== undefined && calls.has(call);
}

/** A call whose statement is told row by row. */
export function individualCall(model: ModelStatic<Model>): WriteCall {
  const call = new WriteCall();
  calls.set(call, model);
  return call;
}

/** Options that change neither which rows are written nor what of the result is wanted. */
const UNDERSTOOD = ['where', 'transaction', 'logging', 'benchmark', 'validate', 'hooks', 'individualHooks'];

/** Whether the rows of the statement can be read before it, and what it makes of them is known. */
export function canBeIndividual(name: string, model: ModelStatic<Model>, values: unknown, options: unknown): boolean {
  if (!isObject(options) || !isObject((options as { where?: unknown }).where)) return false;
  if ((options as { hooks?: unknown }).hooks === false) return false;
  if ((options as { individualHooks?: unknown }).individualHooks === true) return false;
  if (!Object.keys(options).every((key) => UNDERSTOOD.includes(key))) return false;
  if (model.primaryKeyAttributes.length !== 1) return false;
  if (name === 'destroy') return (model.options as { paranoid?: boolean }).paranoid !== true;
  return isObject(values) && isComputedHere(model, values as Values);
}

/** Literals, functions and columns can only be computed by the database; a new key would hide which row it was. */
function isComputedHere(model: ModelStatic<Model>, values: Values): boolean {
  const plain = Object.values(values).every(
    (value) => !isObject(value) || Array.isArray(value) || value instanceof Date || Buffer.isBuffer(value),
  );
  return plain && !model.primaryKeyAttributes.some((key) => key in values);
}

/** Follow the statements of such calls. */
export function interceptStatements(adapter: SequelizeAdapter): () => void {
  const queryInterface = adapter.sequelize.getQueryInterface();
  const modelOfCall = (options: unknown): ModelStatic<Model> | undefined => {
    const call = currentCall();
    const model = call && calls.get(call);
    const { model: own, individualHooks } = (options ?? {}) as StatementOptions;
    // A hook of the app's may have asked for hooks of each row, or do a statement of its own.
    return model !== undefined && own === model && individualHooks !== true ? model : undefined;
  };
  // The position of the condition among the arguments of each; the options come next.
  const undo = Object.entries({ bulkUpdate: 2, bulkDelete: 1 }).map(([name, at]) =>
    patch(ownerOf(queryInterface, name), name, (original) => {
      return async function (this: unknown, ...args: unknown[]): Promise<unknown> {
        const run = (given: unknown[]): unknown => Reflect.apply(original, this as never, given as never[]);
        const model = modelOfCall(args[at + 1]);
        const own = model && adapterOf(model);
        if (model === undefined || own === undefined) return await run(args);
        return await individually({
          adapter: own,
          model,
          table: args[0],
          values: name === 'bulkUpdate' ? (args[1] as Values) : undefined,
          where: args[at],
          options: args[at + 1] as StatementOptions,
          run: async (where, transaction) => {
            const given = { ...(args[at + 1] as object), transaction };
            return await run([...args.slice(0, at), where, given, ...args.slice(at + 2)]);
          },
        });
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}

/**
 * Do the very statement that was asked for, in a transaction, with the signals of each of its rows around it. The rows
 * are read and locked first, and the statement is held to them. What `preSave` changes on a row is written to that row.
 */
async function individually(statement: Statement): Promise<unknown> {
  const { adapter, model, values, options } = statement;
  const { transaction } = options;
  if (transaction) return inTransaction(statement, transaction);
  const description = `${values === undefined ? 'destroy' : 'update'}() of ${model.name}`;
  return adapter.ownTransaction(description, (opened) => inTransaction(statement, opened));
}

async function inTransaction(statement: Statement, transaction: Transaction): Promise<unknown> {
  const { adapter, model, values, run } = statement;
  const operation = { transaction };
  const sender = senderOf(model);
  const rows = await lockedRows(statement, transaction);
  const held = heldTo(statement, rows);
  if (values === undefined) {
    for (const row of rows) await adapter.send(preDelete, sender, operation, { instance: row, origin: row });
    const result = await run(held, transaction);
    for (const row of rows) await adapter.send(postDelete, sender, operation, { instance: row, origin: row });
    return result;
  }
  const images = new Map(rows.map((row) => [row, { ...(row.dataValues as Values) }]));
  const corrections = new Map<Model, Values>();
  for (const row of rows) {
    for (const [column, value] of Object.entries(values)) row.set(attributeOf(model, column), value, { raw: true });
    const intent = { ...(row.dataValues as Values) };
    const fields = differenceOf(images.get(row) ?? {}, intent);
    await adapter.send(preSave, sender, operation, { instance: row, raw: false, created: false, ...fields });
    const { updateFields } = differenceOf(intent, row.dataValues as Values);
    if (updateFields.size === 0) continue;
    const corrected = [...updateFields].map((field) => [field, row.getDataValue(field as never) as unknown]);
    corrections.set(row, Object.fromEntries(corrected) as Values);
  }
  const result = await run(held, transaction);
  for (const [row, corrected] of corrections) {
    await row.validate({ fields: Object.keys(corrected), hooks: false });
    await writeBeside(row, corrected, transaction);
  }
  if (!postSave.hasListeners(sender)) return result;
  for (const row of rows) {
    await readAgain(row, transaction);
    const outcome = differenceOf(images.get(row) ?? {}, row.dataValues as Values);
    await adapter.send(postSave, sender, operation, { instance: row, raw: false, created: false, ...outcome });
  }
  return result;
}

/** The rows that meet the condition, written as in the statement, so that it fails as that would. */
async function lockedRows({ model, table, where }: Statement, transaction: Transaction): Promise<Model[]> {
  const sequelize = sequelizeOf(model);
  const { queryGenerator } = sequelize.getQueryInterface() as unknown as { queryGenerator: QueryGenerator };
  const columns = Object.entries(model.getAttributes())
    .filter(([, attribute]) => !isVirtual(attribute))
    .map(([name, { field = name }]) =>
      [field, name].map((identifier) => queryGenerator.quoteIdentifier(identifier)).join(' AS '),
    );
  const condition = queryGenerator.whereQuery(where, { model });
  const lock = sequelize.getDialect() === 'sqlite' ? '' : ' FOR UPDATE';
  const sql = `SELECT ${columns.join(', ')} FROM ${queryGenerator.quoteTable(table)} ${condition}${lock}`;
  return (await sequelize.query(sql, { type: 'SELECT', model, transaction, logging: false } as object)) as never;
}

interface QueryGenerator {
  quoteIdentifier(name: string): string;
  quoteTable(table: unknown): string;
  whereQuery(where: unknown, options: object): string;
}

function isVirtual({ type }: { readonly type?: unknown }): boolean {
  return (type as { key?: unknown } | undefined)?.key === 'VIRTUAL';
}

/** Not `reload()`: it sees the row by the default scope of the model, which the statement may have moved it out of. */
async function readAgain(row: Model, transaction: Transaction): Promise<void> {
  const model = (row.constructor as ModelStatic<Model>).unscoped();
  const found = await model.findOne({ where: row.where(), transaction, hooks: false, paranoid: false } as object);
  // A trigger may have taken it away, which is no failure of the statement.
  if (found !== null) row.set(found.dataValues, { raw: true, reset: true });
}

/** The condition, and the keys of the rows: one that has come to meet it meanwhile has had no signal. */
function heldTo({ model, where }: Statement, rows: readonly Model[]): unknown {
  const { Op, literal } = sequelizeOf(model).constructor as unknown as {
    readonly Op: { readonly and: symbol; readonly in: symbol };
    readonly literal: (this: void, sql: string) => unknown;
  };
  const [key = ''] = model.primaryKeyAttributes;
  const keys = rows.map((row) => sequelizeOf(model).escape(row.getDataValue(key as never) as string));
  // As text, for the number of bound values is limited.
  const among =
    keys.length === 0 ? literal('1 = 0') : { [columnOf(model, key)]: { [Op.in]: literal(`(${keys.join()})`) } };
  return { [Op.and]: [where, among] };
}

/** Write values to the row of an instance alone, without hooks, whatever list of columns its call has. */
export async function writeBeside(row: Model, values: Values, transaction: Transaction | null): Promise<void> {
  const model = row.constructor as ModelStatic<Model>;
  const where = Object.fromEntries(
    model.primaryKeyAttributes.map((key) => [key, row.getDataValue(key as never) as unknown]),
  );
  const silently = { hooks: false, validate: false, sideEffects: false, silent: true, paranoid: false } as object;
  await model.unscoped().update(values, { where, ...silently, fields: Object.keys(values), transaction });
}

function attributeOf(model: ModelStatic<Model>, column: string): string {
  const { fieldRawAttributesMap: map } = model as unknown as {
    readonly fieldRawAttributesMap: Readonly<Record<string, { readonly fieldName: string } | undefined>>;
  };
  return map[column]?.fieldName ?? column;
}

function columnOf(model: ModelStatic<Model>, attribute: string): string {
  return model.getAttributes()[attribute]?.field ?? attribute;
}

/** The adapter of a model, if signals are attached to its Sequelize. */
export function adapterOf(model: object): SequelizeAdapter | undefined {
  return attached.get(sequelizeOf(model));
}
