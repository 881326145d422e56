/** What the drivers of MikroORM hold their connections in. */
interface Pool {
  // pg
  readonly totalCount?: number;
  readonly idleCount?: number;
  readonly options?: { readonly max?: number };
  // mysql2
  readonly pool?: MySqlPool;
  // mariadb
  readonly activeConnections?: () => number;
  readonly totalConnections?: () => number;
  // better-sqlite3, libsql
  readonly prepare?: () => unknown;
}
interface MySqlPool {
  readonly config?: { readonly connectionLimit?: number };
  readonly _allConnections?: { readonly length: number };
  readonly _freeConnections?: { readonly length: number };
}

/**
 * Whether every connection is taken, as far as the driver tells. To be asked in a receiver, whose own transaction
 * holds one: SQLite has no other.
 */
export async function poolIsFull(connection: object): Promise<boolean> {
  const { getNativeClient } = connection as { getNativeClient?: () => Promise<object> };
  if (getNativeClient === undefined) return false;
  let client: Pool & MySqlPool;
  try {
    client = await Reflect.apply(getNativeClient, connection, []);
  } catch {
    // A driver or a dialect of the app's own does not tell.
    return false;
  }
  if (typeof client.prepare === 'function') return true;
  if (client.totalCount !== undefined)
    return client.idleCount === 0 && client.totalCount >= (client.options?.max ?? 10);
  const { config, _allConnections: all, _freeConnections: free } = client.pool ?? client;
  return free?.length === 0 && (all?.length ?? 0) >= (config?.connectionLimit ?? Infinity);
}
