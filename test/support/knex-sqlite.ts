import { createRequire } from 'node:module';
import createKnex, { type Knex } from 'knex';
import Sqlite from 'libsql';

/** knex's own dialect of SQLite, with a driver of the same interface that needs no compiler. */
const SqliteClient = class extends (createRequire(import.meta.url)(
  'knex/lib/dialects/better-sqlite3/index.js',
) as typeof Knex.Client) {
  _driver(): unknown {
    return Sqlite;
  }
};

export function knexOnSqlite(filename: string): Knex {
  return createKnex({ client: SqliteClient, connection: { filename }, useNullAsDefault: true });
}
