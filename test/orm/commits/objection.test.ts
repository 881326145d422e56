import { AsyncLocalStorage } from 'node:async_hooks';
import knexOf, { type Knex } from 'knex';
import { Model } from 'objection';
import { withSignals } from '../../../src/objection.ts';
import { knexOnSqlite } from '../../support/knex-sqlite.ts';
import { commits, type CommitSubject } from '../commits.ts';

/** With and without transactions of the adapter's own. */
function objection(atomic: boolean): CommitSubject<Knex.Transaction> {
  return {
    orm: atomic ? 'Objection atomic' : 'Objection',
    engines: ['sqlite', 'postgres', 'mariadb'],
    async open(engine, { url }, max) {
      const client = engine === 'postgres' ? 'pg' : 'mysql2';
      const knex = engine === 'sqlite' ? knexOnSqlite(url) : knexOf({ client, connection: url, pool: { min: 0, max } });
      class Item extends withSignals(Model, { atomic }) {
        static override tableName = 'items';
        declare id: number;
        declare note: string;
      }
      Item.knex(knex);
      const ambient = new AsyncLocalStorage<Knex.Transaction>();
      return {
        sender: Item,
        insert: async (id, tx = ambient.getStore()) => Item.query(tx).insert({ id, note: 'new' }),
        ids: async () => (await Item.query()).map((item) => item.id),
        transaction: (run, tx) => (tx ?? knex).transaction(run),
        manual: async () => {
          const tx = await Item.startTransaction();
          return { tx, commit: () => tx.commit() as never, rollback: () => tx.rollback() as never };
        },
        ambient: (run) => knex.transaction((tx) => ambient.run(tx, run)),
        getOrCreate: async (id, tx) =>
          (await Item.query(tx).findById(id)) ?? Item.query(tx).insert({ id, note: 'new' }),
        execute: async (sql, tx): Promise<unknown> => tx.raw(sql),
        close: () => knex.destroy(),
      };
    },
  };
}

commits(objection(false));
commits(objection(true));
