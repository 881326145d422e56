import { type Database, kindsOf, primaryOf, type Session } from './internals.ts';

/** What is known of the driver of a database. */
export interface Driver {
  /**
   * Whether a write outside a transaction fails, waits, or becomes part of it, while one is open: SQLite, and a single
   * connection.
   */
  readonly isExclusive: boolean;
  /** Whether what is written while a transaction is open is part of it, whatever handle it is written through. */
  readonly isConnection: boolean;
  readonly hasTransactions: boolean;
  /** How the result of a write without `returning()` is read; undefined for a driver that is not known so well. */
  readonly results: DriverResults | undefined;
  /** Whether every connection is taken. */
  readonly poolIsFull: (() => boolean) | undefined;
}

/** The result that a driver gives for a write that returns no rows, made of that of one that does. */
export interface DriverResults {
  /** The names of the number of rows. */
  readonly counts: readonly string[];
  /** A session that gives each result of the driver to `seen`. */
  watch(session: Session, seen: (result: unknown) => void): Session;
  withoutRows(result: unknown): unknown;
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** Drizzle's own names of the sessions of drivers that cannot hold a transaction open. */
const WITHOUT_TRANSACTIONS: readonly string[] = [
  'PgRemoteSession',
  'NeonHttpSession',
  'XataHttpSession',
  'SQLiteD1Session',
];

export function driverOf(database: Database): Driver {
  const primary = primaryOf(database);
  const kinds = kindsOf(primary.session);
  const { client } = primary.session;
  const isSqlite = kinds.includes('SQLiteSession');
  const isPglite = kinds.includes('PgliteSession');
  const isConnection = !isPool(client) && kinds.includes('NodePgSession');
  const isExclusive = isSqlite || isPglite || isConnection;
  return {
    isExclusive,
    isConnection,
    hasTransactions: !kinds.some((kind) => WITHOUT_TRANSACTIONS.includes(kind)),
    results: kinds.map((kind) => RESULTS.get(kind)).find(Boolean),
    poolIsFull: isExclusive
      ? () => true
      : isPool(client)
        ? () => client.idleCount === 0 && client.totalCount >= (client.options?.max ?? Infinity)
        : undefined,
  };
}

interface Pool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly options?: { readonly max?: number };
}

function isPool(client: unknown): client is Pool {
  return typeof (client as Partial<Pool> | undefined)?.totalCount === 'number';
}

/** A connection of node-postgres. */
interface Client {
  on?(event: 'error', listener: () => void): unknown;
  removeListener?(event: 'error', listener: () => void): unknown;
  release?(error: boolean): void;
}

/** The connections that a transaction of node-postgres takes from its pool. */
export class Lease {
  private readonly taken: Client[] = [];
  private readonly ignore = (): void => undefined;

  /** The database, with a pool that says which connections it gives. */
  of(database: Database): Database {
    const { session } = database;
    const pool = session.client as { connect(): Promise<Client> };
    if (!kindsOf(session).includes('NodePgSession') || !isPool(pool)) return database;
    const connect = async (): Promise<Client> => this.take(await pool.connect());
    const client = { value: Object.create(pool, { connect: { value: connect } }) as object };
    const watched = Object.create(session, { client }) as Session;
    return Object.create(database, { session: { value: watched } }) as Database;
  }

  /**
   * The transaction is over. Where it could not even begin, Drizzle before 1.0 forgets to give the connection back.
   */
  end(hasBegun: boolean): void {
    for (const client of this.taken) {
      client.removeListener?.('error', this.ignore);
      if (hasBegun) continue;
      try {
        client.release?.(true);
      } catch {
        // It has been given back.
      }
    }
  }

  /** A connection that dies while receivers run would end the process: no one else listens to one that is taken. */
  private take(client: Client): Client {
    client.on?.('error', this.ignore);
    this.taken.push(client);
    return client;
  }
}

/** Hear the results of one method of the session's client. */
const watchClient =
  (method: string) =>
  (session: Session, seen: (result: unknown) => void): Session => {
    const client = session.client as Record<string, Method>;
    const watched = Object.create(client) as object;
    const call = async (...args: unknown[]): Promise<unknown> => {
      const result = await client[method]?.(...args);
      seen(result);
      return result;
    };
    Object.defineProperty(watched, method, { value: call });
    return Object.create(session, { client: { value: watched } }) as Session;
  };

interface PgResult {
  readonly command: unknown;
  readonly rowCount: unknown;
  readonly oid: unknown;
  readonly _types: unknown;
}
const NODE_POSTGRES: DriverResults = {
  counts: ['rowCount'],
  watch: watchClient('query'),
  withoutRows(result) {
    const { command, rowCount, oid, _types, constructor } = result as PgResult;
    const empty = new (constructor as new (rowMode: undefined, types: unknown) => object)(undefined, _types);
    return Object.assign(empty, { command, rowCount, oid });
  },
};

const PGLITE: DriverResults = {
  counts: ['affectedRows', 'rowCount'],
  watch: watchClient('query'),
  withoutRows: (result) => Object.assign(result as object, { rows: [], fields: [] }),
};

/** SQLite itself says how many rows a statement has written, and the client does not if that returned rows. */
const COUNTS = 'select changes(), last_insert_rowid()';
interface LibsqlResult {
  readonly rows: readonly Readonly<Record<number, number | bigint>>[];
  readonly constructor: new (...args: unknown[]) => object;
}
const LIBSQL: DriverResults = {
  counts: ['rowsAffected'],
  watch(session, seen) {
    const { tx, client } = session as { tx?: Record<string, Method>; client: Record<string, Method> };
    const execute = async (statement: unknown): Promise<unknown> => {
      // Both in one go: another statement in between would change the counts.
      const both = tx === undefined ? client.batch?.([statement, COUNTS]) : inOneGo(tx, statement);
      const [result, counts] = (await both) as [LibsqlResult, LibsqlResult];
      const { 0: changes, 1: rowid = 0 } = counts.rows[0] ?? {};
      seen(new result.constructor([], [], [], Number(changes), BigInt(rowid)));
      return result;
    };
    const watched = { value: { execute } };
    return Object.create(session, tx === undefined ? { client: watched } : { tx: watched }) as Session;
  },
  withoutRows: (result) => result,
};

function inOneGo(tx: Record<string, Method>, statement: unknown): Promise<unknown[]> {
  const result = tx.execute?.(statement);
  const counts = tx.execute?.(COUNTS);
  return Promise.all([result, counts]);
}

/** By Drizzle's own names of the sessions. */
const RESULTS: ReadonlyMap<string, DriverResults> = new Map([
  ['NodePgSession', NODE_POSTGRES],
  ['NeonSession', NODE_POSTGRES],
  ['VercelPgSession', NODE_POSTGRES],
  ['PgliteSession', PGLITE],
  ['LibSQLSession', LIBSQL],
]);
