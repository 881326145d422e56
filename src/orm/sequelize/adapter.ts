import type { Model, Sequelize, Transaction } from 'sequelize';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { currentCall } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import { sendModelSignal } from '../send-model-signal.ts';
import { Turns } from '../turns.ts';
import { leaveTransaction, nodeOf, ownTransaction } from './transactions.ts';

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
  /** SQLite has one writer: transactions of the adapter's own wait for each other. */
  private readonly turns = new Turns();
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

  /** Do a write in a transaction of its own. */
  ownTransaction<T>(description: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return ownTransaction(this.sequelize, work, (run) => (this.isSqlite ? this.turns.take(description, run) : run()));
  }

  /** Whether a write that is asked for now would have to wait for a connection. */
  readonly poolIsFull = (): boolean => {
    if (this.isSqlite) return !this.turns.isFree;
    const { pool } = (this.sequelize as unknown as { connectionManager: { pool?: { write?: Pool } & Pool } })
      .connectionManager;
    const { available, size, maxSize } = pool?.write ?? pool ?? {};
    return available === 0 && size !== undefined && maxSize !== undefined && size >= maxSize;
  };

  private get isSqlite(): boolean {
    return this.sequelize.getDialect() === 'sqlite';
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

/** The model of an instance: its class. */
export function modelOf(instance: Model): unknown {
  return instance.constructor;
}
