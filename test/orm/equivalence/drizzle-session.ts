/** Databases of Drizzle's, for the equivalence suite: the same tables on libsql, node-postgres and PGlite. */
import { PGlite } from '@electric-sql/pglite';
import { createClient } from '@libsql/client';
import { sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import * as pgCore from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import pg from 'pg';
import { withSignals } from '../../../src/drizzle.ts';
import { freshDatabase } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { perform, type Step } from './drizzle.ts';

export type Dialect = 'libsql' | 'node-postgres' | 'PGlite';

/** What Drizzle itself calls: which of the functions of a column, how often. */
const hooks: string[] = [];
const called = (hook: string): string => {
  hooks.push(hook);
  return `${hook} ${String(hooks.filter((each) => each === hook).length)}`;
};

const sqliteTables = {
  people: sqliteCore.sqliteTable('people', {
    id: sqliteCore.integer().primaryKey({ autoIncrement: true }),
    name: sqliteCore.text().notNull(),
    email: sqliteCore.text('mail').unique(),
    age: sqliteCore.integer(),
    born: sqliteCore.integer({ mode: 'timestamp' }),
    tags: sqliteCore.text({ mode: 'json' }),
    token: sqliteCore.text().$defaultFn(() => called('default')),
    touched: sqliteCore
      .text()
      .default('never')
      .$onUpdate(() => called('update')),
  }),
  seats: sqliteCore.sqliteTable(
    'seats',
    { row: sqliteCore.integer(), place: sqliteCore.integer(), guest: sqliteCore.text() },
    (table) => [sqliteCore.primaryKey({ columns: [table.row, table.place] })],
  ),
  notes: sqliteCore.sqliteTable('notes', { name: sqliteCore.text() }),
};
const pgTables = {
  people: pgCore.pgTable('people', {
    id: pgCore.serial().primaryKey(),
    name: pgCore.text().notNull(),
    email: pgCore.text('mail').unique(),
    age: pgCore.integer(),
    born: pgCore.timestamp({ withTimezone: true }),
    tags: pgCore.jsonb(),
    token: pgCore.text().$defaultFn(() => called('default')),
    touched: pgCore
      .text()
      .default('never')
      .$onUpdate(() => called('update')),
  }),
  seats: pgCore.pgTable('seats', { row: pgCore.integer(), place: pgCore.integer(), guest: pgCore.text() }, (table) => [
    pgCore.primaryKey({ columns: [table.row, table.place] }),
  ]),
  notes: pgCore.pgTable('notes', { name: pgCore.text() }),
};

const SCHEMA = {
  libsql: [
    "create table people (id integer primary key autoincrement, name text not null, mail text unique, age integer, born integer, tags text, token text, touched text default 'never')",
    'create table seats ("row" integer, place integer, guest text, primary key ("row", place))',
    'create table notes (name text)',
  ],
  postgres: [
    "create table people (id serial primary key, name text not null, mail text unique, age integer, born timestamptz, tags jsonb, token text, touched text default 'never')",
    'create table seats ("row" integer, place integer, guest text, primary key ("row", place))',
    'create table notes (name text)',
  ],
};
const TABLES = { people: 'id', seats: '"row", place', notes: 'name' };

export type Tables = typeof sqliteTables;
/** The API of both dialects at once, as far as programs use it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- two dialects, which have no type in common
export type Db = any;

export interface Opened {
  readonly db: Db;
  readonly tables: Tables;
  close(): Promise<void>;
}

export async function openDrizzle(dialect: Dialect, name: string, statements: string[] = []): Promise<Opened> {
  const logger = {
    logQuery: (query: string, params: unknown[]) => void statements.push(`${query} -- ${String(params)}`),
  };
  if (dialect === 'libsql') {
    const database = await freshDatabase('sqlite', name);
    const client = createClient({ url: `file:${database.url}` });
    for (const statement of SCHEMA.libsql) await client.execute(statement);
    const close = async (): Promise<void> => {
      client.close();
      await database.drop();
    };
    return { db: drizzleLibsql({ client, logger }), tables: sqliteTables, close };
  }
  const tables = pgTables as unknown as Tables;
  if (dialect === 'PGlite') {
    const client = await PGlite.create();
    for (const statement of SCHEMA.postgres) await client.query(statement);
    return { db: drizzlePglite({ client, logger }), tables, close: () => client.close() };
  }
  const database = await freshDatabase('postgres', name);
  const pool = new pg.Pool({ connectionString: database.url, max: 3 });
  for (const statement of SCHEMA.postgres) await pool.query(statement);
  const close = async (): Promise<void> => {
    await pool.end();
    await database.drop();
  };
  return { db: drizzlePostgres({ client: pool, logger }), tables, close };
}

/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return -- see Db */
export async function openSession(dialect: Dialect, name: string): Promise<Session<Step>> {
  const statements: string[] = [];
  const { db: bare, tables, close } = await openDrizzle(dialect, name, statements);
  const isSqlite = dialect === 'libsql';
  const execute = (statement: string): Promise<unknown> =>
    isSqlite ? bare.run(sql.raw(statement)) : bare.execute(sql.raw(statement));
  const reset = isSqlite
    ? [...Object.keys(TABLES).map((table) => `delete from ${table}`), 'delete from sqlite_sequence']
    : [`truncate ${Object.keys(TABLES).join()} restart identity`];
  let db = bare;
  return {
    async reset() {
      for (const statement of reset) await execute(statement);
      hooks.length = statements.length = 0;
    },
    attach(options) {
      db = withSignals(bare, options);
    },
    detach() {
      db = bare;
    },
    perform: (step) => perform(step, db, tables),
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const [table, key] of Object.entries(TABLES)) {
        const query = sql.raw(`select * from ${table} order by ${key}`);
        rows[table] = isSqlite ? await bare.all(query) : (await bare.execute(query)).rows;
      }
      return rows;
    },
    hooks: () => [...hooks],
    statements: () => [...statements],
    close,
  };
}
