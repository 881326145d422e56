/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument -- calls that the types refuse */
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import * as models from '../../src/models.ts';
import { type SignalsOptions, signals } from '../../src/prisma.ts';
import { availableEngines, type Engine, type FreshDatabase, freshDatabase } from '../support/databases.ts';
import { snapshotOf, snapshotOfError } from './equivalence/snapshot.ts';
import { PrismaClient as PostgresClient } from './prisma/postgresql/client/client.ts';
import { PrismaClient } from './prisma/sqlite/client/client.ts';
import { structureOf } from './structure.ts';

const TABLES = [
  'create table contract_users (id ID, name text not null, email text, age integer, born DATE, handle text unique)',
  'create table contract_profiles (id ID, "userId" integer not null, bio text not null)',
  'create table days (at DATE primary key, note text)',
  `create table things (id ID, code text not null unique, count integer not null default 0, price decimal, ratio double precision,
    at DATE, "parentId" integer references things)`,
];
const HANG_MS = 15_000;

describe.each(availableEngines('sqlite', 'postgres'))('Prisma, %s', (engine: Engine) => {
  const owner = {};
  let database: FreshDatabase | undefined;
  const opened: PrismaClient[] = [];

  const open = async (max = 4, options: object = {}): Promise<PrismaClient> => {
    database ??= await freshDatabase(engine, 'prisma_writes');
    const { url } = database;
    const client = (engine === 'sqlite'
      ? new PrismaClient({ adapter: new PrismaLibSql({ url: `file:${url}` }), ...options })
      : new PostgresClient({
          adapter: new PrismaPg({ connectionString: url, max }),
          ...options,
        })) as unknown as PrismaClient;
    opened.push(client);
    for (const table of TABLES) {
      const [id, date] =
        engine === 'sqlite'
          ? ['integer primary key autoincrement', 'datetime']
          : ['serial primary key', 'timestamp(3)'];
      await client.$executeRawUnsafe(
        `drop table if exists ${(/table (\S+)/.exec(table) as unknown as string[])[1] as string}`,
      );
      await client.$executeRawUnsafe(table.replace('ID', id).replace('DATE', date));
    }
    return client;
  };
  const extended = (client: PrismaClient, options?: SignalsOptions): PrismaClient =>
    client.$extends(signals(options)) as unknown as PrismaClient;
  const listen = (
    signal: keyof typeof models,
    sender: string,
    receiver: (args: any) => unknown = () => undefined,
    options: object = {},
  ): void => {
    (models[signal] as unknown as AnySignal).connect((_sender: unknown, args: object) => receiver(args), {
      sender,
      owner,
      ...options,
    });
  };
  const listenToAll = (...senders: string[]): void => {
    for (const sender of senders)
      for (const signal of ['preSave', 'postSave', 'preDelete', 'postDelete', 'postBulk'] as const)
        listen(signal, sender, () => Promise.resolve());
  };
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const outcomeOf = async (run: () => PromiseLike<unknown>): Promise<unknown> => {
    try {
      return { value: snapshotOf(await run()) };
    } catch (error) {
      // What surrounds the call in the source is shown, too.
      const { message, ...rest } = snapshotOfError(error) as { message?: string };
      return { ...rest, message: message?.replace(/in\n[^]*?→.*$/m, '') };
    }
  };

  afterEach(async () => {
    disconnectReceivers(owner);
    for (const client of opened.splice(0)) await client.$disconnect();
  });
  afterAll(() => database?.drop());

  test('arguments that Prisma refuses it refuses with the same words; others come to the same', async () => {
    const raw = await open();
    const calls: Record<string, (db: any) => PromiseLike<unknown>> = {
      'create()': (db) => db.user.create(),
      'create({})': (db) => db.user.create({}),
      'create, unknown argument': (db) => db.user.create({ data: { name: 'a' }, wher: 1 }),
      'create, unknown column': (db) => db.user.create({ data: { name: 'a', nmae: 1 } }),
      'create, all false': (db) => db.user.create({ data: { name: 'a' }, select: { id: false } }),
      'create, empty select': (db) => db.user.create({ data: { name: 'a' }, select: {} }),
      'create, unknown select': (db) => db.user.create({ data: { name: 'a' }, select: { nmae: true } }),
      'create, omit all': (db) =>
        db.user.create({
          data: { name: 'a' },
          omit: { id: true, name: true, email: true, age: true, born: true, handle: true },
        }),
      'create, select and include': (db) =>
        db.user.create({ data: { name: 'a' }, select: { id: true }, include: { profiles: true } }),
      'create, select and wrong data': (db) => db.user.create({ data: { nmae: 'a' }, select: { id: true } }),
      'createMany({})': (db) => db.user.createMany({}),
      'createMany, select': (db) => db.user.createMany({ data: [{ name: 'a' }], select: { id: true } }),
      'createMany, wrong column': (db) => db.user.createMany({ data: [{ name: 'a' }, { nmae: 'b' }] }),
      'createMany, nothing': (db) => db.user.createMany({ data: [] }),
      'createManyAndReturn({})': (db) => db.user.createManyAndReturn({}),
      'createManyAndReturn, other columns': (db) =>
        db.user.createManyAndReturn({
          data: [{ name: 'b', age: 1 }, { name: 'c' }, { name: 'd', age: 2 }],
          omit: { id: true },
        }),
      'update, no where': (db) => db.user.update({ data: { name: 'x' } }),
      'update, where of no key': (db) => db.user.update({ where: { name: 'a' }, data: { name: 'x' } }),
      'update, no row': (db) => db.user.update({ where: { id: 999 }, data: { name: 'x' } }),
      'update, wrong data': (db) => db.user.update({ where: { id: 1 }, data: { name: 1 } }),
      'upsert, no create': (db) => db.user.upsert({ where: { id: 1 }, update: {} }),
      'upsert of nothing': (db) => db.user.upsert({ where: { id: 1 }, create: { name: 'x' }, update: {} }),
      'delete, no where': (db) => db.user.delete({}),
      'delete, no row': (db) => db.user.delete({ where: { id: 999 } }),
      unique: (db) =>
        db.user.createMany({
          data: [
            { name: 'a', handle: 'h' },
            { name: 'b', handle: 'h' },
          ],
        }),
      'fluent over null': (db) => db.profile.create({ data: { userId: 999, bio: 'x' } }).user(),
      fluent: (db) => db.user.update({ where: { id: 1 }, data: { age: 3 } }).profiles({ select: { bio: true } }),
      updateManyAndReturn: (db) =>
        db.profile.updateManyAndReturn({
          where: { bio: 'x' },
          data: { bio: 'y' },
          include: { user: { select: { name: true } } },
        }),
      'updateMany, limit': (db) => db.user.updateMany({ data: { name: 'z' }, limit: 1 }),
      'updateMany, wrong': (db) => db.user.updateMany({ where: { nmae: 1 }, data: { name: 'z' } }),
      'updateMany, nobody and wrong': (db) => db.user.updateMany({ where: { id: 999 }, data: { nmae: 'z' } }),
      'updateMany, wrong data': (db) => db.user.updateMany({ where: { id: 1 }, data: { name: 7 } }),
      'deleteMany, limit': (db) => db.user.deleteMany({ limit: 1 }),
      'deleteMany()': (db) => db.user.deleteMany(),
    };
    const all = async (
      of: Record<string, (db: any) => PromiseLike<unknown>>,
      db: PrismaClient,
    ): Promise<Record<string, unknown>> => {
      await raw.$executeRawUnsafe(
        engine === 'sqlite'
          ? 'delete from contract_users'
          : 'truncate contract_users, contract_profiles restart identity',
      );
      if (engine === 'sqlite')
        for (const table of ['contract_profiles', 'sqlite_sequence'])
          await raw.$executeRawUnsafe(`delete from ${table}`);
      await raw.user.create({ data: { name: 'first' } });
      const outcomes: Record<string, unknown> = {};
      for (const [name, call] of Object.entries(of)) {
        const rows = async () => [
          await raw.user.findMany({ orderBy: { id: 'asc' } }),
          await raw.profile.findMany({ orderBy: { id: 'asc' } }),
        ];
        outcomes[name] = [await outcomeOf(() => call(db)), await rows()];
      }
      return outcomes;
    };
    const expected = await all(calls, raw);
    for (const bulk of ['signal', 'individual'] as const) {
      expect(await all(calls, extended(raw, { bulk }))).toEqual(expected);
      listenToAll('User', 'Profile');
      expect(await all(calls, extended(raw, { bulk }))).toEqual(expected);
      disconnectReceivers(owner);
    }
  });

  test("'individual' never writes a row that was not asked for, nor more than was asked for", async () => {
    const raw = await open();
    const db = extended(raw, { bulk: 'individual' });
    listenToAll('Day', 'Thing');
    const [one, two] = [new Date(1000), new Date(2000)];
    await raw.day.createMany({ data: [{ at: one }, { at: two }] });
    expect(await db.day.deleteMany({ where: { at: one } })).toEqual({ count: 1 });
    expect(await raw.day.findMany()).toEqual([{ at: two, note: null }]);
    await raw.thing.createMany({ data: [{ code: 'a' }, { code: 'b' }] });
    await raw.thing.update({ where: { code: 'b' }, data: { parent: { connect: { code: 'a' } } } });
    expect(await db.thing.deleteMany({})).toEqual({ count: 2 });
  });

  test('a client-wide omit hides a column from the caller, and not from receivers', async () => {
    const raw = await open(4, { omit: { user: { email: true } } });
    const instances: unknown[] = [];
    listen('preSave', 'User', ({ instance }) => instances.push({ ...instance }));
    listen('postSave', 'User', ({ instance }) => instances.push({ ...instance }));
    const db = extended(raw);
    expect(Object.keys(await db.user.create({ data: { name: 'a', email: 'b' } }))).toEqual(
      Object.keys(await raw.user.create({ data: { name: 'a', email: 'b' } })),
    );
    await db.user.update({ where: { id: 1 }, data: { age: 1 } });
    expect(instances).toHaveLength(4);
    expect(instances.slice(1)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ email: 'b' }) as unknown),
    );
  });

  test('computed fields and the columns that they need are what they are without signals', async () => {
    const raw = await open();
    const computed = {
      result: { user: { shout: { needs: { name: true }, compute: ({ name }: { name: string }) => `${name}!` } } },
    };
    const calls = async (db: any): Promise<unknown[]> =>
      Promise.all(
        [
          db.user.create({ data: { name: 'a' }, select: { shout: true, age: true } }),
          db.user.create({ data: { name: 'b' }, omit: { name: true, id: true } }),
          db.user.create({ data: { name: 'c' }, omit: { id: true, shout: true } }),
        ].map(async (call) => snapshotOf({ ...(await call) })),
      );
    const expected = await calls(raw.$extends(computed));
    listenToAll('User');
    expect(await calls(extended(raw).$extends(computed as never))).toEqual(expected);
    expect(await calls((raw.$extends(computed as never) as unknown as PrismaClient).$extends(signals()))).toEqual(
      expected,
    );
  });

  test("other extensions' hooks run as often as without, with what they get without, before or after", async () => {
    const raw = await open();
    const seen: string[] = [];
    const noting = {
      query: {
        $allModels: {
          $allOperations: async ({ operation, args, query }: any) => {
            const result = await query(operation === 'create' ? { ...args, data: { ...args.data, age: 7 } } : args);
            seen.push(JSON.stringify([operation, args, typeof result]));
            return result;
          },
        },
      },
    };
    const program = async (db: PrismaClient): Promise<string[]> => {
      seen.length = 0;
      await raw.user.deleteMany();
      const { id } = await db.user.create({ data: { name: 'a' }, select: { id: true } });
      const where = { id: 1 };
      await raw.user.update({ where: { id }, data: { id: 1 } });
      await db.user.update({ where, data: { name: 'b' } });
      await db.user.upsert({ where, create: { name: 'c' }, update: { name: 'd' } });
      await db.user.createMany({ data: [{ id: 50, name: 'x' }] });
      await db.user.updateMany({ where, data: { name: 'e' } });
      await db.user.delete({ where });
      await db.user.deleteMany({});
      return [...seen];
    };
    const expected = await program(raw.$extends(noting) as unknown as PrismaClient);
    expect(expected).toHaveLength(7);
    listenToAll('User');
    const ages: unknown[] = [];
    listen('preSave', 'User', ({ instance, created }) => created === true && ages.push(instance.age));
    for (const bulk of ['signal', 'individual'] as const) {
      expect(await program(extended(raw.$extends(noting as never) as never, { bulk }))).toEqual(expected);
      expect(await program(extended(raw, { bulk }).$extends(noting as never) as never)).toEqual(expected);
    }
    expect(ages[0]).toBe(7);
  });

  test('the client looks like one with any other extension', async () => {
    const raw = await open();
    const bare = raw.$extends({
      name: 'nothing',
      client: { $transaction: raw.$transaction, $extends: raw.$extends },
    }) as any;
    const db = extended(raw) as any;
    const except = ['$transaction', '$extends'];
    expect(structureOf(db, { except })).toEqual(structureOf(bare, { except }));
    expect(structureOf(db.user, { except })).toEqual(structureOf(bare.user, { except }));
    expect(Object.keys(db)).toEqual(Object.keys(bare));
    expect(db.$parent).toBe(raw);
    const further = db.$extends({ model: { user: { hello: () => 'hello' } } });
    expect(further.user.hello()).toBe('hello');
    expect(further.$parent).toBe(db);
    await db
      .$transaction(async (tx: any) =>
        bare.$transaction(async (other: any) =>
          expect(structureOf(tx, { except: [...except, ''] })).toEqual(structureOf(other, { except: [...except, ''] })),
        ),
      )
      .catch((error: Error) => {
        if (engine === 'postgres') throw error;
      });
  }, 20_000);

  test('without receivers another extension is called once; receivers count from the moment a query begins', async () => {
    const raw = await open();
    const seen: string[] = [];
    const seeing = {
      query: {
        user: {
          create: ({ args, query }: any) => {
            seen.push(args.data.name);
            return query(args);
          },
        },
      },
      result: { user: { loud: { needs: { name: true }, compute: ({ name }: any) => `${name}!` } } },
    } as any;
    for (const db of [extended(raw.$extends(seeing) as any), extended(raw).$extends(seeing)] as any[]) {
      const heard: string[] = [];
      const lazy = db.user.create({ data: { name: 'lazy' } });
      expect((await db.user.create({ data: { name: 'unheard' } })).loud).toBe('unheard!');
      listen('postSave', 'User', ({ instance }) => heard.push(instance.name));
      await lazy;
      await db.$transaction((tx: any) => tx.user.create({ data: { name: 'inside' } }));
      disconnectReceivers(owner);
      await db.$transaction((tx: any) => tx.user.create({ data: { name: 'after' } }));
      expect(heard).toEqual(['lazy', 'inside']);
      expect(seen.splice(0)).toEqual(['unheard', 'lazy', 'inside', 'after']);
    }
  });

  test('a batch that fails sends nothing', async () => {
    const db = extended(await open(), { bulk: 'signal' });
    const told: string[] = [];
    listen('postBulk', 'User', ({ operation }) => told.push(operation));
    const create = (name: string) => db.user.create({ data: { name, handle: name } });
    const missing = () => db.day.update({ where: { at: new Date(0) }, data: { note: 'none' } });
    await expect(db.$transaction([missing(), create('a'), create('b')])).rejects.toMatchObject({ code: 'P2025' });
    await expect(db.$transaction([create('a'), create('b'), missing()])).rejects.toMatchObject({ code: 'P2025' });
    await sleep(20);
    expect([await db.user.count(), told]).toEqual([0, []]);
    await db.$transaction([create('a'), create('b')]);
    expect([await db.user.count(), told]).toEqual([2, ['insert', 'insert']]);
  });

  test(
    'a hundred and twenty writes with slow receivers all pass; a receiver may take longer than Prisma allows',
    { timeout: 60_000 },
    async () => {
      const db = extended(await open(10));
      listen('postSave', 'User', () => sleep(engine === 'sqlite' ? 60 : 300));
      const saved = await Promise.allSettled(
        Array.from({ length: 120 }, () => db.user.create({ data: { name: 'a' } })),
      );
      expect(saved.filter(({ status }) => status === 'rejected')).toEqual([]);
      expect(await db.user.count()).toBe(120);
      disconnectReceivers(owner);
      listen('postSave', 'Profile', () => sleep(5_500));
      await db.profile.create({ data: { userId: 1, bio: 'slow' } });
      expect(await db.profile.count()).toBe(1);
    },
  );

  test('limits of own transactions are an option', async () => {
    const db = extended(await open(), { transaction: { timeout: 50 } });
    listen('postSave', 'User', () => sleep(150));
    await expect(db.user.create({ data: { name: 'a' } })).rejects.toMatchObject({ code: 'P2028' });
    expect(() => signals({ transaction: { timout: 1 } } as never)).toThrow(
      /Unknown option "timout" of transaction; it takes maxWait, timeout, isolationLevel/,
    );
    expect(() => signals({ transaction: { timeout: 0 } })).toThrow(/timeout must be a number of milliseconds/);
  });

  test('upserts that run at once tell of one insert; what preSave changes is written', async () => {
    const db = extended(await open(4));
    const told: string[] = [];
    listen('preSave', 'User', async ({ instance, created }) => {
      instance.email = created === true ? 'created' : 'updated';
      await sleep(5);
    });
    listen('postSave', 'User', ({ created, changes }) => told.push(`${String(created)} ${String(changes?.age?.from)}`));
    const upserts = Array.from({ length: 4 }, () =>
      db.user.upsert({
        where: { handle: 'h' },
        create: { name: 'a', handle: 'h', age: 1 },
        update: { age: { increment: 1 } },
      }),
    );
    await Promise.all(upserts);
    expect(told.map((each) => each.split(' ')[0])).toEqual(['true', 'false', 'false', 'false']);
    expect(told.slice(1)).toEqual(['false 1', 'false 2', 'false 3']);
    expect(await db.user.findMany({ select: { age: true, email: true } })).toEqual([{ age: 4, email: 'updated' }]);
  });

  test('an upsert that nothing can make safe is a bulk write', async () => {
    const db = extended(await open(), { atomic: false, bulk: 'signal' });
    const told: string[] = [];
    listen('postSave', 'User', () => told.push('postSave'));
    listen('postBulk', 'User', ({ operation }) => told.push(operation as string));
    await db.user.upsert({ where: { id: 1 }, create: { name: 'a' }, update: {} });
    expect(told).toEqual(['upsert']);
  });

  test(
    'a hook of another extension may write through the current transaction, also with receivers of that',
    async () => {
      const raw = await open(1);
      let current: any;
      const auditing = {
        query: {
          user: {
            create: async ({ args, query }: any) => {
              const result = await query(args);
              await current?.profile.create({ data: { userId: 1, bio: 'audit' } });
              return result;
            },
          },
        },
      };
      for (const db of [extended(raw.$extends(auditing) as never), extended(raw).$extends(auditing) as any]) {
        listenToAll('User', 'Profile');
        await db.$transaction(async (tx: any) => {
          current = tx;
          await tx.user.create({ data: { name: 'a' } });
        });
        disconnectReceivers(owner);
      }
      expect(await raw.profile.count()).toBe(2);
    },
    HANG_MS,
  );

  test(
    'a receiver that uses the client of the app is warned of, and refused before it waits for ever',
    async () => {
      const db = extended(await open(1));
      listen('postSave', 'User', () => db.profile.create({ data: { userId: 1, bio: 'outside' } }));
      await expect(db.user.create({ data: { name: 'a' } })).rejects.toThrow(
        /writes outside the transaction .*create\(\) of Profile.*every connection of the pool is taken/,
      );
      disconnectReceivers(owner);
      listen('postSave', 'User', () => db.profile.findMany());
      await expect(db.user.create({ data: { name: 'a' } })).rejects.toThrow(/findMany\(\) of Profile/);
      disconnectReceivers(owner);
      listen('postSave', 'User', () => db.profile.create({ data: { userId: 1, bio: 'after' } }), { afterCommit: true });
      await db.user.create({ data: { name: 'a' } });
      const strict = extended(await open(4), { outside: 'throw' });
      disconnectReceivers(owner);
      listen('postSave', 'User', () => strict.profile.create({ data: { userId: 1, bio: 'outside' } }));
      await expect(strict.user.create({ data: { name: 'a' } })).rejects.toThrow("refused (outside: 'throw')");
    },
    HANG_MS,
  );

  test(
    'fifty parallel saves, beside writes of a model that nobody listens to',
    async () => {
      const db = extended(await open(5));
      listen('postSave', 'User', () => sleep(2));
      const writes = Array.from({ length: 50 }, (_, index) => [
        db.user.create({ data: { name: 'a' } }),
        db.day.create({ data: { at: new Date(index) } }),
      ]);
      expect((await Promise.allSettled(writes.flat())).filter(({ status }) => status === 'rejected')).toEqual([]);
      expect([await db.user.count(), await db.day.count()]).toEqual([50, 50]);
    },
    HANG_MS,
  );

  test('a version that is not supported is refused', async () => {
    const raw = await open();
    const other = new Proxy(raw, {
      get: (client, name) => (name === '_clientVersion' ? '6.19.0' : (Reflect.get(client, name) as unknown)),
    });
    expect(() => signals()(other)).toThrow(
      /tocsin supports Prisma from 7\.0\.0 on and before 8\.0\.0, not '?"?6\.19\.0/,
    );
  });

  test.each(['_activeProvider', '_runtimeDataModel', '_originalClient', '_createPrismaPromise', '_extensions'])(
    'a client without the undocumented %s is refused',
    async (member) => {
      const raw = await open();
      const other = new Proxy(raw, {
        get: (client, name) => (name === member ? undefined : (Reflect.get(client, name) as unknown)),
      });
      expect(() => signals()(other)).toThrow(
        new RegExp(`tocsin/prisma needs ${member}.* as it is in Prisma 7\\.0 to 7\\.10.*Install such a version`),
      );
    },
  );

  test('a client that keeps its extensions elsewhere is refused, and one that tells an operation otherwise', async () => {
    const raw = await open();
    const elsewhere = Object.create(raw, { $extends: { value: () => ({}) } }) as PrismaClient;
    expect(() => signals()(elsewhere)).toThrow(/needs _extensions\.append\(\), which \$extends\(\) calls/);
    listen('postSave', 'User', () => undefined);
    const renamed = Object.create(raw, {
      _extensions: {
        value: {
          append: (added: { query: { $allModels: { $allOperations: (operation: object) => unknown } } }) => {
            const { $allOperations } = added.query.$allModels;
            added.query.$allModels.$allOperations = (operation) =>
              $allOperations({ ...operation, __internalParams: undefined });
            return (raw as unknown as { _extensions: { append(added: unknown): unknown } })._extensions.append(added);
          },
          isEmpty: () => true,
          getAllQueryCallbacks: () => [],
        },
      },
    }) as PrismaClient;
    await expect(extended(renamed).user.create({ data: { name: 'a' } })).rejects.toThrow(/needs __internalParams/);
  });

  describe.runIf(engine === 'postgres')('with PostgreSQL', () => {
    test('a swallowed error that dooms the transaction makes the write of our own reject', async () => {
      const db = extended(await open());
      const ran: string[] = [];
      listen('postSave', 'User', async ({ tx, onCommit }) => {
        onCommit(() => ran.push('committed'));
        await tx.$executeRawUnsafe('select * from nothing_there').catch(() => undefined);
      });
      await expect(db.user.create({ data: { name: 'a' } })).rejects.toThrow('Nothing was written');
      await db.$transaction(async (tx) => tx.user.create({ data: { name: 'a' } }));
      expect([ran, await db.user.count()]).toEqual([[], 0]);
    });

    test('a connection that is lost while a receiver waits is an error of that write only', async () => {
      const db = extended(await open(2));
      let lost = true;
      listen('postSave', 'User', async ({ tx }) => {
        if (lost) await tx.$executeRawUnsafe('select pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
        await sleep(20);
      });
      await expect(db.user.create({ data: { name: 'a' } })).rejects.toThrow();
      lost = false;
      await db.user.create({ data: { name: 'b' } });
      expect(await db.user.count()).toBe(1);
    });
  });
});
