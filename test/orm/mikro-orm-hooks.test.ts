import { randomUUID } from 'node:crypto';
import { EntitySchema, type EventSubscriber, type MikroORM } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { attachSignals, postDelete, postSave, preDelete, preSave, type SignalsOptions } from '../../src/mikro-orm.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';

class Animal {
  id!: number;
  name!: string;
}
class Dog extends Animal {
  breed!: string;
}
class Team {
  id!: number;
  name!: string;
}
const id = { type: 'integer', primary: true };
const entities = [
  new EntitySchema({ class: Animal, inheritance: 'tpt', properties: { id, name: { type: 'string' } } } as never),
  new EntitySchema({ class: Dog, extends: Animal, properties: { breed: { type: 'string' } } } as never),
  new EntitySchema({ class: Team, properties: { id, name: { type: 'string', unique: true } } } as never),
];

describe.each(availableEngines('sqlite', 'postgres'))("MikroORM, the app's own hooks and errors, on %s", (engine) => {
  const owner = {};
  let database: FreshDatabase;
  let orm: MikroORM;
  let attached: Disposable;
  let log: string[] = [];
  let whenCreating = (): void => undefined;
  const hear =
    (name: string) =>
    ({ entity }: { entity?: object }): void =>
      void log.push(entity === undefined ? name : `${name} ${entity.constructor.name}`);
  const subscriber: EventSubscriber = {
    getSubscribedEntities: () => [Dog, Team],
    beforeCreate: (event: { entity: object }) => {
      hear('beforeCreate')(event);
      whenCreating();
    },
    afterCreate: hear('afterCreate'),
    beforeUpdate: hear('beforeUpdate'),
    onLoad: hear('onLoad'),
    beforeTransactionStart: hear('beforeTransactionStart'),
  } as never;

  const attach = (options?: SignalsOptions): void => {
    attached = attachSignals(orm, options);
    const senders = [Animal, Dog, Team] as (typeof Animal)[];
    for (const signal of [preSave, postSave, preDelete, postDelete] as AnySignal[])
      for (const sender of senders) signal.connect(() => undefined, { sender, owner });
  };
  /** What the app hears, and what it gets, with signals and without. */
  const compare = async (work: () => Promise<unknown>, options?: SignalsOptions): Promise<void> => {
    const run = async (): Promise<unknown[]> => {
      await orm.schema.clear();
      log = [];
      const outcome = await work().catch((error: unknown) => `${(error as Error).name}: ${(error as Error).message}`);
      return [outcome, log];
    };
    const bare = await run();
    attach(options);
    expect(await run()).toEqual(bare);
  };

  beforeAll(async () => {
    database = await freshDatabase(engine, `mikro_orm_${randomUUID()}`);
    const options = { entities, contextName: database.name, subscribers: [subscriber], pool: { min: 0, max: 2 } };
    orm = await {
      sqlite: () => LibsqlOrm.init({ ...options, dbName: database.url }),
      postgres: () => PostgresOrm.init({ ...options, clientUrl: database.url }),
    }[engine as 'sqlite']();
    await orm.schema.refresh();
  }, 60_000);
  beforeEach(() => {
    attached = { [Symbol.dispose]: () => undefined };
  });
  afterEach(() => {
    whenCreating = () => undefined;
    disconnectReceivers(owner);
    attached[Symbol.dispose]();
  });
  afterAll(async () => {
    await orm.close();
    await database.drop();
  });

  test('an entity of several tables is heard of once', () =>
    compare(async () => {
      const em = orm.em.fork();
      const dog = em.create(Dog, { name: 'rex', breed: 'pug' });
      await em.flush();
      dog.name = 'max';
      dog.breed = 'poodle';
      await em.flush();
    }));

  test("bulk: 'individual' begins a transaction and reads rows without the hooks of the app", () =>
    compare(
      async () => {
        const em = orm.em.fork();
        await em.insertMany(Team, [{ name: 'red' }, { name: 'blue' }] as never);
        const updated = await em.nativeUpdate(Team, { name: 'red' }, { name: 'green' });
        const refused = await em.nativeUpdate(Team, {}, { name: 'green' }).catch((error: unknown) => String(error));
        return [updated, refused, await em.nativeDelete(Team, {})];
      },
      { bulk: 'individual' },
    ));

  test("bulk: 'individual' reads and deletes nothing for an update of nothing", async () => {
    await orm.schema.clear();
    await orm.em.fork().insert(Team, { name: 'red' });
    attach({ bulk: 'individual' });
    const sent: string[] = [];
    for (const signal of [preSave, preDelete] as AnySignal[])
      signal.connect(() => void sent.push(signal.name), { sender: Team, owner });
    for (const data of [{}, undefined]) expect(await orm.em.fork().nativeUpdate(Team, {}, data as never)).toBe(0);
    expect(sent).toEqual([]);
    expect(await orm.em.fork().count(Team)).toBe(1);
  });

  test.runIf(engine === 'postgres')("bulk: 'individual' is refused in a read-only transaction as without signals", () =>
    compare(() => orm.em.fork().transactional((em) => em.nativeDelete(Team, {}), { readOnly: true }), {
      bulk: 'individual',
    }),
  );

  test.each(['signal', 'individual'] as const)('what a call is given may be changed when it has returned, %s', (bulk) =>
    compare(
      async () => {
        const em = orm.em.fork();
        const [one, third] = [
          { id: 1, name: 'red' },
          { id: 3, name: 'green' },
        ];
        const [other] = [em.create(Team, { id: 2, name: 'blue' }, { persist: false })];
        const writes = [em.insert(Team, one), em.fork().insert(other), em.fork().upsert(Team, third)];
        one.name = other.name = third.name = 'changed';
        await Promise.all(writes);
        return (await orm.em.fork().find(Team, {}, { orderBy: { id: 'asc' } })).map(({ name }) => name);
      },
      { bulk },
    ),
  );

  test('an EntityManager that outlives its transaction fails as MikroORM does', () =>
    compare(async () => {
      const em = orm.em.fork();
      await em.begin();
      const other = em.fork({ keepTransactionContext: true });
      await em.rollback();
      other.create(Team, { name: 'red' });
      await other.flush();
    }));

  test('a receiver of a bulk write hears what it writes itself, and so does the app', async () => {
    await orm.schema.clear();
    await orm.em.fork().insert(Team, { name: 'red' });
    attach({ bulk: 'individual' });
    postSave.connect(
      async (_sender, { tx }) => {
        if ((await tx.count(Team)) === 1) await tx.persist(tx.create(Team, { name: 'new' })).flush();
      },
      { sender: Team, owner },
    );
    log = [];
    await orm.em.fork().nativeUpdate(Team, {}, { name: 'blue' });
    expect(log).toEqual(['beforeCreate Team', 'afterCreate Team']);
  });

  test.each(['commit', 'rollback'])('a receiver that is connected in a flush is told of its %s', async (end) => {
    await orm.schema.clear();
    attached = attachSignals(orm);
    await orm.em.fork().insert(Team, { name: 'blue' });
    const told: unknown[] = [];
    whenCreating = () => {
      const receiver = async ({ name }: Team): Promise<void> => {
        await orm.em.getRepository(Team).insert({ name: `after ${name}` });
        told.push(name);
      };
      postSave.connect((_sender, { instance }) => receiver(instance), { sender: Team, owner, afterCommit: true });
      postSave.connect((_sender, { onRollback }) => onRollback(() => told.push('rolled back')), {
        sender: Team,
        owner,
      });
      const fail = (): void => {
        if (end === 'rollback') throw new Error('no');
      };
      postSave.connect(fail, { sender: Team, owner });
      whenCreating = () => undefined;
    };
    const em = orm.em.fork();
    em.create(Team, { name: 'red' });
    await em.flush().catch(() => undefined);
    await expect.poll(() => told).toEqual([end === 'commit' ? 'red' : 'rolled back']);
    const names = (await orm.em.fork().find(Team, {}, { orderBy: { id: 'asc' } })).map(({ name }) => name);
    expect(names).toEqual(end === 'commit' ? ['blue', 'red', 'after red'] : ['blue']);
  });

  test.runIf(engine === 'postgres')("bulk: 'individual' does not count rows that were rolled back", async () => {
    await orm.schema.clear();
    await orm.em.fork().insert(Team, { name: 'red' });
    attach({ bulk: 'individual' });
    postSave.connect(
      async (_sender, { tx }) => {
        await tx
          .getConnection()
          .execute('select no_such_column', [], 'all', tx.getTransactionContext())
          .catch(() => undefined);
      },
      { sender: Team, owner },
    );
    await expect(orm.em.fork().nativeUpdate(Team, {}, { name: 'blue' })).rejects.toThrow(/Nothing was written/);
    expect((await orm.em.fork().find(Team, {})).map(({ name }) => name)).toEqual(['red']);
  });
});
