import type { Model, Sequelize, Transaction } from 'sequelize';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { deliver } from '../deliver.ts';
import { inTurn } from '../lane.ts';
import { queueOf } from './transactions.ts';

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
  readonly options: SequelizeOptions;
  readonly bulk: BulkGuard;

  constructor(options: SequelizeOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
  }

  /**
   * Send to the receivers, one after the other; in a transaction, whose queries must not overlap, also after those of
   * the other instances in it.
   */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    operation: Operation,
    subject: object,
    args: object,
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return Promise.resolve();
    const { transaction } = operation;
    const resource = transaction ?? subject;
    return inTurn(resource, () =>
      deliver(signal, sender, args, {
        resource,
        using: this.options.using,
        tx: transaction ?? undefined,
        queue: queueOf(transaction),
      }),
    );
  }
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
