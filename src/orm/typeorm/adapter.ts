import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { ModelSignal, ModelSignalKind, TransactionArgs } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { CommitQueue } from '../commit-queue.ts';
import { deliver } from '../frames.ts';

/** What one write of TypeORM happens in. */
export interface Surroundings {
  /** What serialises its queries: the query runner, or whatever stands for it where TypeORM has not made one yet. */
  readonly resource: object;
  readonly manager: EntityManager;
  readonly runner: QueryRunner | undefined;
}

/** The signals of one DataSource. */
export class TypeormAdapter {
  readonly dataSource: DataSource;
  readonly bulk: BulkGuard;
  private readonly using: string;
  private readonly queues = new WeakMap<QueryRunner, CommitQueue>();

  constructor(dataSource: DataSource, { bulk, using }: Required<AdapterOptions>) {
    this.dataSource = dataSource;
    this.bulk = new BulkGuard(bulk);
    this.using = using;
  }

  /** Send to the receivers one after the other, with what the payload says about its surroundings filled in. */
  async send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    { resource, manager, runner }: Surroundings,
    args: object,
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return;
    const surroundings: TransactionArgs = {
      using: this.using,
      tx: manager,
      onCommit: (runner === undefined ? OUTSIDE : this.queueOf(runner)).onCommit(signal, sender),
    };
    await deliver(signal, sender, { ...args, ...surroundings }, resource);
  }

  /** What waits for the commit of this query runner's transaction. */
  queueOf(runner: QueryRunner): CommitQueue {
    let queue = this.queues.get(runner);
    if (queue === undefined) this.queues.set(runner, (queue = new CommitQueue()));
    // a transaction that was begun before the signals were attached
    if (runner.isTransactionActive && queue.depth === 0) queue.begin();
    return queue;
  }
}

/** The adapters at work, by their DataSource. */
export const attached = new WeakMap<DataSource, TypeormAdapter>();

const OUTSIDE = new CommitQueue();

/** Called `connection` before TypeORM 1.0. */
export function dataSourceOf(part: object): DataSource {
  const { dataSource, connection } = part as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection) as DataSource;
}
