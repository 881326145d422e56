import { AsyncLocalStorage } from 'node:async_hooks';
import type { Model, ModelStatic, Sequelize, Transaction } from 'sequelize';
import { isObject } from '../../core/describe.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { callSite } from '../../core/origin.ts';
import { hasReceivers, nobodyListens } from '../bulk.ts';
import { currentCall, WriteCall } from '../causal-context.ts';
import { patch } from '../patch.ts';
import { modelOf, type Operation, senderOf, type SequelizeAdapter } from './adapter.ts';
import { isOpenedByReceiver } from './app-transactions.ts';
import { adapterOf, canBeIndividual, individualCall } from './individual.ts';
import { nodeOf, transactionFor } from './transactions.ts';

const sites = new AsyncLocalStorage<string>();

/** The line that called the bulk method: when its hooks run, that call has long returned. */
export function callSiteOfBulk(): string | undefined {
  return sites.getStore();
}

/** Calls that save several instances at once, by hooks for each: their receivers run one after the other. */
const severalInstances = new WeakSet<WriteCall>();

/** What to do instead of a bulk write. */
export const ADVICE = 'Use save() or destroy() on instances, listen to postBulk, or attach with another `bulk` option.';

const SAVES = [preSave, postSave];
const DELETES = [preSave, postSave, preDelete, postDelete];

/** What hooks cannot do: open a transaction around a write, and know where and by which line it was asked for. */
export function interceptMethods(sequelize: Sequelize): () => void {
  const { Model: Base } = sequelize.constructor as unknown as { Model: ModelStatic<Model> };
  const undo = [
    ...(['save', 'destroy', 'restore'] as const).map((name) =>
      patch(Base.prototype as object, name, (original) => {
        return function (this: Model, ...args: unknown[]) {
          const adapter = nobodyListens() ? undefined : adapterOf(this);
          if (adapter === undefined) return Reflect.apply(original, this as never, args as never[]);
          const run = (given: unknown[]): unknown => Reflect.apply(original, this as never, given as never[]);
          return writeInstance({ adapter, instance: this, name, args, run });
        };
      }),
    ),
    // The position of its options among the arguments of each.
    ...Object.entries({ update: 1, destroy: 0, restore: 0, upsert: 1, bulkCreate: 1, increment: 1 }).map(([name, at]) =>
      patch(Base, name, (original) => {
        return function (this: ModelStatic<Model>, ...args: unknown[]) {
          const adapter = nobodyListens() ? refusing(adapterOf(this)) : adapterOf(this);
          if (adapter === undefined) return Reflect.apply(original, this as never, args as never[]);
          const run = (given: unknown[]): unknown => Reflect.apply(original, this as never, given as never[]);
          return writeRows({ adapter, model: this, name, at, args, run });
        };
      }),
    ),
  ];
  return () => {
    for (const step of undo) step();
  };
}

/** What is refused is so while nobody listens, too. */
function refusing(adapter: SequelizeAdapter | undefined): SequelizeAdapter | undefined {
  return adapter?.bulk.policy === 'throw' ? adapter : undefined;
}

interface InstanceWrite {
  readonly adapter: SequelizeAdapter;
  readonly instance: Model;
  readonly name: string;
  readonly args: unknown[];
  readonly run: (args: unknown[]) => unknown;
}

async function writeInstance({ adapter, instance, name, args, run }: InstanceWrite): Promise<unknown> {
  const model = modelOf(instance);
  const description = `${name}() of ${model.name}`;
  const [options] = args as [Operation?];
  const transaction = noticeOutside(adapter, options, description);
  const surrounding = currentCall();
  const call = surrounding !== undefined && severalInstances.has(surrounding) ? surrounding : new WriteCall();
  const heard = (name === 'destroy' ? DELETES : SAVES).some((signal) => signal.hasListeners(model));
  if (!heard || !adapter.options.atomic || transaction !== undefined || !isOptions(args)) {
    return await call.run(() => run(args));
  }
  const whole = async (opened: Transaction): Promise<unknown> => await run([{ ...options, transaction: opened }]);
  return await call.run(() => adapter.ownTransaction(description, whole));
}

interface RowsWrite {
  readonly adapter: SequelizeAdapter;
  readonly model: ModelStatic<Model>;
  readonly name: string;
  readonly at: number;
  readonly args: unknown[];
  readonly run: (args: unknown[]) => unknown;
}

async function writeRows({ adapter, model, name, at, args, run }: RowsWrite): Promise<unknown> {
  const description = `${name}() of ${model.name}`;
  const options = args[at] as Operation | undefined;
  const transaction = noticeOutside(adapter, options, description);
  const concerns = hasReceivers(name === 'destroy' ? 'delete' : 'update', senderOf(model));
  const { bulk, atomic } = adapter.options;
  const isTold =
    bulk === 'individual' &&
    concerns &&
    (name === 'update' || name === 'destroy') &&
    args.length === at + 1 &&
    canBeIndividual(name, model, args[0], options);
  const call = isTold ? individualCall(model) : new WriteCall();
  if (options?.individualHooks === true) severalInstances.add(call);
  const whole = (): unknown => {
    if (name === 'bulkCreate' && atomic && concerns && transaction === undefined && isOptions(args.slice(at))) {
      return adapter.ownTransaction(
        description,
        async (opened) => await run([args[0], { ...options, transaction: opened }]),
      );
    }
    return run(args);
  };
  if (name === 'increment') return await call.run(() => incrementRows(adapter, model, args, run));
  const site = concerns && (bulk === 'warn' || bulk === 'individual') ? callSite() : undefined;
  return await call.run(() => (site === undefined ? whole() : sites.run(site, whole)));
}

/** Sequelize has no hooks for it. `decrement()` calls it too. */
async function incrementRows(
  adapter: SequelizeAdapter,
  model: ModelStatic<Model>,
  args: unknown[],
  run: RowsWrite['run'],
): Promise<unknown> {
  const [fields, options] = args as [unknown, IncrementOptions?];
  if (options?.hooks === false) return run(args);
  adapter.bulk.announce('update', senderOf(model), ADVICE);
  const result = await run(args);
  const sign = options?.increment === false ? -1 : 1;
  const amounts = isObject(fields) && !Array.isArray(fields) ? Object.entries(fields) : [];
  const names = typeof fields === 'string' ? [fields] : Array.isArray(fields) ? (fields as string[]) : [];
  const by = names.map((field): [string, unknown] => [field, options?.by ?? 1]);
  const values = Object.fromEntries([...amounts, ...by].map(([field, amount]) => [field, sign * Number(amount)]));
  const operation = { transaction: transactionFor(adapter.sequelize, options) ?? null };
  await adapter.send(postBulk, senderOf(model), operation, { operation: 'update', where: options?.where, values });
  return result;
}

interface IncrementOptions extends Operation {
  readonly where?: unknown;
  readonly by?: number;
  /** False for `decrement()`. */
  readonly increment?: boolean;
}

/** Whether the arguments are the options alone, or nothing: Sequelize itself refuses others. */
function isOptions(args: readonly unknown[]): boolean {
  return args.length === 0 || (args.length === 1 && (args[0] === undefined || isObject(args[0])));
}

/** Returns the transaction that the write is part of. */
function noticeOutside(adapter: SequelizeAdapter, options: unknown, description: string): Transaction | undefined {
  const transaction = transactionFor(adapter.sequelize, isObject(options) ? options : undefined);
  const node = nodeOf(transaction);
  const { poolIsFull } = adapter;
  if (!isOpenedByReceiver(node)) {
    adapter.outside.check({ database: adapter, transaction: node, description, poolIsFull });
  }
  return transaction;
}
