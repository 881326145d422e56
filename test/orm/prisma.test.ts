import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { postBulk, postDelete, postSave, preDelete, preSave, signals, type SignalsOptions } from '../../src/prisma.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness } from './contract.ts';
import { PrismaClient as PostgresClient } from './prisma/postgresql/client/client.ts';
import { PrismaClient } from './prisma/sqlite/client/client.ts';

declare module '../../src/prisma.ts' {
  interface Register {
    client: PrismaClient;
  }
}

const postgres = await startPostgres();
const folder = mkdtempSync(join(tmpdir(), 'tocsin-prisma-'));
let files = 0;
afterAll(async () => {
  await postgres.close();
  rmSync(folder, { recursive: true });
});

const TABLES = [
  'create table contract_users (id ID, name text not null, email text, age integer, born DATE, handle text unique)',
  'create table contract_profiles (id ID, "userId" integer not null, bio text not null)',
  'create table notes (id ID, text text not null, "profileId" integer)',
  'create table seats ("row" integer, place integer, guest text, primary key ("row", place))',
];
async function onSqlite(): Promise<PrismaClient> {
  const client = new PrismaClient({
    adapter: new PrismaLibSql({ url: `file:${join(folder, `${String(files++)}.db`)}` }),
  });
  for (const table of TABLES)
    await client.$executeRawUnsafe(
      table.replace('ID', 'integer primary key autoincrement').replace('DATE', 'datetime'),
    );
  return client;
}
async function onPostgres(): Promise<PrismaClient> {
  const client = new PostgresClient({
    adapter: new PrismaPg({ connectionString: postgres.url, max: postgres.connections }),
    transactionOptions: { maxWait: 20_000, timeout: 20_000 },
  });
  await client.$executeRawUnsafe('drop table if exists contract_users, contract_profiles, notes, seats');
  for (const table of TABLES)
    await client.$executeRawUnsafe(table.replace('ID', 'serial primary key').replace('DATE', 'timestamp(3)'));
  // the two are generated from the same models
  return client as unknown as PrismaClient;
}

type Tx = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$use' | '$extends'>;
function harness(connect: () => Promise<PrismaClient>, concurrent: boolean): Harness<Tx> {
  let raw: PrismaClient;
  let prisma: PrismaClient;
  const delegate = (tx: Tx, model: string) => (model === 'User' ? tx.user : tx.profile) as Tx['user'];
  return {
    senders: { User: 'User', Profile: 'Profile' },
    wrapsWrites: true,
    savepoints: true,
    concurrent,
    async open() {
      raw = await connect();
      await this.attach();
    },
    close: async () => raw.$disconnect(),
    attach(options) {
      prisma = raw.$extends(signals(options)) as never;
    },
    detach() {
      prisma = raw;
    },
    insert: async (model, values, tx = prisma) =>
      (await delegate(tx, model).create({ data: values as never })) as never,
    saveUnchanged: (model, { id, name }) =>
      delegate(prisma, model).update({ where: { id: id as number }, data: { name } as never }),
    unchanged: ['preSave', 'postSave'],
    insertLazily: (model, values, tx) => delegate(tx, model).create({ data: values as never }),
    insertMany: async (model, values, tx = prisma) =>
      (await delegate(tx, model).createManyAndReturn({ data: values as never })) as never,
    update: (model, { id }, values, tx = prisma) =>
      delegate(tx, model).update({ where: { id: id as number }, data: values as never }),
    remove: (model, { id }, tx = prisma) => delegate(tx, model).delete({ where: { id: id as number } }),
    all: async (model, tx = prisma) => (await delegate(tx, model).findMany({ orderBy: { id: 'asc' } })) as never,
    transaction: (run, tx = prisma) => tx.$transaction((inner) => run(inner as Tx)),
    bulkUpdate: async (model, where, values) =>
      delegate(prisma, model).updateMany({ where: where as never, data: values as never }),
    bulkDelete: async (model, where) => delegate(prisma, model).deleteMany({ where: where as never }),
  };
}

contract('Prisma 7, SQLite', harness(onSqlite, false), harness(onSqlite, false));
contract('Prisma 7, PostgreSQL', harness(onPostgres, postgres.connections > 1));

