import type { ClientSession } from 'mongoose';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { deliver } from '../deliver.ts';
import { inTurn } from '../lane.ts';
import { queueOf } from './sessions.ts';

/** The options of `signals()`, complete. */
export interface MongooseOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

/** The signals of every model that the plugin was applied to. */
export class MongooseAdapter {
  readonly options: MongooseOptions;
  readonly bulk: BulkGuard;
  /** False once the plugin was disposed of: Mongoose cannot unregister one. */
  active = true;

  constructor(options: MongooseOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
  }

  /**
   * Send to the receivers, one after the other. In a session, whose operations must not overlap, also after those of
   * the other documents in it; elsewhere documents are independent.
   */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    session: ClientSession | undefined,
    subject: object,
    args: object,
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return Promise.resolve();
    const resource = session ?? subject;
    return inTurn(resource, () =>
      deliver(signal, sender, args, { resource, using: this.options.using, tx: session, queue: queueOf(session) }),
    );
  }
}
