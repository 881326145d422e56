import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntitySchema, type MikroORM, RequestContext, TransactionPropagation, Type } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { MikroORM as MariaDbOrm } from '@mikro-orm/mariadb';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers, onError } from '../../src/index.ts';
import {
  attachSignals,
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
} from '../../src/mikro-orm.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';

let reads = 0;
/** Counts how often MikroORM reads a property in order to compare it. */
class Counted extends Type {
  override convertToDatabaseValue(value: string): string {
    reads++;
    return value;
  }
  override getColumnType(): string {
    return 'varchar(255)';
  }
}
class User {
  id!: number;
  name!: string;
  email?: string | null;
  settings?: { theme: string } | null;
  boss?: User | null;
  teamId?: number | null;
  version!: number;
  changedAt?: Date;
  secret = 'secret';
}
class Team {
  id!: number;
  name!: string;
}
class Log {
  id!: number;
  text!: string;
}
class Animal {
  id!: number;
  name!: string;
}
class Dog extends Animal {
  breed!: string;
}
let changes = 0;
const entities = [
  new EntitySchema<User>({
    class: User,
    properties: {
      id: { type: 'integer', primary: true },
      name: { type: 'string' },
      email: { type: 'string', nullable: true, unique: true },
      settings: { type: 'json', nullable: true },
      boss: { kind: 'm:1', entity: () => User, nullable: true },
      teamId: { kind: 'm:1', entity: () => Team, nullable: true, mapToPk: true, fieldName: 'team_id' } as never,
      version: { type: 'integer', version: true },
      changedAt: { type: 'datetime', nullable: true, onUpdate: () => new Date(1_000_000 * ++changes) },
      secret: { type: Counted },
    },
  }),
  new EntitySchema<Team>({
    class: Team,
    filters: { kept: { name: 'kept', cond: { name: { $ne: 'deleted' } }, default: true } },
    properties: { id: { type: 'integer', primary: true }, name: { type: 'string' } },
  }),
  new EntitySchema<Log>({
    class: Log,
    properties: { id: { type: 'integer', primary: true }, text: { type: 'string', unique: true } },
  }),
  new EntitySchema<Animal>({
    class: Animal,
    inheritance: 'tpt',
    properties: { id: { type: 'integer', primary: true }, name: { type: 'string' } },
  }),
  new EntitySchema<Dog, Animal>({ class: Dog, extends: Animal, properties: { breed: { type: 'string' } } }),
];

