import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@libsql/client';
import { and, eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import { integer as pgInteger, PgDialect, pgTable, serial, text as pgText } from 'drizzle-orm/pg-core';
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
  withSignals,
} from '../../src/drizzle.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness, type ModelName, type Rows } from './contract.ts';

const postgres = await startPostgres();
const pool = new pg.Pool({ connectionString: postgres.url, max: postgres.connections });
// Its connections may still be ending when the database is dropped.
pool.on('error', () => undefined);
const folder = mkdtempSync(join(tmpdir(), 'tocsin-drizzle-'));
afterAll(async () => {
  await pool.end();
  await postgres.close();
  rmSync(folder, { recursive: true });
});

/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-explicit-any -- one harness for both dialects, which have no type in common */
function harness(
  tables: Record<ModelName, any>,
  connect: () => Promise<{ db: any; close(): unknown }>,
  flags: { concurrent: boolean },
): Harness<any> {
  let raw: any;
  let db: any;
  let close: () => unknown;
  const where = (model: ModelName, values: object): SQL | undefined =>
    and(...Object.entries(values).map(([name, value]) => eq(getTableColumns(tables[model])[name] as never, value)));
  return {
    senders: tables,
    wrapsWrites: true,
    savepoints: true,
    concurrent: flags.concurrent,
    describeWhere: (condition) => ({ name: new PgDialect().sqlToQuery(condition as SQL).params[0] }),
    async open() {
      ({ db: raw, close } = await connect());
      await this.attach();
    },
    close: async () => void (await close()),
    attach(options) {
      db = withSignals(raw, options);
    },
    detach() {
      db = raw;
    },
    insert: async (model, values, tx = db) => (await tx.insert(tables[model]).values(values).returning())[0],
    saveUnchanged: (model, { id, name }) => db.update(tables[model]).set({ name }).where(where(model, { id })),
    unchanged: ['preSave', 'postSave'],
    insertLazily: (model, values, tx) => tx.insert(tables[model]).values(values),
    insertMany: (model, values, tx = db) => tx.insert(tables[model]).values(values).returning(),
    update: (model, { id }, values, tx = db) => tx.update(tables[model]).set(values).where(where(model, { id })),
    remove: (model, { id }, tx = db) => tx.delete(tables[model]).where(where(model, { id })),
    all: <M extends ModelName>(model: M, tx = db): Promise<Rows[M][]> =>
      tx.select().from(tables[model]).orderBy(tables[model].id),
    transaction: (run, tx = db) => tx.transaction(run),
    bulkUpdate: (model, condition, values) => db.update(tables[model]).set(values).where(where(model, condition)),
    bulkDelete: (model, condition) => db.delete(tables[model]).where(where(model, condition)),
  };
}
/* eslint-enable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-explicit-any */

const pgTables = {
  User: pgTable('contract_users', { id: serial().primaryKey(), name: pgText(), email: pgText() }),
  Profile: pgTable('contract_profiles', { id: serial().primaryKey(), userId: pgInteger('user_id'), bio: pgText() }),
};
contract(
  'Drizzle, PostgreSQL',
  harness(
    pgTables,
    async () => {
      await pool.query(`drop table if exists contract_users, contract_profiles;
    create table contract_users (id serial primary key, name text, email text);
    create table contract_profiles (id serial primary key, user_id integer, bio text)`);
      return { db: drizzlePostgres({ client: pool }), close: () => undefined };
    },
    { concurrent: postgres.connections > 1 },
  ),
);

let files = 0;
async function connectLibsql(...statements: string[]) {
  const client = createClient({ url: `file:${join(folder, `${String(files++)}.db`)}` });
  await client.batch(statements);
  return { db: drizzleLibsql({ client }), close: () => client.close() };
}
const sqliteTables = {
  User: sqliteTable('contract_users', { id: integer().primaryKey(), name: text(), email: text() }),
  Profile: sqliteTable('contract_profiles', { id: integer().primaryKey(), userId: integer('user_id'), bio: text() }),
};
const onSqlite = () =>
  harness(
    sqliteTables,
    () =>
      connectLibsql(
        'create table contract_users (id integer primary key, name text, email text)',
        'create table contract_profiles (id integer primary key, user_id integer, bio text)',
      ),
    { concurrent: false },
  );
