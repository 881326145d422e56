import { AsyncLocalStorage } from 'node:async_hooks';
import { sql } from 'drizzle-orm';
import type { AdapterOptions } from '../adapter-options.ts';
import { type ScopedWrite, WrappedDatabase, WriteScope } from '../write-scope.ts';
import { type Driver, driverOf, Lease } from './driver.ts';
import { type Database, primaryOf, type Session } from './internals.ts';
import { Turns } from '../turns.ts';

/** The options of `withSignals()`, complete. */
export interface DrizzleOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}

/** What all handles of one database have in common. */
export class WrappedDrizzle extends WrappedDatabase<DrizzleOptions> {
  readonly driver: Driver;
  readonly turns = new Turns();
  /** The handle of the transaction in which the current code runs. */
  readonly surrounding = new AsyncLocalStorage<Handle>();
  /** Makes what the app, and receivers as `tx`, get of a handle. */
  readonly wrap: (handle: Handle) => Database;

  constructor(database: Database, options: DrizzleOptions, wrap: (handle: Handle) => Database) {
    super(options);
    this.driver = driverOf(database);
    this.wrap = wrap;
  }
}

/** A database or a transaction, and where what is written through it goes. */
export class Handle {
  readonly database: Database;
  readonly shared: WrappedDrizzle;
  readonly scope: WriteScope<DrizzleOptions>;
  readonly wrapped: Database;

  constructor(database: Database, shared: WrappedDrizzle, scope = new WriteScope<DrizzleOptions>(shared)) {
    this.database = database;
    this.shared = shared;
    this.scope = scope;
    this.wrapped = shared.wrap(this);
    scope.tx = this.wrapped;
  }

  /** What writes: of a database with replicas, the primary one. */
  get primary(): Database {
    return primaryOf(this.database);
  }

  get session(): Session {
    return this.primary.session;
  }

  /**
   * Where a write through this handle really goes. With a single connection of PostgreSQL that is the transaction that
   * is open on it, if the caller runs in that.
   */
  get effective(): Handle {
    const { driver } = this.shared;
    return (driver.isConnection && this.scope.transaction === undefined ? this.openSurrounding : undefined) ?? this;
  }

  /** Begin a write. */
  write(): ScopedWrite {
    return this.scope.write();
  }

  /** @throws Error if a receiver writes outside of its transaction and the policy, or the pool, does not allow it. */
  checkOutside(description: string, site?: string): void {
    const { outside, driver } = this.shared;
    const { transaction } = this.scope;
    outside.check({ database: this.shared, transaction, description, poolIsFull: driver.poolIsFull, site });
  }

  /** Run a statement that needs no transaction, when none of the adapter's own is in its way. */
  plainly(description: string, run: () => unknown): unknown {
    if (!this.mustWait || this.shared.turns.isFree) return run();
    return this.shared.turns.take(description, () => Promise.resolve(run()));
  }

  /** Do a write with its signals in the transaction that this is, or else in one of its own. */
  within<T>(description: string, work: (inside: Handle) => Promise<T>): Promise<T> {
    const { options } = this.shared;
    return options.atomic && this.scope.transaction === undefined
      ? this.transaction(description, work, [], true)
      : work(this);
  }

  /** A transaction, or in one a savepoint; `own` if the adapter opens it, and not the app. */
  transaction<T>(
    description: string,
    work: (inside: Handle) => Promise<T>,
    config: readonly unknown[],
    own: boolean,
  ): Promise<T> {
    const { shared, database } = this;
    if (own && !shared.driver.hasTransactions) return Promise.reject(withoutTransactions(description));
    let hasBegun = false;
    const begin = async (body: (tx: Database) => Promise<T>, begun?: () => void): Promise<T> => {
      const lease = new Lease();
      try {
        return await lease.of(this.primary).transaction(
          (tx) => {
            hasBegun = true;
            begun?.();
            return body(tx);
          },
          ...config,
        );
      } finally {
        lease.end(hasBegun);
      }
    };
    const waits = this.mustWait;
    // What the app does in a transaction of its own may be what others wait for: only its beginning takes a turn.
    const afterOthers = (body: (tx: Database) => Promise<T>): Promise<T> =>
      own || shared.driver.isConnection
        ? shared.turns.take(description, () => begin(body))
        : shared.turns.takeUntil(description, (begun) => begin(body, begun));
    return this.scope.runTransaction<Database, T>({
      open: (body) => (waits ? afterOthers(body) : begin(body)),
      body: (tx, scope) => {
        const inside = new Handle(tx, shared, scope);
        return shared.surrounding.run(inside, () => work(inside));
      },
      isDoomed,
      own,
      savepointName: savepointOf(database),
    });
  }

  /** Whether what is done through this handle waits for the transactions before it: see `Driver.isExclusive`. */
  private get mustWait(): boolean {
    const { driver } = this.shared;
    if (!driver.isExclusive || this.scope.transaction !== undefined) return false;
    // What a transaction waits for must not wait for it. The driver then says what it says without signals.
    return this.openSurrounding === undefined;
  }

  private get openSurrounding(): Handle | undefined {
    const handle = this.shared.surrounding.getStore();
    return handle?.scope.transaction?.root.state === 'open' ? handle : undefined;
  }
}

/** PostgreSQL refuses every query of a transaction in which one has failed, and answers `COMMIT` with a rollback. */
async function isDoomed(tx: Database): Promise<boolean> {
  if (tx.execute === undefined) return false;
  try {
    await tx.execute(sql`select 1`);
    return false;
  } catch (error) {
    return codeOf(error) === '25P02';
  }
}

/** Drizzle names savepoints by how deep they lie, so that several at once have one name. */
function savepointOf(database: Database): string {
  return `sp${String((database as { nestedIndex?: number }).nestedIndex ?? 0)}`;
}

function codeOf(error: unknown): unknown {
  const { code, cause } = Object(error) as { code?: unknown; cause?: unknown };
  return code ?? (cause === undefined ? undefined : codeOf(cause));
}

function withoutTransactions(description: string): Error {
  return new Error(
    `${description} needs a transaction of its own, so that what a receiver throws undoes it, and this driver has no ` +
      'transactions. Call withSignals(db, { atomic: false }): the write then stays when a receiver throws after it.',
  );
}
