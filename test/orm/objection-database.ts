import knexOf, { type Knex } from 'knex';
import { type Engine, type FreshDatabase, freshDatabase } from '../support/databases.ts';
import { knexOnSqlite } from '../support/knex-sqlite.ts';

export interface ObjectionDatabase {
  readonly engine: Engine;
  readonly knex: Knex;
  /** Another pool for the same database. */
  connect(connections: number): Knex;
  close(): Promise<void>;
}

/** An empty database, and a knex with a pool of so many connections. SQLite has one. */
export async function objectionDatabase(engine: Engine, name: string, connections = 5): Promise<ObjectionDatabase> {
  const database: FreshDatabase = await freshDatabase(engine, `objection_${name}`);
  const pools: Knex[] = [];
  const connect = (max: number): Knex => {
    const knex = engine === 'sqlite' ? knexOnSqlite(database.url) : knexOf(configOf(engine, database.url, max));
    pools.push(knex);
    return knex;
  };
  const knex = connect(connections);
  return {
    engine,
    knex,
    connect,
    async close() {
      for (const pool of pools) await pool.destroy();
      await database.drop();
    },
  };
}

function configOf(engine: Engine, url: string, max: number): Knex.Config {
  return { client: engine === 'postgres' ? 'pg' : 'mysql2', connection: url, pool: { min: 0, max } };
}
