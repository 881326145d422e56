import { type EntityManager, EntitySchema, type MikroORM, RequestContext } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { MikroORM as MariaDbOrm } from '@mikro-orm/mariadb';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { attachSignals } from '../../../src/mikro-orm.ts';
import { commits, type CommitSubject } from '../commits.ts';

class Item {
  id!: number;
  note!: string;
}
const items = new EntitySchema<Item>({
  class: Item,
  tableName: 'items',
  properties: { id: { type: 'integer', primary: true, autoincrement: false }, note: { type: 'text', nullable: true } },
});

/** In a request, as the app's own EntityManager has it, or through forks only. */
function mikroOrm(inRequest: boolean): CommitSubject<EntityManager> {
  return {
    orm: inRequest ? 'MikroORM in requests' : 'MikroORM',
    engines: ['sqlite', 'postgres', 'mariadb'],
    // Kysely, through which MikroORM executes, keeps the connection when the rollback fails: the pool is one short.
    freesLostConnections: false,
    async open(engine, { url }, max) {
      const common = { entities: [items], contextName: url, pool: { min: 0, max } };
      const orm = (await {
        sqlite: () => LibsqlOrm.init({ ...common, dbName: url }),
        postgres: () => PostgresOrm.init({ ...common, clientUrl: url }),
        mariadb: () => MariaDbOrm.init({ ...common, clientUrl: url }),
      }[engine]()) as unknown as MikroORM;
      attachSignals(orm);
      const handle = (tx?: EntityManager): EntityManager => tx ?? orm.em.fork();
      const request = <T>(run: () => Promise<T>): Promise<T> =>
        inRequest ? RequestContext.create(orm.em, run) : run();
      return {
        sender: Item,
        insert: (id, tx) => {
          // MikroORM forgets a flush that stands in line behind one that fails: each has an EntityManager of its own.
          const em = tx?.fork({ keepTransactionContext: true }) ?? orm.em.fork({ keepTransactionContext: true });
          em.create(Item, { id, note: 'new' });
          return em.flush();
        },
        ids: async () => (await handle().find(Item, {})).map(({ id }) => id),
        transaction: (run, tx) =>
          request(() => (tx ?? (inRequest ? orm.em : orm.em.fork())).transactional(run, { clear: true })),
        manual: async () => {
          const em = orm.em.fork();
          await em.begin();
          return { tx: em, commit: () => em.commit(), rollback: () => em.rollback() };
        },
        ambient: (run) => orm.em.fork({ useContext: true }).transactional(run),
        getOrCreate: async (id, tx) =>
          (await tx.findOne(Item, id)) ?? (await tx.persist(tx.create(Item, { id, note: 'new' })).flush()),
        execute: (sql, tx) => tx.getConnection().execute(sql, [], 'run', tx.getTransactionContext()),
        close: () => orm.close(),
      };
    },
  };
}

commits(mikroOrm(false));
commits(mikroOrm(true));
