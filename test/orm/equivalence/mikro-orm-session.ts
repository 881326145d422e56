/** A database of MikroORM's, for the equivalence suite. */
import { type EntityManager, EventType, type EventSubscriber, type MikroORM } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { MikroORM as MariaDbOrm } from '@mikro-orm/mariadb';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { attachSignals } from '../../../src/mikro-orm.ts';
import { type Engine, freshDatabase } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { CLASSES, entities, TABLES } from './mikro-orm-entities.ts';
import { perform, type Step } from './mikro-orm-steps.ts';
import { textOfEntity, textOfManager, textOfValue } from './mikro-orm-text.ts';

const NUMBERED = ['people', 'tasks', 'tags', 'animals', 'vehicles'];

export async function openMikroOrm(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const statements: string[] = [];
  const hooks: string[] = [];
  const options = {
    entities: [...entities],
    // Without one of its own, MikroORM takes the transaction of one ORM for that of another.
    contextName: name,
    pool: { min: 0, max: 3 },
    debug: ['query', 'query-params'] as never,
    colors: false,
    logger: (message: string) => void statements.push(message.replace(/ ?\[took [^\]]*\]/, '')),
    subscribers: [subscriber(hooks)],
    // MariaDB truncates no table that another refers to.
    schemaGenerator: { createForeignKeyConstraints: engine !== 'mariadb' },
  };
  const orm = (await {
    sqlite: () => LibsqlOrm.init({ ...options, dbName: ':memory:' }),
    postgres: () => PostgresOrm.init({ ...options, clientUrl: database.url }),
    mariadb: () => MariaDbOrm.init({ ...options, clientUrl: database.url }),
  }[engine]()) as unknown as MikroORM;
  await orm.schema.refresh();
  const empty: Readonly<Record<Engine, readonly string[]>> = {
    sqlite: [...TABLES.map((table) => `delete from ${table}`), 'delete from sqlite_sequence'],
    postgres: [`truncate ${TABLES.join()} restart identity cascade`],
    // Truncating is slow; only the ids of these begin anew.
    mariadb: TABLES.map((table) => (NUMBERED.includes(table) ? `truncate ${table}` : `delete from ${table}`)),
  };
  const execute = (sql: string): Promise<unknown> => orm.em.getConnection().execute(sql);
  let attached: Disposable | undefined;
  let em: EntityManager;
  let held: object[];
  return {
    async reset() {
      for (const statement of empty[engine]) await execute(statement);
      em = orm.em.fork({ flushMode: 'auto' as never });
      held = [];
      hooks.length = statements.length = 0;
    },
    attach(given) {
      attached = attachSignals(orm, given);
    },
    detach() {
      attached?.[Symbol.dispose]();
    },
    async perform(step) {
      try {
        return await perform(step, { orm, em, held });
      } finally {
        hooks.push(textOfManager(em), ...held.map(textOfEntity));
      }
    },
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const table of TABLES) {
        const order = table === 'passports' || table === 'dogs' ? '1' : '1, 2';
        rows[table] = await execute(`select * from ${table} order by ${order}`);
      }
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      await orm.close();
      await database.drop();
    },
  };
}

/** Tells of every event; of those of entities only for some, for MikroORM reads each twice that it listens to. */
function subscriber(hooks: string[]): EventSubscriber {
  const heard = Object.keys(EventType)
    .filter((event) => event !== 'onInit')
    .map((event) => [
      event,
      (args: { entity?: object; changeSet?: { type: string; payload: object; originalEntity?: object } }) => {
        const { entity, changeSet } = args;
        const change = changeSet && [changeSet.type, changeSet.payload, changeSet.originalEntity].map(textOfValue);
        const what = entity && ('__helper' in entity ? textOfEntity(entity) : textOfValue(entity));
        hooks.push(`${event} ${what ?? ''} ${change?.join(' ') ?? ''}`);
      },
    ]);
  return {
    getSubscribedEntities: () => [CLASSES.Person, CLASSES.Tag, CLASSES.Dog, CLASSES.Booking],
    ...(Object.fromEntries(heard) as object),
  };
}
