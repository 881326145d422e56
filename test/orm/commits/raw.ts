/** Another connection to the database of a script, past the ORM: what it sees has been committed. */
import Sqlite from 'libsql';
import { mongo } from 'mongoose';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type { AnyEngine, FreshDatabase } from '../../support/databases.ts';

export interface RawConnection {
  createTables(): Promise<void>;
  /** The ids of all items. */
  ids(): Promise<number[]>;
  close(): Promise<void>;
}

const ITEMS = 'create table items (id integer primary key, note text)';
const IDS = 'select id from items';

export async function connectRaw({ engine, url }: FreshDatabase<AnyEngine>): Promise<RawConnection> {
  switch (engine) {
    case 'sqlite': {
      const database = new Sqlite(url);
      // Readers do not wait for writers, nor writers for them.
      database.exec('pragma journal_mode = wal; pragma busy_timeout = 5000');
      return {
        async createTables() {
          database.exec(ITEMS);
        },
        ids: async () => (database.prepare(IDS).all() as { id: number }[]).map(({ id }) => id),
        async close() {
          database.close();
        },
      };
    }
    case 'postgres': {
      const pool = new pg.Pool({ connectionString: url, max: 2 });
      return {
        async createTables() {
          await pool.query(ITEMS);
          await pool.query('create table parents (id integer primary key)');
          await pool.query(
            'create table children (id integer primary key, parent_id integer references parents deferrable initially deferred)',
          );
        },
        ids: async () => (await pool.query<{ id: number }>(IDS)).rows.map(({ id }) => id),
        close: () => pool.end(),
      };
    }
    case 'mariadb': {
      const connection = await mysql.createConnection(url);
      return {
        async createTables() {
          await connection.query(ITEMS);
        },
        ids: async () => {
          const [rows] = await connection.query(IDS);
          return (rows as { id: number }[]).map(({ id }) => id);
        },
        close: () => connection.end(),
      };
    }
    case 'mongodb': {
      const client = await mongo.MongoClient.connect(url);
      const database = client.db();
      return {
        async createTables() {
          await database.createCollection('items');
        },
        ids: async () => (await database.collection<{ id: number }>('items').find().toArray()).map(({ id }) => id),
        close: () => client.close(),
      };
    }
  }
}
