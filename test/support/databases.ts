/**
 * Databases of one's own for a suite: `await freshDatabase('postgres', 'kysely_commits')`. SQLite is embedded and
 * always there; PostgreSQL and MariaDB are those that DATABASE_URL and MARIADB_URL name. services.ts looks whether they
 * answer. MongoDB is that of MONGODB_URL, else a server of the tests.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';

/** Those that speak SQL. */
export type Engine = 'sqlite' | 'postgres' | 'mariadb';
export type AnyEngine = Engine | 'mongodb';

export interface FreshDatabase<TEngine extends AnyEngine = Engine> {
  readonly engine: TEngine;
  /** A URL for drivers of servers, the path of a file for SQLite. */
  readonly url: string;
  /** The name of the database on its server. */
  readonly name: string;
  /** Drop it. Connections that are still open to it are ended. */
  drop(): Promise<void>;
}

export type Server = Exclude<Engine, 'sqlite'>;

export const SERVERS: Readonly<
  Record<Server, { readonly variable: string; run(statements: readonly string[]): Promise<void> }>
> = {
  postgres: {
    variable: 'DATABASE_URL',
    async run(statements) {
      const client = new pg.Client({ connectionString: process.env.DATABASE_URL, connectionTimeoutMillis: 5_000 });
      await client.connect();
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.end();
      }
    },
  },
  mariadb: {
    variable: 'MARIADB_URL',
    async run(statements) {
      const connection = await mysql.createConnection({
        uri: process.env.MARIADB_URL as string,
        connectTimeout: 5_000,
      });
      try {
        for (const statement of statements) await connection.query(statement);
      } finally {
        await connection.end();
      }
    },
  },
};

/** Run statements on a server, outside the database that they are about. */
export function administer(server: Server, ...statements: readonly string[]): Promise<void> {
  return SERVERS[server].run(statements);
}

/** Those of the engines that can be tried here. */
export function availableEngines<TEngine extends AnyEngine>(...engines: readonly TEngine[]): TEngine[] {
  return engines.filter((engine) => !isServer(engine) || process.env[SERVERS[engine].variable] !== undefined);
}

function isServer(engine: AnyEngine): engine is Server {
  return engine in SERVERS;
}

/** An empty database called `tocsin_<name>`; one of that name that was left behind is dropped. */
export async function freshDatabase<TEngine extends AnyEngine>(
  engine: TEngine,
  name: string,
): Promise<FreshDatabase<TEngine>> {
  const full = `tocsin_${name}`;
  const make = isServer(engine) ? onServer(engine, full) : engine === 'mongodb' ? inMongoDB(full) : inFile(full);
  return { engine, name: full, ...(await make) };
}

type Made = Pick<FreshDatabase, 'url' | 'drop'>;

async function inFile(name: string): Promise<Made> {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  return {
    url: join(folder, 'database.sqlite'),
    drop: async () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function onServer(engine: Server, name: string): Promise<Made> {
  const drop =
    engine === 'postgres' ? `drop database if exists "${name}" with (force)` : `drop database if exists \`${name}\``;
  await administer(engine, drop, drop.replace(/^drop database if exists (\S+).*$/, 'create database $1'));
  const url = new URL(process.env[SERVERS[engine].variable] as string);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: async () => {
      // A pool of node-postgres says that it has ended before its connections have, and nobody listens to these then.
      if (engine === 'postgres') await SERVERS.postgres.run([untilUnused(name)]);
      await administer(engine, drop);
    },
  };
}

/** Waits until nobody is connected to the database, for two seconds at most. */
function untilUnused(name: string): string {
  return `do $$ begin for turn in 1..100 loop
    perform pg_stat_clear_snapshot();
    exit when not exists (select from pg_stat_activity where datname = '${name}');
    perform pg_sleep(0.02);
  end loop; end $$`;
}

async function inMongoDB(name: string): Promise<Made> {
  const { MONGODB_URL } = process.env;
  if (MONGODB_URL === undefined) {
    const { startServer } = await import('../orm/mongodb-server.ts');
    const server = await startServer();
    return { url: server.url, drop: () => server.close() };
  }
  const url = new URL(MONGODB_URL);
  url.pathname = `/${name}`;
  const drop = async (): Promise<void> => {
    const { mongo } = await import('mongoose');
    const client = await mongo.MongoClient.connect(url.href);
    await client.db().dropDatabase();
    await client.close();
  };
  await drop();
  return { url: url.href, drop };
}
