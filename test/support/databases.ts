/**
 * Databases of one's own for a suite: `await freshDatabase('postgres', 'kysely_commits')`. SQLite is embedded and
 * always there; PostgreSQL and MariaDB are those that DATABASE_URL and MARIADB_URL name. services.ts looks whether they
 * answer.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';

export type Engine = 'sqlite' | 'postgres' | 'mariadb';

export interface FreshDatabase {
  readonly engine: Engine;
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
export function availableEngines(...engines: readonly Engine[]): Engine[] {
  return engines.filter((engine) => engine === 'sqlite' || process.env[SERVERS[engine].variable] !== undefined);
}

/** An empty database called `tocsin_<name>`; one of that name that was left behind is dropped. */
export async function freshDatabase(engine: Engine, name: string): Promise<FreshDatabase> {
  const full = `tocsin_${name}`;
  if (engine === 'sqlite') {
    const folder = mkdtempSync(join(tmpdir(), `${full}-`));
    return {
      engine,
      name: full,
      url: join(folder, 'database.sqlite'),
      drop: async () => {
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }
  const { variable } = SERVERS[engine];
  const drop =
    engine === 'postgres' ? `drop database if exists "${full}" with (force)` : `drop database if exists \`${full}\``;
  await administer(engine, drop, drop.replace(/^drop database if exists (\S+).*$/, 'create database $1'));
  const url = new URL(process.env[variable] as string);
  url.pathname = `/${full}`;
  return { engine, name: full, url: url.href, drop: () => administer(engine, drop) };
}
