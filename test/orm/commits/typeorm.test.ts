import { AsyncLocalStorage } from 'node:async_hooks';
import Sqlite from 'libsql';
import { DataSource, type DataSourceOptions, type EntityManager, EntitySchema } from 'typeorm';
import { attachSignals } from '../../../src/typeorm.ts';
import type { Engine } from '../../support/databases.ts';
import { commits, type CommitSubject } from '../commits.ts';

class Item {
  id!: number;
  note!: string;
}
const itemOptions = {
  name: 'Item',
  tableName: 'items',
  target: Item,
  columns: { id: { type: Number, primary: true }, note: { type: 'text' } },
} as const;
const older = (await import('typeorm-0.3')) as unknown as {
  DataSource: typeof DataSource;
  EntitySchema: typeof EntitySchema;
};

function connection(engine: Engine, url: string, max: number): DataSourceOptions {
  // libsql has the interface of better-sqlite3, and need not be compiled.
  if (engine === 'sqlite') return { type: 'better-sqlite3', driver: Sqlite, database: url, enableWAL: true };
  if (engine === 'postgres') return { type: 'postgres', url, extra: { max } };
  return { type: 'mysql', url, extra: { connectionLimit: max } };
}

function typeorm(orm: string, { DataSource, EntitySchema }: typeof older): CommitSubject<EntityManager> {
  return {
    orm,
    engines: ['sqlite', 'postgres', 'mariadb'],
    async open(engine, { url }, max) {
      const entities = [new EntitySchema<Item>(itemOptions)];
      const dataSource = await new DataSource({ ...connection(engine, url, max), entities }).initialize();
      attachSignals(dataSource, { outside: 'ignore' });
      // As typeorm-transactional does: what the app asks for its manager is told by the async context.
      const ambient = new AsyncLocalStorage<EntityManager>();
      const insert = (id: number, manager: EntityManager): Promise<unknown> =>
        manager.save(Object.assign(new Item(), { id, note: 'new' }));
      return {
        sender: Item,
        insert: (id, tx = ambient.getStore() ?? dataSource.manager) => insert(id, tx),
        ids: async () => (await (ambient.getStore() ?? dataSource.manager).find(Item)).map(({ id }) => id),
        transaction: (run, tx = dataSource.manager) => tx.transaction(run),
        manual: async () => {
          const runner = dataSource.createQueryRunner();
          await runner.startTransaction();
          return {
            tx: runner.manager,
            commit: () => runner.commitTransaction(),
            rollback: () => runner.rollbackTransaction(),
            release: () => runner.release(),
          };
        },
        ambient: (run) => dataSource.transaction((tx) => ambient.run(tx, run)),
        getOrCreate: async (id, tx) => (await tx.findOneBy(Item, { id })) ?? insert(id, tx),
        execute: (sql, tx) => tx.query(sql),
        close: () => dataSource.destroy(),
      };
    },
  };
}

commits(typeorm('TypeORM', { DataSource, EntitySchema }));
commits(typeorm('TypeORM 0.3', older));
