import { randomUUID } from 'node:crypto';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { freshDatabase } from './databases.ts';

/**
 * A PostgreSQL to talk to over the network: a database of one's own on the server that DATABASE_URL names, else PGlite
 * on loopback, which has one connection.
 */
export async function startPostgres(): Promise<{ url: string; connections: number; close(): Promise<void> }> {
  if (process.env.DATABASE_URL !== undefined) {
    const { url, drop } = await freshDatabase('postgres', `contract_${randomUUID()}`);
    return { url, connections: 5, close: drop };
  }
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
