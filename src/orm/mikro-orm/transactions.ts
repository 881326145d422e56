import { currentCall, type WriteCall } from '../causal-context.ts';
import { isDeadlock } from '../deadlock.ts';
import { TransactionNode } from '../transaction.ts';
import { doomedError } from '../write-scope.ts';

/** What is used of the connection that Kysely, through which MikroORM executes, has reserved for a transaction. */
interface ReservedConnection {
  executeQuery: (query: CompiledQuery, ...rest: unknown[]) => Promise<unknown>;
  streamQuery: (...args: unknown[]) => unknown;
}
interface CompiledQuery {
  readonly sql: string;
}

/** What MikroORM hands out as a transaction, if it is one of Kysely: the driver of MongoDB has its own. */
interface Handle {
  readonly isTransaction?: boolean;
  readonly getExecutor?: () => {
    provideConnection(consumer: (connection: ReservedConnection) => unknown): Promise<ReservedConnection>;
  };
}

/** What ends transactions, and what begins and ends savepoints: the command, `to`, and the name of the savepoint. */
const COMMAND =
  /^\s*(savepoint|release|rollback|commit)\b(?:\s+(?:work|transaction)\b)?(?:\s+(to)\b)?(?:\s+savepoint\b)?\s*["`]?([^"`;\s]*)/i;

/** Who has opened a transaction: a call that writes, for itself, the app through MikroORM, or somebody past it. */
type Opener = 'call' | 'app' | 'unknown';

/**
 * A transaction, known by what its connection executes, whoever asked for that. MikroORM gives savepoints that lie side
 * by side the same name, and the database looks for the newest of a name; a savepoint may overtake a query that waits
 * for another one. So neither the calls of the ORM nor its events tell what is undone.
 */
export class FollowedTransaction {
  readonly node: TransactionNode = TransactionNode.begin();
  openedBy: Opener;
  /** Whether the database refuses to write in it, and to lock rows. */
  isReadOnly = false;
  /** Whether its connection is being given back: a `COMMIT` that fails is followed by a rollback. */
  hasEnded = false;
  /** The savepoints that are open in the database, the newest last. */
  private readonly savepoints: { readonly name: string; readonly node: TransactionNode }[] = [];
  private readonly savepointsOf = new WeakMap<WriteCall, TransactionNode>();
  private readonly lastWrites = new WeakMap<WriteCall, TransactionNode>();
  private hasFailed = false;
  /** MySQL and MariaDB forget a savepoint when another is set by its name; others keep both. */
  private readonly namesAreUnique: boolean;

  constructor(openedBy: Opener, namesAreUnique: boolean) {
    this.openedBy = openedBy;
    this.namesAreUnique = namesAreUnique;
  }

  /** Where the last statement of the current call was executed. */
  get nodeOfLastWrite(): TransactionNode {
    const call = currentCall();
    return (call && this.lastWrites.get(call)) ?? this.node.innermost;
  }

  /** The savepoint that the current call has begun last, or the transaction. */
  get nodeOfCall(): TransactionNode {
    const call = currentCall();
    return (call && this.savepointsOf.get(call)) ?? this.node;
  }

  /** Execute a statement of it by `send`. */
  async execute<TQuery extends CompiledQuery>(
    query: TQuery,
    send: (query: TQuery) => Promise<unknown>,
  ): Promise<unknown> {
    const [, command = '', to, name = ''] = COMMAND.exec(query.sql) ?? [];
    switch (command.toLowerCase()) {
      case 'savepoint':
        this.beginSavepoint(name);
        break;
      case 'release':
        this.endSavepoint(name)?.release();
        break;
      case 'rollback':
        if (to !== undefined) this.rollbackTo(name);
        else {
          this.hasEnded = true;
          this.rollback();
        }
        break;
      case 'commit':
        return this.commit(query, send);
      default: {
        const call = currentCall();
        if (call !== undefined) this.lastWrites.set(call, this.node.innermost);
      }
    }
    try {
      return await send(query);
    } catch (error) {
      this.hasFailed = true;
      if (isDeadlock(error)) this.rollback();
      throw error;
    }
  }

  /** A query may fail in it without being seen. */
  mayHaveFailed(): void {
    this.hasFailed = true;
  }

  /** It has ended otherwise than by a commit. What has been committed stays so. */
  rollback(): void {
    if (this.node.state === 'open') this.node.rollback();
  }

  /**
   * PostgreSQL answers the `COMMIT` of a transaction in which a query has failed with a rollback, and no error. So it
   * is asked before whether it would, if anything depends on that.
   */
  private async commit<TQuery extends CompiledQuery>(
    query: TQuery,
    send: (query: TQuery) => Promise<unknown>,
  ): Promise<unknown> {
    if (this.hasFailed && this.node.isWatched && this.node.state === 'open') {
      try {
        await send({ ...query, sql: 'select 1' });
      } catch {
        this.rollback();
        if (this.openedBy === 'call') throw doomedError();
      }
    }
    try {
      const result = await send(query);
      this.hasEnded = true;
      this.node.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** The savepoint itself stays, until it is released. */
  private rollbackTo(name: string): void {
    const node = this.endSavepoint(name);
    if (node === undefined) return;
    node.rollback();
    this.beginSavepoint(name);
  }

  private beginSavepoint(name: string): void {
    const node = this.node.savepoint();
    const index = this.savepoints.findIndex((each) => each.name === name);
    if (this.namesAreUnique && index >= 0) this.savepoints.splice(index, 1);
    this.savepoints.push({ name, node });
    const call = currentCall();
    if (call !== undefined) this.savepointsOf.set(call, node);
  }

  /** Take the newest savepoint of this name off, and those in it. */
  private endSavepoint(name: string): TransactionNode | undefined {
    const index = this.savepoints.map((each) => each.name).lastIndexOf(name);
    return index < 0 ? undefined : this.savepoints.splice(index)[0]?.node;
  }
}

/** The transactions of one database. */
export class Transactions {
  private readonly byHandle = new WeakMap<object, FollowedTransaction>();
  private readonly byConnection = new WeakMap<object, FollowedTransaction>();
  private readonly namesAreUnique: boolean;

  constructor(drivers: readonly string[]) {
    this.namesAreUnique = drivers.includes('mysql2');
  }

  /** What is known of a transaction by the handle that MikroORM has of it. */
  known(handle: object): FollowedTransaction | undefined {
    return this.byHandle.get(handle);
  }

  /** The transaction of a handle. One that was not begun through MikroORM is followed from now on. */
  async of(handle: object | undefined): Promise<FollowedTransaction | undefined> {
    if (handle === undefined) return undefined;
    const known = this.byHandle.get(handle);
    return known !== undefined || isNoTransaction(handle) ? known : this.follow(handle, 'unknown');
  }

  /** Follow a transaction that has just been begun, or a savepoint in one. */
  async follow(handle: object, openedBy: Opener): Promise<FollowedTransaction> {
    const connection = await (handle as Handle).getExecutor?.().provideConnection((each) => Promise.resolve(each));
    let followed = this.byHandle.get(handle) ?? (connection && this.byConnection.get(connection));
    if (followed === undefined) {
      followed = new FollowedTransaction(openedBy, this.namesAreUnique);
      if (connection !== undefined) this.listen(connection, followed);
    } else if (followed.openedBy === 'unknown') followed.openedBy = openedBy;
    this.byHandle.set(handle, followed);
    return followed;
  }

  private listen(connection: ReservedConnection, followed: FollowedTransaction): void {
    const { executeQuery, streamQuery } = connection;
    this.byConnection.set(connection, followed);
    const restore = [
      override(connection, 'executeQuery', async (query, ...rest) => {
        try {
          return await followed.execute(query, (each) => Reflect.apply(executeQuery, connection, [each, ...rest]));
        } finally {
          if (followed.hasEnded) end();
        }
      }),
      override(connection, 'streamQuery', (...args) => {
        followed.mayHaveFailed();
        return Reflect.apply(streamQuery, connection, args);
      }),
    ];
    const end = (): void => {
      this.byConnection.delete(connection);
      for (const step of restore) step();
      if (followed.openedBy === 'unknown') setImmediate(() => void followed.node.settle());
    };
  }
}

function isNoTransaction(handle: Handle): boolean {
  return handle.getExecutor !== undefined && handle.isTransaction !== true;
}

/** Put a method in place of one of an object. Returns what undoes it, unless somebody else has done so after. */
function override<TName extends keyof ReservedConnection>(
  connection: ReservedConnection,
  name: TName,
  method: ReservedConnection[TName],
): () => void {
  const own = Object.getOwnPropertyDescriptor(connection, name);
  connection[name] = method;
  return () => {
    if (connection[name] !== method) return;
    if (own === undefined) Reflect.deleteProperty(connection, name);
    else Object.defineProperty(connection, name, own);
  };
}
