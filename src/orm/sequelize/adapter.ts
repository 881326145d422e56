import type { Model, ModelStatic, Sequelize, Transaction } from 'sequelize';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { currentCall } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import { sendModelSignal } from '../send-model-signal.ts';
import { SqliteTurns } from './sqlite-turns.ts';
import { surroundingOf } from './surrounding.ts';
import { isOwn, leaveTransaction, nodeOf, ownTransaction } from './transactions.ts';

/** The options of `attachSignals()`, complete. */
export interface SequelizeOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
}

/** The options of an operation, as hooks get them. */
export interface Operation {
  transaction?: Transaction | null;
  /** The columns that will be written. */
  fields?: string[];
  individualHooks?: boolean;
  force?: boolean;
  hooks?: boolean;
}

/** The signals of one Sequelize. */
export class SequelizeAdapter {
  readonly sequelize: Sequelize;
  readonly options: SequelizeOptions;
  readonly bulk: BulkGuard;
  readonly outside: OutsideGuard;
  readonly turns = new SqliteTurns();
  private readonly leaveTransaction: <T>(run: () => T) => T;

  constructor(sequelize: Sequelize, options: SequelizeOptions) {
    this.sequelize = sequelize;
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
    this.outside = new OutsideGuard(options.outside);
    this.leaveTransaction = leaveTransaction(sequelize);
  }

  /** Send to the receivers, one after the other, also for several instances that one call writes. */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    { transaction }: Operation,
    args: object | (() => object),
  ): Promise<void> {
    return sendModelSignal(signal, sender, args, {
      database: this,
      using: this.options.using,
      tx: transaction ?? undefined,
      transaction: nodeOf(transaction),
      call: currentCall(),
      leaveTransaction: this.leaveTransaction,
    });
  }

  /** Do a write in a transaction of its own; where the database is in one already and cannot begin another, in that. */
  ownTransaction<T>(description: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const surrounding = this.isSqlite ? surroundingOf(this) : undefined;
    if (surrounding !== undefined && this.hasOneConnection) return work(surrounding);
    // One that lies in the app's would wait for that, which waits for it.
    const waits = this.isSqlite && (surrounding === undefined || isOwn(surrounding));
    return ownTransaction(this.sequelize, work, (run) => (waits ? this.turns.takeOwn(description, run) : run()));
  }

  /** Whether a write that is asked for now would have to wait for a connection. */
  readonly poolIsFull = (): boolean => {
    if (this.isSqlite) return !this.turns.isFree;
    const { pool } = (this.sequelize as unknown as { connectionManager: { pool?: { write?: Pool } & Pool } })
      .connectionManager;
    const { available, size, maxSize } = pool?.write ?? pool ?? {};
    return available === 0 && size !== undefined && maxSize !== undefined && size >= maxSize;
  };

  get isSqlite(): boolean {
    return this.sequelize.getDialect() === 'sqlite';
  }

  /** Whether everything shares one connection, as it does with SQLite in memory. */
  get hasOneConnection(): boolean {
    const { storage, host } = (this.sequelize as unknown as { options: { storage?: string | null; host?: string } })
      .options;
    return this.isSqlite && [storage, host, ':memory:'].find(Boolean) === ':memory:';
  }
}

interface Pool {
  readonly available?: number;
  readonly size?: number;
  readonly maxSize?: number;
}

/** The adapters at work, by their Sequelize. */
export const attached = new WeakMap<Sequelize, SequelizeAdapter>();

/** The Sequelize of a model or an instance. */
export function sequelizeOf(part: object): Sequelize {
  return (part as { sequelize: Sequelize }).sequelize;
}

/** The model of an instance, as the app knows it. */
export function modelOf(instance: Model): ModelStatic<Model> {
  return senderOf(instance.constructor as ModelStatic<Model>);
}

/**
 * The model as the app has defined it. `scope()`, `unscoped()` and `schema()` make a class of the same name each time,
 * which extends it, and what is found through them is an instance of that.
 */
export function senderOf(model: ModelStatic<Model>): ModelStatic<Model> {
  const defined = sequelizeOf(model).models[model.name];
  for (let each = model; each.name === model.name; each = Object.getPrototypeOf(each) as ModelStatic<Model>) {
    if (each === defined) return each;
  }
  return model;
}