describe.each(availableEngines('sqlite', 'postgres', 'mariadb'))('MikroORM, what is written, on %s', (engine) => {
  const owner = {};
  const errors: unknown[] = [];
  let database: FreshDatabase;
  let orm: MikroORM;
  let attached: Disposable;
  let log: string[] = [];
  let reporting: Disposable;
  const queries: string[] = [];

  const attach = (options?: SignalsOptions): void => {
    attached[Symbol.dispose]();
    attached = attachSignals(orm, options);
  };
  const texts = async (): Promise<string[]> =>
    (await orm.em.fork().find(Log, {}, { orderBy: { id: 'asc' } })).map(({ text }) => text);
  const names = async (): Promise<string[]> =>
    (await orm.em.fork().find(User, {}, { orderBy: { id: 'asc' } })).map(({ name }) => name);
  const create = async (...each: string[]): Promise<User[]> => {
    const em = orm.em.fork();
    const users = each.map((name) => em.create(User, { name } as never));
    await em.flush();
    return users;
  };
  const later = (work: (instance: User) => unknown): void => {
    postSave.connect((_sender, { instance }) => work(instance), { sender: User, owner, afterCommit: true });
  };

  beforeAll(async () => {
    database = await freshDatabase(engine, `mikro_orm_${randomUUID()}`);
    const options = {
      entities,
      contextName: database.name,
      pool: { min: 0, max: 3 },
      debug: ['query'] as never,
      logger: (message: string) => void queries.push(message),
    };
    orm = await {
      sqlite: () => LibsqlOrm.init({ ...options, dbName: database.url }),
      postgres: () => PostgresOrm.init({ ...options, clientUrl: database.url }),
      mariadb: () => MariaDbOrm.init({ ...options, clientUrl: database.url }),
    }[engine]();
  }, 60_000);
  beforeEach(async () => {
    await orm.schema.refresh();
    log = [];
    errors.length = 0;
    attached = attachSignals(orm);
    reporting = onError((error) => errors.push(error));
  });
  afterEach(() => {
    disconnectReceivers(owner);
    attached[Symbol.dispose]();
    reporting[Symbol.dispose]();
    expect(errors).toEqual([]);
  });
  afterAll(async () => {
    await orm.close();
    await database.drop();
  });

  describe('attaching changes nothing', () => {
    const readsOfASave = async (): Promise<number> => {
      const [user] = await create('Ada');
      reads = 0;
      const em = orm.em.fork();
      (await em.findOneOrFail(User, (user as User).id)).name = 'Grace';
      await em.flush();
      return reads;
    };

    test('no property is read more often, until somebody listens to that very event', async () => {
      attached[Symbol.dispose]();
      const bare = await readsOfASave();
      attached = attachSignals(orm);
      expect(await readsOfASave()).toBe(bare);
      preSave.connect(() => undefined, { sender: Team, owner });
      postSave.connect(() => undefined, { sender: User, owner });
      expect(await readsOfASave()).toBe(bare);
      preSave.connect(() => undefined, { sender: User, owner });
      expect(await readsOfASave()).toBeGreaterThan(bare);
    });

    test('no subscriber is left behind', () => {
      expect(orm.em.getEventManager().getSubscribers().size).toBe(0);
    });
  });

  describe('after the commit', () => {
    const write = (text: string) => async () => {
      orm.em.create(Log, { text } as never);
      await orm.em.flush();
    };

    test('receivers use orm.em of the request, after flush(), transactional(), and commit()', async () => {
      later(({ name }) => write(`after ${name}`)());
      await RequestContext.create(orm.em, async () => {
        orm.em.create(User, { name: 'flush' } as never);
        await orm.em.flush();
        await orm.em.transactional(() => void orm.em.create(User, { name: 'transactional' } as never));
        await orm.em.begin();
        orm.em.create(User, { name: 'begin' } as never);
        await orm.em.commit();
        orm.em.create(User, { name: 'find' } as never);
        await orm.em.find(User, { name: 'x' });
      });
      expect(await texts()).toEqual(['after flush', 'after transactional', 'after begin', 'after find']);
    });

    test('what a receiver changes on the instance, orm.em of the request writes', async () => {
      const seen = new Set<string>();
      later(async (instance) => {
        if (seen.has(instance.name)) return;
        instance.name = `${instance.name} is seen`;
        seen.add(instance.name);
        await orm.em.flush();
      });
      await RequestContext.create(orm.em, async () => {
        orm.em.create(User, { name: 'Ada' } as never);
        await orm.em.flush();
        await orm.em.transactional(() => void orm.em.create(User, { name: 'Grace' } as never));
      });
      expect(await names()).toEqual(['Ada is seen', 'Grace is seen']);
    });

    test('without a request, orm.em is a fork, repositories work, and so does the em of the closure', async () => {
      const em = orm.em.fork();
      later(async ({ name }) => {
        await orm.em.getRepository(Log).insert({ text: `repository ${name}` });
        await write(`orm.em ${name}`)();
        em.create(Log, { text: `closure ${name}` } as never);
        await em.flush();
        await orm.em.transactional(write(`transactional ${name}`));
      });
      em.create(User, { name: 'a' } as never);
      await em.flush();
      await em.transactional((inner) => void inner.create(User, { name: 'b' } as never));
      expect(await texts()).toEqual(
        ['a', 'b'].flatMap((name) =>
          ['repository', 'orm.em', 'closure', 'transactional'].map((each) => `${each} ${name}`),
        ),
      );
    });

    test('flushes of one EntityManager at the same time do not lose what receivers write', async () => {
      later(({ name }) => write(`after ${name}`)());
      await RequestContext.create(orm.em, async () => {
        await Promise.all(
          ['a', 'b', 'c'].map(async (name) => {
            orm.em.create(User, { name } as never);
            await orm.em.flush();
          }),
        );
      });
      expect((await texts()).sort()).toEqual(['after a', 'after b', 'after c']);
    });

    test('they run in the async context of who asked', async () => {
      const tenant = new AsyncLocalStorage<string>();
      postSave.connect((_sender, { onCommit }) => onCommit(() => log.push(String(tenant.getStore()))), {
        sender: User,
        owner,
      });
      await orm.em.fork().transactional(async (em) => {
        await tenant.run('a', async () => {
          em.create(User, { name: 'Ada' } as never);
          await em.flush();
        });
      });
      expect(log).toEqual(['a']);
    });

    test('what is asked for late, when the transaction was rolled back, is dropped', async () => {
      postSave.connect(() => sleep(30), { sender: User, owner });
      postSave.connect((_sender, { onCommit }) => onCommit(() => log.push('committed')), { sender: User, owner });
      later(() => log.push('after commit'));
      let late: Promise<void> = Promise.resolve();
      await orm.em
        .fork()
        .transactional(async (em) => {
          em.create(User, { name: 'Ada' } as never);
          await Promise.all([(late = em.flush()), sleep(5).then(() => Promise.reject(new Error('declined')))]);
        })
        .catch(() => undefined);
      await late.catch(() => undefined);
      await sleep(50);
      expect([log, await names()]).toEqual([[], []]);
    });

    test('savepoints side by side have one name, and the database rolls back to the newest', async () => {
      later(({ name }) => log.push(name));
      await orm.em.fork().transactional(async (em) => {
        const nested = (name: string, wait: number): Promise<void> =>
          em.transactional(
            async (inner) => {
              await sleep(wait);
              inner.create(User, { name } as never);
              await inner.flush();
              await sleep(20);
              if (name === 'fails') throw new Error('no');
            },
            { clear: true },
          );
        await Promise.allSettled([nested('a', 0), nested('fails', 5), nested('b', 10)]);
      });
      expect(log.sort()).toEqual((await names()).sort());
    });

    test.runIf(engine !== 'sqlite')('REQUIRES_NEW is a transaction of its own', async () => {
      later(({ name }) => log.push(name));
      await orm.em
        .fork()
        .transactional(async (em) => {
          em.create(User, { name: 'outer' } as never);
          await em.flush();
          await em.transactional((inner) => void inner.create(User, { name: 'inner' } as never), {
            propagation: TransactionPropagation.REQUIRES_NEW,
            clear: true,
          });
          expect(log).toEqual(['inner']);
          throw new Error('no');
        })
        .catch(() => undefined);
      expect([log, await names()]).toEqual([['inner'], ['inner']]);
    });

    test.runIf(engine === 'postgres')('a COMMIT that PostgreSQL answers with a rollback is one', async () => {
      postSave.connect(
        async (_sender, { tx, onRollback }) => {
          onRollback(() => log.push('rolled back'));
          await tx
            .getConnection()
            .execute('select no_such_column', [], 'all', tx.getTransactionContext())
            .catch(() => undefined);
        },
        { sender: User, owner },
      );
      later(() => log.push('after commit'));
      await expect(create('Ada')).rejects.toThrow(/Nothing was written: the database rolls the transaction back/);
      expect([log, await names()]).toEqual([['rolled back'], []]);
      await orm.em.fork().transactional((em) => {
        em.create(User, { name: 'Ada' } as never);
      });
      expect([log, await names()]).toEqual([['rolled back', 'rolled back'], []]);
    });

    test.runIf(engine === 'postgres')('so it is for who only asks after that COMMIT', async () => {
      let ask: () => void = () => undefined;
      postSave.connect(
        (_sender, { onCommit, onRollback }) => {
          ask = () => {
            onCommit(() => log.push('committed'));
            onRollback(() => log.push('rolled back'));
          };
        },
        { sender: User, owner },
      );
      await orm.em.fork().transactional(async (em) => {
        em.create(User, { name: 'Ada' } as never);
        await em.flush();
        const query = em.getConnection().execute('select no_such_column', [], 'all', em.getTransactionContext());
        await query.catch(() => undefined);
      });
      ask();
      await expect.poll(() => log).toEqual(['rolled back']);
      expect(await names()).toEqual([]);
    });

    test('125,000 callbacks run, in order', { timeout: 60_000 }, async () => {
      let ran = 0;
      postSave.connect(
        (_sender, { onCommit }) => {
          for (let index = 0; index < 125_000; index++) onCommit(() => void (ran === index && ran++));
        },
        { sender: User, owner },
      );
      await create('Ada');
      expect(ran).toBe(125_000);
    });
  });

  describe('a payload tells what is written', () => {
    test('foreign keys, also by their own column, JSON changed in place, onUpdate, version, null for none', async () => {
      const em = orm.em.fork();
      const boss = em.create(User, { name: 'boss' } as never);
      const user = em.create(User, { name: 'Ada', settings: { theme: 'dark' } } as never);
      const team = em.create(Team, { name: 'red' } as never);
      await em.flush();
      for (const signal of [preSave, postSave] as AnySignal[]) {
        signal.connect(
          (_sender: unknown, { updateFields, changes: all }: { updateFields: Set<string>; changes: object | null }) => {
            log.push([...updateFields].sort().join());
            const { version, changedAt, ...rest } = all as Record<string, unknown>;
            log.push(JSON.stringify(rest).replaceAll('\\', '').replaceAll('"', ''));
            expect(changedAt).toBeDefined();
            // The database counts it up: before the write nobody knows to what.
            expect(version === undefined).toBe(signal.name === 'preSave');
          },
          { sender: User, owner },
        );
      }
      user.boss = boss;
      user.teamId = team.id;
      (user.settings as { theme: string }).theme = 'light';
      await em.flush();
      expect(log[0]).toBe('boss,changedAt,settings,teamId,version');
      expect(log[2]).toBe('boss,changedAt,settings,teamId,version');
      expect(log[1]).toBe(log[3]);
      expect(log[1]).toContain(`boss:{from:null,to:${String(boss.id)}}`);
      expect(log[1]).toContain(`teamId:{from:null,to:${String(team.id)}}`);
      expect(log[1]).toMatch(/settings:\{from:\{theme:dark\},to:\{theme:light\}\}/);
    });

    test('changes is null where a value was never read', async () => {
      const [user] = await create('Ada');
      postSave.connect(
        (_sender, { updateFields, changes: all }) =>
          void log.push([...(updateFields ?? [])].join(), JSON.stringify(all)),
        {
          sender: Team,
          owner,
        },
      );
      const em = orm.em.fork();
      const [team] = [em.create(Team, { name: 'red' } as never)];
      await em.flush();
      log = [];
      const other = orm.em.fork();
      other.getReference(Team, team.id).name = 'blue';
      await other.flush();
      expect(log).toEqual(['name', 'null']);
      expect(user).toBeDefined();
    });

    test('an entity of several tables is one row, and what preSave changes is written', async () => {
      for (const signal of [preSave, postSave] as AnySignal[]) {
        for (const sender of [Animal, Dog]) {
          signal.connect((from: { name: string }) => void log.push(`${signal.name} ${from.name}`), { sender, owner });
        }
      }
      preSave.connect(
        (_sender, { instance }) => {
          instance.name = instance.name.toUpperCase();
          instance.breed = instance.breed.toUpperCase();
        },
        { sender: Dog, owner },
      );
      const em = orm.em.fork();
      const dog = em.create(Dog, { name: 'rex', breed: 'pug' } as never);
      await em.flush();
      expect(log).toEqual(['preSave Dog', 'postSave Dog']);
      expect(await orm.em.fork().findOneOrFail(Dog, dog.id)).toMatchObject({ name: 'REX', breed: 'PUG' });
    });
  });

  describe('past the unit of work', () => {
    const listen = (): void => {
      for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as AnySignal[]) {
        for (const sender of [User, Team, Log]) {
          signal.connect(
            (
              _sender: unknown,
              { instance, operation, count }: { instance?: User; operation?: string; count?: number },
            ) =>
              void log.push(
                `${signal.name} ${operation === undefined ? String(instance?.name) : `${operation} ${String(count)}`}`,
              ),
            { sender, owner },
          );
        }
      }
    };

    test("bulk: 'individual' hands a call with options on, as a bulk write", async () => {
      attach({ bulk: 'individual' });
      const em = orm.em.fork();
      await em.insertMany(Team, [{ name: 'deleted' }, { name: 'deleted' }, { name: 'red' }] as never);
      listen();
      expect(await em.nativeDelete(Team, { name: 'deleted' })).toBe(0);
      expect(await em.nativeDelete(Team, { name: 'deleted' }, { filters: false })).toBe(2);
      expect(await em.nativeUpdate(Team, { name: 'red' }, { name: 'blue' }, { filters: false })).toBe(1);
      expect(log).toEqual(['postBulk delete 0', 'postBulk delete 2', 'postBulk update 1']);
      expect((await em.find(Team, {})).map(({ name }) => name)).toEqual(['blue']);
    });

    test("bulk: 'individual' writes what was asked for, and what a receiver changes on one row to that row", async () => {
      attach({ bulk: 'individual' });
      await create('a', 'b', 'c');
      const version = async (): Promise<number[]> =>
        (await orm.em.fork().find(User, {}, { orderBy: { id: 'asc' } })).map((each) => each.version);
      listen();
      let first = true;
      preSave.connect(
        (_sender, { instance }) => {
          if (first) instance.name = 'changed';
          first = false;
        },
        { sender: User, owner },
      );
      expect(await orm.em.fork().nativeUpdate(User, { name: { $in: ['a', 'b'] } }, { name: 'x' })).toBe(2);
      expect(await names()).toEqual(['changed', 'x', 'c']);
      expect(await version()).toEqual([2, 2, 1]);
      expect(log).toEqual(['preSave x', 'preSave x', 'postSave changed', 'postSave x']);
      log = [];
      expect(await orm.em.fork().nativeDelete(User, { name: 'x' })).toBe(1);
      expect(log).toEqual(['preDelete x', 'postDelete x']);
      expect(await names()).toEqual(['changed', 'c']);
    });

    test('an upsert of several batches is one', async () => {
      attach({ bulk: 'signal' });
      const em = orm.em.fork();
      listen();
      await em.upsert(Log, { id: 1, text: 'a' });
      await em.fork().upsertMany(
        Log,
        [2, 3, 4].map((id) => ({ id, text: String(id) })),
        { batchSize: 2 },
      );
      expect(log).toEqual(['postBulk upsert 1', 'postBulk upsert 3']);
    });

    test('a copy is an insert', async () => {
      attach({ bulk: 'signal' });
      const em = orm.em.fork();
      const id = await em.insert(Log, { text: 'a' });
      listen();
      await em.clone(Log, { id }, { text: 'b' });
      expect(log).toEqual(['postBulk insert 1']);
      expect(await texts()).toEqual(['a', 'b']);
    });

    test('what fails or does nothing does so as without signals', async () => {
      attach({ bulk: 'throw' });
      const em = orm.em.fork();
      await expect(em.insertMany(Log, [])).resolves.toEqual([]);
      await expect(em.insert({} as never)).rejects.toThrow(/Metadata for entity/);
    });
  });

  describe('a receiver that writes outside its transaction', () => {
    const outside = async (options?: SignalsOptions): Promise<string> => {
      attach(options);
      let error = '';
      postSave.connect(
        async function audit() {
          const em = orm.em.fork();
          em.create(Log, { text: 'outside' } as never);
          await em.flush().catch((reason: unknown) => {
            error = (reason as Error).message;
          });
        },
        { sender: User, owner },
      );
      await create('Ada');
      return error;
    };

    test('is refused if asked for', async () => {
      expect(await outside({ outside: 'throw' })).toMatch(
        /The receiver in postSave User → audit writes outside the transaction that it runs in \(flush\(\) of Log\)/,
      );
      expect(await texts()).toEqual([]);
    });

    test('is warned of, once, or refused where there is no other connection', async () => {
      const warnings: string[] = [];
      const hear = (warning: Error): void => void warnings.push(warning.message);
      process.on('warning', hear);
      const error = await outside();
      await sleep(5);
      process.off('warning', hear);
      if (engine === 'sqlite') expect(error).toMatch(/every connection of the pool is taken/);
      else {
        expect(error).toBe('');
        expect(warnings).toEqual([expect.stringMatching(/postSave User → audit .*mikro-orm-writes\.test\.ts/)]);
      }
      expect(await texts()).toEqual(engine === 'sqlite' ? [] : ['outside']);
    });

    test('is refused on a full pool, and does not wait for ever', { timeout: 10_000 }, async () => {
      const refused: string[] = [];
      postSave.connect(
        async () => {
          await sleep(30);
          await orm.em
            .fork()
            .insert(Log, { text: randomUUID() })
            .catch((error: unknown) => refused.push((error as Error).message));
        },
        { sender: User, owner },
      );
      await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => create(name)));
      expect(await names()).toHaveLength(6);
      expect(refused.every((message) => message.includes('every connection of the pool is taken'))).toBe(true);
    });
  });
});
