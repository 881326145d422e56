/**
 * Databases of one's own for a suite: `await freshDatabase('postgres', 'kysely_commits')`. SQLite is embedded and
 * always there; PostgreSQL and MariaDB are those that DATABASE_URL and MARIADB_URL name. What is not named, or does not
 * answer, is left out and said so in one line; with `CI` set a named one that does not answer is a failure.
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

/** Runs a statement on the server, outside the database that it is about. */
type Administer = (...statements: string[]) => Promise<void>;

const SERVERS: Readonly<Record<Exclude<Engine, 'sqlite'>, { variable: string; administer: Administer }>> = {
  postgres: {
    variable: 'DATABASE_URL',
    async administer(...statements) {
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
    async administer(...statements) {
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

/** Those of the engines that can be tried here. */
export async function availableEngines(...engines: readonly Engine[]): Promise<Engine[]> {
  const available: Engine[] = [];
  for (const engine of engines) if (engine === 'sqlite' || (await answers(engine))) available.push(engine);
  return available;
}

async function answers(engine: Exclude<Engine, 'sqlite'>): Promise<boolean> {
  const { variable, administer } = SERVERS[engine];
  if (process.env[variable] === undefined) {
    console.info(`Left out: ${engine}, because ${variable} is not set.`);
    return false;
  }
  try {
    await administer('select 1');
    return true;
  } catch (error) {
    const reason = `${variable} names a server that does not answer`;
    if (process.env.CI !== undefined) throw new Error(reason, { cause: error });
    console.info(`Left out: ${engine}, because ${reason} (${String(error)}).`);
    return false;
  }
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
  const { variable, administer } = SERVERS[engine];
  const drop =
    engine === 'postgres' ? `drop database if exists "${full}" with (force)` : `drop database if exists \`${full}\``;
  await administer(drop, drop.replace(/^drop database if exists (\S+).*$/, 'create database $1'));
  const url = new URL(process.env[variable] as string);
  url.pathname = `/${full}`;
  return { engine, name: full, url: url.href, drop: () => administer(drop) };
}
