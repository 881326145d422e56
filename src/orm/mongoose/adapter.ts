import type { ClientSession, Connection, Model } from 'mongoose';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { currentCause, type WriteCall } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import { sendModelSignal, type WriteContext } from '../send-model-signal.ts';
import { leaveTransaction, transactionOf } from './sessions.ts';

/** The options of `signals()`, complete. */
export interface MongooseOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

export type AnyModel = Model<unknown>;

/** The signals of every model that the plugin was applied to. */
export class MongooseAdapter {
  readonly options: MongooseOptions;
  readonly bulk: BulkGuard;
  /** False once the plugin was disposed of: Mongoose cannot unregister one. */
  active = true;
  /** Whether the plugin is Mongoose's own and no schema's: then its hooks come after Mongoose's. */
  isGlobal = false;
  private readonly outside: OutsideGuard;

  constructor(options: MongooseOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
    this.outside = new OutsideGuard(options.outside);
  }

  /** What a write that is issued now is part of. */
  context(model: AnyModel, session: ClientSession | undefined, call?: WriteCall): WriteContext {
    return {
      database: databaseOf(model.db),
      using: this.options.using,
      tx: session,
      transaction: transactionOf(session),
      call,
      leaveTransaction: (run) => leaveTransaction(model.base, run),
    };
  }

  /** Send to the receivers, one after the other. */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    context: WriteContext,
    args: object,
  ): Promise<void> {
    return sendModelSignal(signal, sender, args, context);
  }

  /** Notice a receiver that writes without the session of its transaction. Only receivers cost anything. */
  checkOutside(model: AnyModel, session: ClientSession | undefined, method: string, site?: string): void {
    if (currentCause() === undefined) return;
    this.outside.check({
      database: databaseOf(model.db),
      transaction: transactionOf(session),
      description: `${method} of ${model.modelName}`,
      site,
    });
  }
}

/** Connections of one client share its sessions. */
function databaseOf(connection: Connection): object {
  // Before it is connected it has none, whatever its type says.
  const client = connection.getClient() as object | undefined;
  return client ?? connection;
}

/** Whether anyone listens to saves of the model, or of a discriminator of it, whose documents one call may write. */
export function hearsSaves(model: AnyModel): boolean {
  return hearsAny(model, [preSave, postSave]);
}

/** As `hearsSaves`, of deletes. */
export function hearsDeletes(model: AnyModel): boolean {
  return hearsAny(model, [preDelete, postDelete]);
}

function hearsAny(model: AnyModel, signals: readonly { hasListeners(sender: unknown): boolean }[]): boolean {
  const senders = [model, ...Object.values(model.discriminators ?? {})];
  return senders.some((sender) => signals.some((signal) => signal.hasListeners(sender)));
}
