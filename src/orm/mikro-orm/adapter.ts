import type { EntityManager, MikroORM } from '@mikro-orm/core';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { CommitQueue } from '../commit-queue.ts';
import { deliver } from '../deliver.ts';
import { inTurn } from '../lane.ts';

/** The signals of one MikroORM. */
export class MikroOrmAdapter {
  readonly orm: MikroORM;
  readonly options: Required<AdapterOptions>;
  readonly bulk: BulkGuard;
  /** MikroORM cannot unregister a subscriber. */
  active = true;
  private readonly queues = new WeakMap<object, CommitQueue>();

  constructor(orm: MikroORM, options: Required<AdapterOptions>) {
    this.orm = orm;
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
  }

  /** Send to the receivers, one after the other, after those before them in the same transaction. */
  async send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    em: EntityManager,
    args: () => object,
  ): Promise<void> {
    if (!this.active || !signal.hasListeners(sender)) return;
    const transaction = em.getTransactionContext<object>();
    const queue = (transaction && this.queues.get(transaction)) ?? OUTSIDE;
    const resource = transaction ?? em;
    await inTurn(resource, () => {
      // one that is flushing cannot flush again, and would lose what it is given to persist
      const tx = em.fork({ keepTransactionContext: true });
      return deliver(signal, sender, args(), { resource, using: this.options.using, tx, queue });
    });
  }

  /** A transaction was begun, or a savepoint in `surrounding`. */
  begin(transaction: object, surrounding: object | undefined): void {
    const queue = (surrounding && this.queues.get(surrounding)) ?? new CommitQueue();
    queue.begin();
    this.queues.set(transaction, queue);
  }

  /** What waits for the end of a transaction or savepoint; it is asked for once. */
  end(transaction: object): CommitQueue | undefined {
    const queue = this.queues.get(transaction);
    this.queues.delete(transaction);
    return queue;
  }

  /** The class of an entity, by whatever it may be named. */
  classOf(name: unknown): unknown {
    return this.orm.getMetadata().find(name as never)?.class ?? name;
  }
}

/** The adapters at work, by the configuration that an EntityManager shares with its MikroORM. */
export const attached = new WeakMap<object, MikroOrmAdapter>();

const OUTSIDE = new CommitQueue();
