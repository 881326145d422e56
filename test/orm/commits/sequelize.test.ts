import { AsyncLocalStorage } from 'node:async_hooks';
import { DataTypes, Model, Sequelize, type Transaction } from 'sequelize';
import { attachSignals } from '../../../src/sequelize.ts';
import { sqlite3 } from '../../support/sqlite3.ts';
import { commits, type CommitSubject } from '../commits.ts';

/** With and without transactions of the adapter's own. */
function sequelize(atomic: boolean): CommitSubject<Transaction> {
  return {
    orm: atomic ? 'Sequelize atomic' : 'Sequelize',
    engines: ['sqlite', 'postgres', 'mariadb'],
    // Sequelize 6 gives a savepoint in a savepoint the name of the outer one, and then rolls back to the wrong one.
    deepSavepoints: false,
    async open(engine, { url }, max) {
      const database =
        engine === 'sqlite'
          ? new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, storage: url, logging: false })
          : new Sequelize(url, { logging: false, pool: { max, acquire: 20_000 } });
      class Item extends Model {}
      Item.init(
        { id: { type: DataTypes.INTEGER, primaryKey: true }, note: DataTypes.TEXT },
        { sequelize: database, tableName: 'items', timestamps: false },
      );
      attachSignals(database, { atomic });
      const inTransaction = (transaction: Transaction | undefined) =>
        transaction === undefined ? {} : { transaction };
      const ambient = new AsyncLocalStorage<Transaction>();
      return {
        sender: Item,
        insert: (id, tx = running(ambient.getStore())) => Item.create({ id, note: 'new' }, inTransaction(tx)),
        ids: async () => (await Item.findAll()).map((item) => item.get('id') as number),
        transaction: (run, transaction) => database.transaction(inTransaction(transaction), run),
        manual: async () => {
          const tx = await database.transaction();
          return { tx, commit: () => tx.commit(), rollback: () => tx.rollback() };
        },
        ambient: (run) => database.transaction((transaction) => ambient.run(transaction, run)),
        getOrCreate: (id, transaction) => Item.findOrCreate({ where: { id }, transaction }),
        execute: (sql, transaction) => database.query(sql, { transaction }),
        close: () => database.close(),
      };
    },
  };
}

/** What libraries for ambient transactions do: one that has ended is none. */
function running(transaction: (Transaction & { readonly finished?: string }) | undefined): Transaction | undefined {
  return transaction?.finished === undefined ? transaction : undefined;
}

commits(sequelize(false));
commits(sequelize(true));
