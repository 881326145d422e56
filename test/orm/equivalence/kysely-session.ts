/** A database of Kysely's, for the equivalence suite. */
import {
  Kysely,
  type KyselyPlugin,
  type LogEvent,
  MysqlDialect,
  PostgresDialect,
  type QueryId,
  sql,
  SqliteDialect,
} from 'kysely';
import Sqlite from 'libsql';
import mysql from 'mysql2';
import pg from 'pg';
import { withSignals } from '../../../src/kysely.ts';
import { type Engine, freshDatabase } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { perform, type Step } from './kysely.ts';

const COMMON = [
  'create table seats (row_number integer, place integer, guest text, primary key (row_number, place))',
  'create table items (tenant text, id integer, label text, code text unique, primary key (tenant, id))',
  'create table notes (id integer, text text)',
  'create table nodes (id integer primary key, parent integer references nodes (id), other integer references nodes (id) on delete cascade)',
];
/** A word of MariaDB's own. */
const quoted = (statement: string): string => statement.replaceAll('row_number', '`row_number`');
const SCHEMA: Readonly<Record<Engine, readonly string[]>> = {
  sqlite: [
    'create table people (id integer primary key autoincrement, name text not null, age integer)',
    ...COMMON,
    "create table jobs (id integer primary key autoincrement, state text not null default 'queued', attempts integer default 0)",
  ],
  postgres: [
    'create table people (id serial primary key, name text not null, age integer)',
    ...COMMON,
    "create table jobs (id serial primary key, state text not null default 'queued', attempts integer default 0)",
  ],
  mariadb: [
    'create table people (id integer primary key auto_increment, name varchar(20) not null, age integer)',
    ...COMMON.map((each) => quoted(each.replaceAll(/(?<=\w) text(?= |,|\))/g, ' varchar(20)'))),
    "create table jobs (id integer primary key auto_increment, state varchar(20) not null default 'queued', attempts integer default 0)",
  ],
};
const TABLES = {
  people: 'id',
  seats: 'row_number, place',
  jobs: 'id',
  items: 'tenant, id',
  notes: 'id, text',
  nodes: 'id',
};

export async function openKysely(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const hooks: string[] = [];
  const statements: string[] = [];
  const dialects = {
    sqlite: () => new SqliteDialect({ database: new Sqlite(':memory:') }),
    postgres: () => new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url, max: 3 }) }),
    mariadb: () => new MysqlDialect({ pool: mysql.createPool({ uri: database.url, connectionLimit: 3 }) }),
  };
  const bare = new Kysely<never>({
    dialect: dialects[engine](),
    plugins: [new RecordingPlugin(hooks)],
    log: ({ query, level }: LogEvent) =>
      void statements.push(`${level}: ${query.sql} -- ${JSON.stringify(query.parameters)}`),
  });
  for (const statement of SCHEMA[engine]) await sql.raw(statement).execute(bare);
  const resets = {
    sqlite: [
      // The id of the last insert, of which SQLite's driver tells after every write, is that of the connection.
      ...Object.keys(TABLES).map((table) => `delete from ${table}`),
      'delete from sqlite_sequence',
      'insert into notes (id) values (0)',
      'delete from notes',
    ],
    postgres: [`truncate ${Object.keys(TABLES).join()} restart identity`],
    mariadb: Object.keys(TABLES).flatMap((table) => [
      `delete from ${table}`,
      `alter table ${table} auto_increment = 1`,
    ]),
  };
  let db = bare;
  return {
    async reset() {
      for (const statement of resets[engine]) await sql.raw(statement).execute(bare);
      hooks.length = statements.length = 0;
    },
    attach(options) {
      db = withSignals(bare, options);
    },
    detach() {
      db = bare;
    },
    perform: (step) => perform(step, db),
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const [table, key] of Object.entries(TABLES)) {
        const order = engine === 'mariadb' ? quoted(key) : key;
        rows[table] = (await sql.raw(`select * from ${table} order by ${order}`).execute(bare)).rows;
      }
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      await bare.destroy();
      await database.drop();
    },
  };
}

/** Plugins are what Kysely has as hooks. What is read for receivers is no query of the caller's: writes are noted. */
class RecordingPlugin implements KyselyPlugin {
  readonly #hooks: string[];
  readonly #writes = new WeakMap<QueryId, string>();

  constructor(hooks: string[]) {
    this.#hooks = hooks;
  }

  transformQuery: KyselyPlugin['transformQuery'] = ({ node, queryId }) => {
    if (/^(Insert|Update|Delete|Merge)/.test(node.kind)) {
      this.#writes.set(queryId, node.kind);
      this.#hooks.push(`transformQuery ${node.kind}`);
    }
    return node;
  };

  transformResult: KyselyPlugin['transformResult'] = async ({ result, queryId }) => {
    const kind = this.#writes.get(queryId);
    if (kind !== undefined) this.#hooks.push(`transformResult ${kind}`);
    return result;
  };
}