describe('Prisma', () => {
  const owner = {};
  let log: string[] = [];
  let raw: PrismaClient;
  let queries: string[] = [];

  const open = async (options?: SignalsOptions) => {
    const file = `file:${join(folder, `${String(files++)}.db`)}`;
    raw = new PrismaClient({ adapter: new PrismaLibSql({ url: file }), log: [{ emit: 'event', level: 'query' }] });
    (raw as unknown as { $on(event: string, listener: (event: { query: string }) => void): void }).$on(
      'query',
      ({ query }) => {
        queries.push(query.split(' ')[0]?.toLowerCase() ?? '');
      },
    );
    for (const table of TABLES)
      await raw.$executeRawUnsafe(table.replace('ID', 'integer primary key autoincrement').replace('DATE', 'datetime'));
    queries = [];
    return raw.$extends(signals(options)) as unknown as PrismaClient;
  };
  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    await raw.$disconnect();
  });
  const logAll = (...senders: string[]): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as AnySignal[]) {
      for (const sender of senders) {
        signal.connect(
          (
            from: string,
            {
              instance,
              created,
              operation,
              count,
            }: { instance?: { name?: string; bio?: string }; created?: boolean; operation?: string; count?: number },
          ) => {
            log.push(
              `${signal.name} ${from} ${operation === undefined ? String(instance?.name ?? instance?.bio) : `${operation} ${String(count)}`}${created === true ? ' created' : ''}`,
            );
          },
          { sender, owner },
        );
      }
    }
  };
  const both = (what: string): string[] => [`preSave ${what}`, `postSave ${what}`];

  test('instance and tx are typed by the registered client', async () => {
    const prisma = await open();
    postSave.connect(
      async (sender, { instance, tx }) => {
        const name: string = instance.name;
        const model: 'User' = sender;
        // @ts-expect-error there is no such column
        void instance.nmae;
        await tx.profile.create({ data: { userId: instance.id, bio: `${name} of ${model}` } });
        // @ts-expect-error a transaction cannot be disconnected
        void tx.$disconnect;
      },
      { sender: 'User', owner },
    );
    await prisma.user.create({ data: { name: 'Ada' } });
    expect(await prisma.profile.findMany({ select: { bio: true } })).toEqual([{ bio: 'Ada of User' }]);
  });

  test('every write of one row; createMany() for each of its rows', async () => {
    const prisma = await open({ bulk: 'signal' });
    logAll('User', 'Seat');
    const { id } = await prisma.user.create({ data: { name: 'a' } });
    await prisma.user.update({ where: { id }, data: { name: { set: 'b' }, age: { increment: 1 } } });
    await prisma.user.upsert({ where: { id }, create: { name: 'never' }, update: { name: 'c' } });
    await prisma.user.upsert({ where: { id: 99 }, create: { name: 'd' }, update: { name: 'never' } });
    expect(await prisma.user.createMany({ data: [{ name: 'e' }, { name: 'f' }] })).toEqual({ count: 2 });
    await prisma.user.delete({ where: { id } });
    expect(log).toEqual([
      ...both('User a created'),
      ...both('User b'),
      ...both('User c'),
      ...both('User d created'),
      'preSave User e created',
      'preSave User f created',
      'postSave User e created',
      'postSave User f created',
      'preDelete User c',
      'postDelete User c',
    ]);
    log = [];
    await prisma.seat.create({ data: { row: 1, place: 2 } });
    await prisma.seat.update({ where: { row_place: { row: 1, place: 2 } }, data: { guest: 'a' } });
    expect(log).toHaveLength(4);
    await expect(prisma.user.update({ where: { id: 99 }, data: { name: 'x' } })).rejects.toMatchObject({
      code: 'P2025',
    });
    await expect(prisma.user.delete({ where: { id: 99 } })).rejects.toMatchObject({ code: 'P2025' });
    expect(log).toHaveLength(4);
  });

  test('select, include and omit decide what the write resolves to, and not what receivers get', async () => {
    const prisma = await open();
    const calls = async (client: PrismaClient): Promise<unknown[]> => {
      await client.user.deleteMany();
      await client.user.create({ data: { id: 1, name: 'a', email: 'a@b.c' } });
      return [
        await client.user.update({ where: { id: 1 }, data: { age: 1 }, select: { name: true } }),
        await client.user.update({ where: { id: 1 }, data: { age: 2 }, omit: { email: true, born: true } }),
        await client.user.update({ where: { id: 1 }, data: { age: 3 }, include: { profiles: true } }),
        await client.user.update({
          where: { id: 1 },
          data: { age: 4 },
          select: { profiles: { select: { bio: true } }, _count: { select: { profiles: true } } },
        }),
        await client.user.createManyAndReturn({ data: [{ id: 2, name: 'b' }], select: { id: true } }),
        await client.user.upsert({
          where: { id: 2 },
          create: { name: 'x' },
          update: { name: 'c' },
          select: { name: true },
        }),
        await client.user.delete({ where: { id: 2 }, select: { name: true } }),
        await client.user.update({ where: { id: 1 }, data: { age: 5 } }).profiles(),
      ];
    };
    const expected = await calls(raw);
    postSave.connect((_sender, { instance }) => log.push(Object.keys(instance).sort().join()), {
      sender: 'User',
      owner,
    });
    postDelete.connect((_sender, { instance }) => log.push(Object.keys(instance).sort().join()), {
      sender: 'User',
      owner,
    });
    expect(await calls(prisma)).toEqual(expected);
    expect(new Set(log)).toEqual(new Set(['age,born,email,handle,id,name']));
    expect(log).toHaveLength(9);
  });

  test('changes tell what the database made of it: expressions, dates, what was already so', async () => {
    const prisma = await open();
    await prisma.user.create({ data: { name: 'a', age: 1, born: new Date(0) } });
    for (const signal of [preSave, postSave] as const) {
      (signal as typeof postSave).connect(
        (_sender, { updateFields, changes }) =>
          log.push(`${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`),
        { sender: 'User', owner },
      );
    }
    await prisma.user.update({ where: { id: 1 }, data: { age: { multiply: 10 }, born: new Date(0) } });
    await prisma.user.update({ where: { id: 1 }, data: { born: new Date(1000), name: 'a' } });
    expect(log).toEqual([
      'age,born null',
      'age {"age":{"from":1,"to":10}}',
      ...Array.from(
        { length: 2 },
        () => 'born {"born":{"from":"1970-01-01T00:00:00.000Z","to":"1970-01-01T00:00:01.000Z"}}',
      ),
    ]);
  });

  test('preSave may overrule an expression, and write beside relations', async () => {
    const prisma = await open();
    preSave.connect(
      (_sender, { instance, created }) => {
        instance.age = created === true ? 1 : 50;
      },
      { sender: 'User', owner },
    );
    const { id } = await prisma.user.create({ data: { name: 'a', profiles: { create: { bio: 'nested' } } } });
    expect(
      await prisma.user.update({ where: { id }, data: { age: { increment: 1 }, profiles: { deleteMany: {} } } }),
    ).toMatchObject({ age: 50 });
    expect(await prisma.profile.count()).toBe(0);
  });

  test('a model without receivers costs no query and no transaction; with receivers one read', async () => {
    const prisma = await open();
    postSave.connect(() => undefined, { sender: 'Seat', owner });
    await prisma.user.create({ data: { name: 'a' } });
    await prisma.user.update({ where: { id: 1 }, data: { age: 1 } });
    const without = queries.length;
    queries = [];
    await raw.user.create({ data: { name: 'a' } });
    await raw.user.update({ where: { id: 1 }, data: { age: 1 } });
    expect(without).toBe(queries.length);
    const count = async (run: () => Promise<unknown>): Promise<string> => {
      queries = [];
      await run();
      return queries.filter((each) => /^[a-z]+$/.test(each) && each !== 'begin').join();
    };
    const write = await count(() => raw.user.update({ where: { id: 1 }, data: { age: 2 } }));
    postSave.connect(() => undefined, { sender: 'User', owner });
    expect(await count(() => prisma.user.update({ where: { id: 1 }, data: { age: 3 } }))).toBe(`select,${write}`);
    const frugal = raw.$extends(signals({ beforeImage: false })) as unknown as PrismaClient;
    expect(await count(() => frugal.user.update({ where: { id: 1 }, data: { age: 4 } }))).toBe(write);
  });

  test('without beforeImage preSave gets what is set and asked for', async () => {
    const prisma = await open({ beforeImage: false });
    await prisma.user.create({ data: { name: 'a' } });
    preSave.connect(
      (_sender, { instance, changes }) => void log.push(`${JSON.stringify(instance)} ${JSON.stringify(changes)}`),
      { sender: 'User', owner },
    );
    await prisma.user.update({ where: { id: 1 }, data: { age: 7 } });
    expect(log).toEqual(['{"id":1,"age":7} null']);
  });

  test('nested writes of other models are bulk writes, at any depth', async () => {
    const prisma = await open({ bulk: 'signal' });
    logAll('User', 'Profile', 'Note');
    await prisma.user.create({ data: { name: 'a', profiles: { create: [{ bio: 'x' }, { bio: 'y' }] } } });
    await prisma.user.create({
      data: { name: 'b', profiles: { create: { bio: 'z', notes: { createMany: { data: [{ text: 'w' }] } } } } },
    });
    await prisma.user.update({
      where: { id: 1 },
      data: { profiles: { update: { where: { id: 1 }, data: { bio: 'v' } }, deleteMany: { bio: 'y' } } },
    });
    expect(log).toEqual([
      ...both('User a created'),
      'postBulk Profile insert undefined',
      ...both('User b created'),
      'postBulk Profile insert undefined',
      'postBulk Note insert undefined',
      ...both('User a'),
      'postBulk Profile update undefined',
      'postBulk Profile delete undefined',
    ]);
    const strict = raw.$extends(signals({ bulk: 'throw' })) as unknown as PrismaClient;
    const before = await raw.user.count();
    await expect(strict.user.create({ data: { name: 'c', profiles: { create: { bio: 'x' } } } })).rejects.toThrow(
      "A bulk insert of Profile sends no save or delete signals for its rows. It is refused (bulk: 'throw')",
    );
    expect(await raw.user.count()).toBe(before);
  });

  test('batches are bulk writes; what is no write of a model is left alone', async () => {
    const prisma = await open({ bulk: 'signal' });
    logAll('User');
    const [created, count] = await prisma.$transaction([
      prisma.user.create({ data: { name: 'a' } }),
      prisma.user.count(),
      prisma.user.updateMany({ data: { age: 1 } }),
    ]);
    expect(created).toMatchObject({ name: 'a' });
    expect(count).toBe(1);
    expect(log.sort()).toEqual(['postBulk User insert undefined', 'postBulk User update 1']);
    const heard: string[] = [];
    const hear = (warning: Error): void => void heard.push(warning.message);
    process.on('warning', hear);
    const loud = raw.$extends(signals()) as unknown as PrismaClient;
    await loud.$transaction([loud.user.updateMany({ data: { age: 2 } })]);
    await new Promise((resolve) => setTimeout(resolve, 2));
    process.off('warning', hear);
    expect(heard).toEqual([expect.stringMatching(/A bulk update of User .*prisma\.test\.ts:\d+/)]);
    log = [];
    await prisma.$executeRaw`update contract_users set age = 3`;
    expect(await prisma.$queryRaw`select age from contract_users`).toEqual(
      [{ age: 3n }].map(() => ({ age: expect.anything() as unknown })),
    );
    await prisma.user.createMany({ data: [{ name: 'b', handle: 'b' }] });
    expect(log).toEqual(both('User b created'));
  });

  test("'individual' breaks the many into rows, and gives what they give", async () => {
    const prisma = await open({ bulk: 'individual' });
    await prisma.user.createMany({
      data: [
        { name: 'a', age: 1 },
        { name: 'b', age: 2 },
        { name: 'c', age: 9 },
      ],
    });
    logAll('User');
    expect(await prisma.user.updateMany({ where: { age: { lt: 5 } }, data: { email: 'x' } })).toEqual({ count: 2 });
    expect(await prisma.user.deleteMany({ where: { age: 2 } })).toEqual({ count: 1 });
    expect(log).toEqual([...both('User a'), ...both('User b'), 'preDelete User b', 'postDelete User b']);
    expect(await raw.user.findMany({ select: { name: true, email: true } })).toEqual([
      { name: 'a', email: 'x' },
      { name: 'c', email: null },
    ]);
  });

  test('options of transactions are passed on; extensions before and after it go on working', async () => {
    await open();
    const seen: string[] = [];
    const counting = (name: string) => ({
      query: {
        user: {
          create: ({ args, query }: { args: object; query: (args: object) => Promise<unknown> }) => (
            seen.push(name),
            query(args)
          ),
        },
      },
    });
    const prisma = (raw.$extends(counting('before') as never) as unknown as PrismaClient)
      .$extends(signals())
      .$extends(counting('after')) as unknown as PrismaClient;
    logAll('User');
    await prisma.user.create({ data: { name: 'a' } });
    await prisma.$transaction(
      async (tx) => {
        await tx.user.create({ data: { name: 'b' } });
      },
      { timeout: 10_000 },
    );
    expect(seen).toEqual(['before', 'after', 'before', 'after']);
    expect(log).toEqual([...both('User a created'), ...both('User b created')]);
    await expect(
      prisma.$transaction(async () => new Promise((resolve) => setTimeout(resolve, 100)), { timeout: 10 }),
    ).rejects.toThrow();
  });

  test('without atomic a throw of postSave keeps the row, and tx is the client', async () => {
    const prisma = await open({ atomic: false });
    postSave.connect(
      async (_sender, { tx }) => {
        await tx.profile.create({ data: { userId: 1, bio: 'through tx' } });
        throw new Error('no');
      },
      { sender: 'User', owner },
    );
    await expect(prisma.user.create({ data: { name: 'a' } })).rejects.toThrow('no');
    expect([await raw.user.count(), await raw.profile.count()]).toEqual([1, 1]);
  });

  test('refuses what it cannot extend, and wrong options', () => {
    expect(() => signals({ atomc: true } as never)).toThrow(
      /Unknown option "atomc" of signals\(\); it takes bulk, outside, using, atomic, beforeImage/,
    );
    expect(() => signals()({} as never)).toThrow(/is for \$extends\(\) of a Prisma Client, not for/);
  });
});
