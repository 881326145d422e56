import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

/**
 * A PostgreSQL to talk to over the network: the one that DATABASE_URL names, else PGlite on loopback, which has one
 * connection.
 */
export async function startPostgres(): Promise<{ url: string; connections: number; close(): Promise<void> }> {
  const { DATABASE_URL } = process.env;
  if (DATABASE_URL !== undefined) return { url: DATABASE_URL, connections: 5, close: () => Promise.resolve() };
  const database = await PGlite.create();
  const server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: 0, maxConnections: 10 });
  await server.start();
  const { port } = (server as unknown as { server: { address(): { port: number } } }).server.address();
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    connections: 1,
    async close() {
      await server.stop();
      await database.close();
    },
  };
}
