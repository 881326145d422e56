import type { ModelSignal, ModelSignalKind } from '../core/model-types.ts';
import type { AdapterOptions } from './adapter-options.ts';
import { BulkGuard } from './bulk.ts';
import { CommitQueue, runAll } from './commit-queue.ts';
import { deliver } from './deliver.ts';
import { inTurn } from './lane.ts';

/** What every write through one wrapped database has in common. */
export class WrappedDatabase<TOptions extends Required<AdapterOptions>> {
  readonly options: TOptions;
  readonly bulk: BulkGuard;

  constructor(options: TOptions) {
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
  }
}

/**
 * Where writes happen, for an ORM that is wrapped and has no hooks: outside a transaction, or in one. It knows the
 * handle that receivers get as `tx`, and what waits for the commit.
 */
export class Scope<TOptions extends Required<AdapterOptions> = Required<AdapterOptions>> {
  readonly database: WrappedDatabase<TOptions>;
  /** Undefined outside a transaction. */
  readonly queue: CommitQueue | undefined;
  /** The handle of the ORM, itself wrapped: what is written through it sends signals. */
  tx: unknown = undefined;

  constructor(database: WrappedDatabase<TOptions>, queue?: CommitQueue) {
    this.database = database;
    this.queue = queue;
  }

  /** Send to the receivers one after the other. */
  send<TKind extends ModelSignalKind>(signal: ModelSignal<TKind>, sender: unknown, args: object): Promise<void> {
    const { using } = this.database.options;
    return deliver(signal, sender, args, {
      resource: this.queue ?? {},
      using,
      tx: this.tx,
      queue: this.queue ?? OUTSIDE,
    });
  }

  /** Do one write with all its queries and signals, after those before it on the same connection. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    if (this.queue === undefined) return work();
    let result: { readonly value: T } | undefined;
    await inTurn(this.queue, async () => {
      result = { value: await work() };
    });
    return (result as unknown as { readonly value: T }).value;
  }

  /**
   * Run a transaction of the ORM, or a savepoint in the one that this is. What waits for the commit runs when the ORM
   * is done with it and its connection is free.
   */
  async transaction<T>(run: (inner: Scope<TOptions>) => Promise<T>): Promise<T> {
    const queue = this.queue ?? new CommitQueue();
    queue.begin();
    let result: T;
    try {
      result = await run(new Scope(this.database, queue));
    } catch (error) {
      queue.rollback();
      throw error;
    }
    await runAll(queue.commit());
    return result;
  }
}

const OUTSIDE = new CommitQueue();