contract('Drizzle, SQLite', onSqlite(), onSqlite());

describe('Drizzle', () => {
  const people = sqliteTable('people', {
    id: integer().primaryKey(),
    name: text().notNull(),
    email: text('mail').unique(),
    age: integer(),
    seen: integer({ mode: 'timestamp' }).$onUpdate(() => new Date(86_400_000)),
  });
  const seats = sqliteTable('seats', { row: integer(), place: integer(), guest: text() }, (table) => [
    primaryKey({ columns: [table.row, table.place] }),
  ]);
  const keyless = sqliteTable('keyless', { name: text() });
  const owner = {};
  let log: string[] = [];
  let queries: string[] = [];
  let close: () => void;

  const open = async (options?: SignalsOptions) => {
    const { db: raw, close: closeClient } = await connectLibsql(
      'create table people (id integer primary key, name text not null, mail text unique, age integer, seen integer)',
      'create table seats ("row" integer, place integer, guest text, primary key ("row", place))',
      'create table keyless (name text)',
    );
    close = closeClient;
    const logged = drizzleLibsql({ client: raw.$client, logger: { logQuery: (query) => queries.push(query) } });
    return { raw: logged, db: withSignals(logged, options) };
  };
  beforeEach(() => {
    log = [];
    queries = [];
  });
  afterEach(() => {
    disconnectReceivers(owner);
    close();
  });
  const logSaves = (sender: object): void => {
    postSave.connect(
      (_sender, { instance, created, updateFields, changes }) =>
        log.push(
          `${JSON.stringify(instance)} ${String(created)} ${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`,
        ),
      { sender, owner },
    );
  };
  const warnings = async (run: () => Promise<unknown>): Promise<string[]> => {
    const heard: string[] = [];
    const hear = (warning: Error): void => void heard.push(warning.message);
    process.on('warning', hear);
    await run();
    await new Promise((resolve) => setTimeout(resolve, 2));
    process.off('warning', hear);
    return heard;
  };

  test('instance and tx are typed by the table', async () => {
    const { db } = await open();
    postSave.connect(
      async (_sender, { instance, tx }) => {
        const name: string = instance.name;
        // @ts-expect-error there is no such column
        void instance.nmae;
        await tx.insert(keyless).values({ name });
      },
      { sender: people, owner },
    );
    await db.insert(people).values({ name: 'Ada' });
    expect(await db.select().from(keyless)).toEqual([{ name: 'Ada' }]);
  });

  test('the instance is the same before and after, completed by the database', async () => {
    const { db } = await open();
    const seen: object[] = [];
    preSave.connect((_sender, { instance }) => void seen.push(instance), { sender: people, owner });
    postSave.connect((_sender, { instance }) => void seen.push(instance), { sender: people, owner });
    await db.insert(people).values({ name: 'Ada' });
    await db.update(people).set({ age: 3 }).where(eq(people.id, 1));
    expect(seen[0]).toBe(seen[1]);
    expect(seen[2]).toBe(seen[3]);
    expect(seen[1]).toEqual({ id: 1, name: 'Ada', email: null, age: null, seen: new Date(86_400_000) });
    expect(seen[3]).toEqual({ id: 1, name: 'Ada', email: null, age: 3, seen: new Date(86_400_000) });
  });

  test('an update is of one row if its condition names the primary key or a unique column, all of a composite key', async () => {
    const { db } = await open({ bulk: 'signal' });
    await db.insert(people).values({ id: 1, name: 'Ada', email: 'a@b.c' });
    await db.insert(seats).values({ row: 1, place: 2 });
    for (const sender of [people, seats]) {
      postSave.connect(() => void log.push('save'), { sender, owner });
      postBulk.connect(() => void log.push('bulk'), { sender, owner });
    }
    await db.update(people).set({ age: 1 }).where(eq(people.email, 'a@b.c'));
    await db
      .update(people)
      .set({ age: 2 })
      .where(and(eq(people.name, 'Ada'), and(eq(people.id, 1), sql`true`)));
    await db
      .update(seats)
      .set({ guest: 'a' })
      .where(and(eq(seats.row, 1), eq(seats.place, 2)));
    expect(log).toEqual(['save', 'save', 'save']);
    await db
      .update(people)
      .set({ age: 3 })
      .where(sql`${people.id} = 1 or true`);
    await db.update(people).set({ age: 4 });
    await db
      .update(people)
      .set({ age: 5 })
      .where(eq(seats.row, 1))
      .catch(() => undefined);
    await db.update(seats).set({ guest: 'b' }).where(eq(seats.row, 1));
    expect(log.slice(3)).toEqual(['bulk', 'bulk', 'bulk']);
    expect(await db.select().from(people)).toMatchObject([{ age: 4 }]);
  });

  test('changes tell what the database made of it: expressions, $onUpdate, what was already so', async () => {
    const { db } = await open();
    await db.insert(people).values({ name: 'Ada', age: 1, seen: new Date(0) });
    logSaves(people);
    preSave.connect(
      (_sender, { updateFields, changes }) =>
        log.push(`pre ${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`),
      { sender: people, owner },
    );
    await db
      .update(people)
      .set({ age: sql`${people.age} + 1`, name: 'Ada' })
      .where(eq(people.id, 1));
    await db.update(people).set({ name: 'Ada' }).where(eq(people.id, 1));
    expect(log).toEqual([
      'pre age,name null',
      '{"id":1,"name":"Ada","email":null,"age":2,"seen":"1970-01-02T00:00:00.000Z"} false age,seen {"age":{"from":1,"to":2},"seen":{"from":"1970-01-01T00:00:00.000Z","to":"1970-01-02T00:00:00.000Z"}}',
      'pre  {}',
      '{"id":1,"name":"Ada","email":null,"age":2,"seen":"1970-01-02T00:00:00.000Z"} false  {}',
    ]);
  });

  test('without beforeImage nothing is read: the instance is what was given, changes is null', async () => {
    const { db } = await open({ beforeImage: false });
    await db.insert(people).values({ name: 'Ada' });
    preSave.connect(
      (_sender, { instance }) => {
        log.push(JSON.stringify(instance));
        instance.name = 'Grace';
      },
      { sender: people, owner },
    );
    logSaves(people);
    queries = [];
    await db.update(people).set({ age: 7 }).where(eq(people.id, 1));
    expect(queries.map((query) => query.split(' ')[0])).toEqual(['update']);
    expect(log).toEqual([
      '{"id":1,"age":7}',
      '{"id":1,"age":7,"name":"Grace","email":null,"seen":"1970-01-02T00:00:00.000Z"} false age,name null',
    ]);
  });

  test('a table without receivers costs no query and no transaction', async () => {
    const { db } = await open();
    postSave.connect(() => undefined, { sender: seats, owner });
    await db.insert(people).values({ name: 'a' });
    await db.update(people).set({ age: 1 }).where(eq(people.id, 1));
    await db.update(people).set({ age: 1 });
    await db.delete(people).where(eq(people.id, 1));
    expect(queries).toHaveLength(4);
  });

  test('with receivers: one read before an update, one before a delete that preDelete hears of', async () => {
    const { db } = await open();
    await db.insert(people).values({ name: 'a' });
    postSave.connect(() => undefined, { sender: people, owner });
    postDelete.connect((_sender, { instance }) => log.push(instance.name), { sender: people, owner });
    const count = async (run: () => PromiseLike<unknown>): Promise<string> => {
      queries = [];
      await run();
      return queries.map((query) => query.split(' ')[0]).join();
    };
    expect(await count(() => db.insert(people).values({ name: 'b' }))).toBe('insert');
    expect(await count(() => db.update(people).set({ age: 1 }).where(eq(people.id, 1)))).toBe('select,update');
    expect(await count(() => db.delete(people).where(eq(people.id, 1)))).toBe('delete');
    preDelete.connect(() => undefined, { sender: people, owner });
    expect(await count(() => db.delete(people).where(eq(people.id, 2)))).toBe('select,delete');
    expect(log).toEqual(['a', 'b']);
  });

  test('a row that is not there sends nothing', async () => {
    const { db } = await open();
    for (const signal of [preSave, postSave, preDelete, postDelete])
      (signal as typeof postSave).connect(() => log.push('sent'), { sender: people, owner });
    await db.update(people).set({ age: 1 }).where(eq(people.id, 99));
    await db.delete(people).where(eq(people.id, 99));
    expect(log).toEqual([]);
  });

  test('upserts, writes with queries, and batches are bulk writes', async () => {
    const { db } = await open({ bulk: 'signal' });
    postSave.connect(() => log.push('save'), { owner });
    postBulk.connect((_sender, { operation, count }) => log.push(`${operation} ${String(count)}`), { owner });
    await db
      .insert(people)
      .values({ id: 1, name: 'a' })
      .onConflictDoUpdate({ target: people.id, set: { name: 'b' } });
    await db.insert(people).values({ id: 1, name: 'a' }).onConflictDoNothing();
    await db.insert(keyless).select(db.select({ name: people.name }).from(people));
    const some = db.$with('some').as(db.select({ id: people.id }).from(people));
    await db
      .with(some)
      .update(people)
      .set({ age: 1 })
      .where(sql`${people.id} in (select id from ${some})`)
      .returning();
    await db.with(some).insert(people).values({ name: 'with a query' });
    await db.batch([db.update(people).set({ age: 2 }).where(eq(people.id, 1)), db.select().from(people)]);
    expect(log).toEqual(['upsert 1', 'upsert 0', 'insert 1', 'update 1', 'insert 1', 'update 1']);
  });

  test('prepared statements are bulk writes whenever they are executed', async () => {
    const { db } = await open();
    postSave.connect(() => log.push('save'), { sender: people, owner });
    postBulk.connect((_sender, { operation, count }) => log.push(`${operation} ${String(count)}`), { owner });
    const prepared = db.insert(people).values({ name: 'a' }).prepare();
    expect(
      await warnings(async () => {
        await prepared.execute();
        await prepared.run();
      }),
    ).toEqual([expect.stringMatching(/A bulk insert of people .*drizzle\.test\.ts/)]);
    expect(log).toEqual(['insert 1', 'insert 1']);
    const { db: strict } = await open({ bulk: 'throw' });
    await expect(strict.insert(people).values({ name: 'a' }).prepare().run()).rejects.toThrow(
      "refused (bulk: 'throw')",
    );
  });

  test('who connects between the building and the running of a query is heard', async () => {
    const { db } = await open({ bulk: 'signal' });
    const insert = db.insert(people).values({ name: 'a' }).returning();
    const update = db.update(people).set({ age: 1 }).where(eq(people.id, 1));
    const remove = db.delete(people).where(eq(people.id, 1));
    const prepared = db.insert(people).values({ name: 'b' }).prepare();
    const executed = db.insert(people).values({ name: 'c' });
    logSaves(people);
    postDelete.connect((_sender, { instance }) => log.push(`deleted ${instance.name}`), { sender: people, owner });
    postBulk.connect((_sender, { operation }) => log.push(`bulk ${operation}`), { sender: people, owner });
    expect(await insert).toMatchObject([{ id: 1, name: 'a' }]);
    await update;
    await remove;
    await prepared.execute();
    await executed.execute();
    expect(log.map((line) => line.replace(/\{.*?\} /, ''))).toEqual([
      expect.stringMatching(/^true/),
      expect.stringMatching(/^false age/),
      'deleted a',
      'bulk insert',
      expect.stringMatching(/^true/),
    ]);
  });

  test("'individual' does what it can: a table without a primary key stays a bulk write", async () => {
    const { db } = await open({ bulk: 'individual' });
    await db.insert(keyless).values([{ name: 'a' }, { name: 'b' }]);
    await db.insert(people).values([
      { name: 'a', age: 1 },
      { name: 'b', age: 2 },
    ]);
    logSaves(people);
    postSave.connect(() => log.push('keyless'), { sender: keyless, owner });
    postBulk.connect(() => log.push('bulk'), { owner });
    expect(
      await warnings(() =>
        db
          .update(keyless)
          .set({ name: 'c' })
          .then(() => undefined),
      ),
    ).toHaveLength(1);
    await db.update(people).set({ age: 10 });
    expect(log.map((each) => each.split(' ').slice(1).join(' '))).toEqual([
      '',
      'false age {"age":{"from":1,"to":10}}',
      'false age {"age":{"from":2,"to":10}}',
    ]);
  });

  test("'individual' runs the statement that was asked for, once", async () => {
    const { db } = await open({ bulk: 'individual' });
    await db.insert(people).values([{ name: 'a' }, { name: 'b' }]);
    logSaves(people);
    postDelete.connect((_sender, { instance }) => log.push(`deleted ${instance.name}`), {
      sender: people,
      owner,
    });
    queries = [];
    await db.update(people).set({ age: 10 });
    expect(queries.filter((query) => query.startsWith('update'))).toHaveLength(1);
    expect(log).toHaveLength(2);
    expect((await db.delete(people)).rowsAffected).toBe(2);
    expect(queries.filter((query) => query.startsWith('delete'))).toHaveLength(1);
    expect(log.slice(2)).toEqual(['deleted a', 'deleted b']);
  });

  test("'individual': one row that cannot be written undoes all of the statement, and nothing else", async () => {
    const { db } = await open({ bulk: 'individual' });
    preSave.connect(
      (_sender, { instance }) => {
        if (instance.age === 10) instance.email = instance.name === 'a' ? 'new' : 'taken';
      },
      { sender: people, owner },
    );
    await db.transaction(async (tx) => {
      await tx.insert(people).values([{ name: 'a' }, { name: 'b' }, { name: 'c', email: 'taken' }]);
      await expect(tx.update(people).set({ age: 10 })).rejects.toThrow('Failed query: update "people"');
    });
    expect((await db.select().from(people)).map(({ email, age }) => [email, age])).toEqual([
      [null, null],
      [null, null],
      ['taken', null],
    ]);
  });

  test('get() without returning() writes before it fails, and so it does with receivers', async () => {
    const { raw, db } = await open();
    postBulk.connect(() => log.push('bulk'), { sender: people, owner });
    const outcomes: unknown[] = [];
    for (const each of [raw, db]) {
      const got = each.insert(people).values({ name: 'a' }).get();
      outcomes.push(await Promise.resolve(got).catch((error: unknown) => String(error)));
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(await raw.$count(people)).toBe(2);
  });

  test('without atomic a throw of postSave keeps the row, and tx is the database', async () => {
    const { db } = await open({ atomic: false });
    postSave.connect(
      async (_sender, { tx }) => {
        await tx.insert(keyless).values({ name: 'through tx' });
        throw new Error('no');
      },
      { sender: people, owner },
    );
    await expect(db.insert(people).values({ name: 'a' })).rejects.toThrow('no');
    expect(await db.select().from(people)).toHaveLength(1);
    expect(await db.select().from(keyless)).toHaveLength(1);
  });

  test('is still a database: queries, dynamic builders, SQL of its writes', async () => {
    const { db } = await open();
    postSave.connect(() => log.push('save'), { sender: people, owner });
    expect(db.update(people).set({ age: 1 }).where(eq(people.id, 1)).toSQL().sql).toMatch(/^update "people"/);
    await db
      .insert(people)
      .values({ name: 'a' })
      .catch(() => undefined)
      .finally(() => log.push('finally'));
    const dynamic = db.update(people).set({ age: 1 }).$dynamic();
    dynamic.where(eq(people.id, 1));
    await dynamic;
    expect(log).toEqual(['save', 'finally', 'save']);
    expect(await db.$count(people)).toBe(1);
  });

  test('refuses what it cannot wrap, wrong options, and a second time', async () => {
    const { db, raw } = await open();
    expect(() => withSignals({} as never)).toThrow(/takes a Drizzle database of PostgreSQL or SQLite, not \{/);
    expect(() => withSignals(raw, { atomc: true } as never)).toThrow(
      /Unknown option "atomc" of withSignals\(\); it takes bulk, outside, using, atomic, beforeImage/,
    );
    expect(() => withSignals(db)).toThrow(/wrapped in withSignals\(\) already/);
  });
});
