import { AsyncLocalStorage } from 'node:async_hooks';
import { type ControlledTransaction, Kysely, MysqlDialect, PostgresDialect, sql, SqliteDialect } from 'kysely';
import Sqlite from 'libsql';
import mysql from 'mysql2';
import pg from 'pg';
import { type SignalsOptions, withSignals } from '../../../src/kysely.ts';
import { commits, type CommitSubject } from '../commits.ts';

interface Tables {
  items: { id: number; note: string };
}
type Db = Kysely<Tables>;

function kysely(name: string, options: SignalsOptions<Tables>): CommitSubject<Db> {
  return {
    orm: `Kysely${name}`,
    engines: ['sqlite', 'postgres', 'mariadb'],
    async open(engine, { url }, max) {
      const pool = new pg.Pool({ connectionString: url, max });
      pool.on('error', () => undefined);
      // A connection that is lost while a transaction holds it would end the process, with Kysely alone as well.
      pool.on('connect', (client) => client.on('error', () => undefined));
      const dialects = {
        sqlite: () => new SqliteDialect({ database: new Sqlite(url) }),
        postgres: () => new PostgresDialect({ pool }),
        mariadb: () => new MysqlDialect({ pool: mysql.createPool({ uri: url, connectionLimit: max }) }),
      };
      const db: Db = withSignals(new Kysely<Tables>({ dialect: dialects[engine]() }), options);
      const ambient = new AsyncLocalStorage<{ readonly tx: Db; ended: boolean }>();
      const current = (): Db | undefined => {
        const store = ambient.getStore();
        return store?.ended === false ? store.tx : undefined;
      };
      let savepoints = 0;
      const insert = (id: number, tx: Db): Promise<unknown> =>
        tx.insertInto('items').values({ id, note: 'new' }).execute();
      return {
        sender: 'items',
        insert: (id, tx = current() ?? db) => insert(id, tx),
        ids: async () => (await db.selectFrom('items').select('id').execute()).map(({ id }) => id),
        async transaction(run, tx) {
          if (tx === undefined) return db.transaction().execute(run);
          // Kysely has savepoints in transactions only that are ended by hand: in others the app writes SQL.
          const savepoint = `savepoint_${String(savepoints++)}`;
          await sql.raw(`savepoint ${savepoint}`).execute(tx);
          try {
            const result = await run(tx);
            await sql.raw(`release savepoint ${savepoint}`).execute(tx);
            return result;
          } catch (error) {
            await sql.raw(`rollback to savepoint ${savepoint}`).execute(tx);
            throw error;
          }
        },
        async manual() {
          const tx: ControlledTransaction<Tables> = await db.startTransaction().execute();
          return { tx, commit: () => tx.commit().execute(), rollback: () => tx.rollback().execute() };
        },
        ambient: (run) =>
          db.transaction().execute((tx) => {
            const store = { tx, ended: false };
            return ambient.run(store, run).finally(() => (store.ended = true));
          }),
        getOrCreate: async (id, tx) =>
          (await tx.selectFrom('items').selectAll().where('id', '=', id).executeTakeFirst()) ?? insert(id, tx),
        execute: (statement, tx) => sql.raw(statement).execute(tx),
        close: () => db.destroy(),
      };
    },
  };
}

commits(kysely('', {}));
commits(kysely(' not atomic', { atomic: false }));
