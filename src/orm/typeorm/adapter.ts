import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard } from '../bulk.ts';
import { CommitQueue } from '../commit-queue.ts';
import { deliver } from '../deliver.ts';
import { inTurn } from '../lane.ts';

/** What one write of TypeORM happens in. */
export interface Surroundings {
  /** What serialises its queries: the query runner, or whatever stands for it where TypeORM has not made one yet. */
  readonly resource: object;
  readonly manager: EntityManager;
  readonly runner: QueryRunner | undefined;
}

/** What one of TypeORM's events happens in. */
export function surroundingsOf({
  queryRunner,
  manager,
}: {
  readonly queryRunner: QueryRunner;
  readonly manager: EntityManager;
}): Surroundings {
  return { resource: queryRunner, manager, runner: queryRunner };
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

  /** Send to the receivers one after the other. */
  send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    { resource, manager, runner }: Surroundings,
    args: object,
  ): Promise<void> {
    const queue = runner === undefined ? OUTSIDE : this.queueOf(runner);
    return deliver(signal, sender, args, { resource, using: this.using, tx: manager, queue });
  }

  /** As `send()`, after everything before it on the same connection; `args` are taken then. */
  sendInTurn<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    surroundings: Surroundings,
    args: () => object,
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return Promise.resolve();
    return inTurn(surroundings.resource, () => this.send(signal, sender, surroundings, args()));
  }

  /** What waits for the commit of this query runner, if something does. */
  waitingFor(runner: QueryRunner): CommitQueue | undefined {
    const queue = this.queues.get(runner);
    return queue !== undefined && queue.depth > 0 ? queue : undefined;
  }

  /** Where to wait for the commit of this query runner's transaction, as deep in savepoints as it is now. */
  private queueOf(runner: QueryRunner): CommitQueue {
    let queue = this.queues.get(runner);
    if (queue === undefined) this.queues.set(runner, (queue = new CommitQueue()));
    queue.enter(depthOf(runner));
    return queue;
  }
}

/** How deep in savepoints: 0 outside a transaction, 1 for the transaction itself. Not in TypeORM's declared types. */
export function depthOf(runner: QueryRunner): number {
  return (runner as { transactionDepth?: number }).transactionDepth ?? Number(runner.isTransactionActive);
}

/** The adapters at work, by their DataSource. */
export const attached = new WeakMap<DataSource, TypeormAdapter>();

const OUTSIDE = new CommitQueue();

/** Called `connection` before TypeORM 1.0. */
export function dataSourceOf(part: object): DataSource {
  const { dataSource, connection } = part as { dataSource?: DataSource; connection?: DataSource };
  return (dataSource ?? connection) as DataSource;
}
