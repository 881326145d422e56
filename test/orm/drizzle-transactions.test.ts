/** Drizzle, where a write's transaction matters: what waits for a commit, and who waits for whom. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { createClient } from '@libsql/client';
import { and, eq, sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import * as pgCore from 'drizzle-orm/pg-core';
import { drizzle as drizzleProxy } from 'drizzle-orm/pg-proxy';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import { npmVersion } from 'drizzle-orm/version';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { postBulk, postSave, preSave, type SignalsOptions, withSignals } from '../../src/drizzle.ts';
import { disconnectReceivers } from '../../src/index.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';

const owner = {};
let log: string[] = [];
beforeEach(() => {
  log = [];
});
afterEach(() => {
  disconnectReceivers(owner);
});

async function outcome(promise: PromiseLike<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => String(error),
  );
}
async function warnings(run: () => Promise<unknown>): Promise<string[]> {
  const heard: string[] = [];
  const hear = (warning: Error): void => void heard.push(warning.message);
  process.on('warning', hear);
  await run();
  await sleep(2);
  process.off('warning', hear);
  return heard;
}

describe('Drizzle on SQLite', () => {
  const users = sqliteCore.sqliteTable('users', { id: sqliteCore.integer().primaryKey(), name: sqliteCore.text() });
  const logs = sqliteCore.sqliteTable('logs', { text: sqliteCore.text() });
  const open = async (kind: string, options?: SignalsOptions) => {
    const database = await freshDatabase('sqlite', 'drizzle_turns');
    const client = createClient({ url: kind === 'memory' ? ':memory:' : `file:${database.url}` });
    await client.batch(['create table users (id integer primary key, name text)', 'create table logs (text text)']);
    const close = async (): Promise<void> => {
      client.close();
      await database.drop();
    };
    return { db: withSignals(drizzleLibsql({ client }), options), close };
  };

  test.each(['file', 'memory'])('%s: plain writes at once wait for each other, heard or not', async (kind) => {
    const { db, close } = await open(kind);
    postSave.connect(() => sleep(2), { sender: users, owner });
    const names = Array.from({ length: 10 }, (_unused, index) => `n${String(index)}`);
    const heard = names.map((name) => outcome(db.insert(users).values({ name })));
    const others = names.map((text) => outcome(db.insert(logs).values({ text })));
    const transaction = outcome(db.transaction((tx) => tx.insert(logs).values({ text: 'in a transaction' })));
    expect(new Set(await Promise.all([...heard, ...others, transaction]))).toEqual(new Set(['ok']));
    expect((await db.select().from(users)).map(({ name }) => name)).toEqual(names);
    expect(await db.$count(logs)).toBe(11);
    await close();
  });

  test("'individual': rows that receivers change otherwise are written whole or not at all, and nothing beside them", async () => {
    const { db, close } = await open('memory', { bulk: 'individual' });
    await db.run(
      sql`create table tags (id integer primary key, name text unique, size integer not null, made integer)`,
    );
    const tags = sqliteCore.sqliteTable('tags', {
      id: sqliteCore.integer().primaryKey(),
      name: sqliteCore.text().unique(),
      size: sqliteCore.integer().notNull(),
      made: sqliteCore.integer({ mode: 'timestamp' }),
    });
    await db.insert(tags).values([1, 2, 3].map((id) => ({ id, name: `tag ${String(id)}`, size: id })));
    const change = { twice: false };
    preSave.connect(
      (_sender, { instance }) => {
        instance.name = change.twice ? 'twice' : `new ${String(instance.id)}`;
        if (instance.id === 2) Object.assign(instance, { size: sql`${tags.size} * 10`, made: new Date(0) });
      },
      { sender: tags, owner },
    );
    const heard: unknown[] = [];
    postSave.connect((_sender, { instance }) => void heard.push({ ...instance }), { sender: tags, owner });
    const update = (tx: Pick<typeof db, 'update'>) => tx.update(tags).set({ size: 7 }).returning();
    const expected = [
      { id: 1, name: 'new 1', size: 7, made: null },
      { id: 2, name: 'new 2', size: 20, made: new Date(0) },
      { id: 3, name: 'new 3', size: 7, made: null },
    ];
    expect(await db.transaction(update)).toEqual(expected);
    expect(heard).toEqual(expected);

    change.twice = true;
    await db.transaction(async (tx) => {
      const failing = outcome(update(tx));
      const beside = Array.from({ length: 20 }, async (_unused, index) => {
        await sleep(index / 5);
        await tx.insert(logs).values({ text: 'beside' });
      });
      expect(await failing).toContain('Failed query: update "tags" set "size" = ?');
      await Promise.all(beside);
    });
    expect(await db.$count(logs)).toBe(20);
    expect(await db.select().from(tags)).toEqual(expected);
    await close();
  });

  test.each(['file', 'memory'])('%s: a receiver that writes outside its transaction is refused', async (kind) => {
    const { db, close } = await open(kind);
    postSave.connect(
      async function audit() {
        await db.insert(logs).values({ text: 'outside' });
      },
      { sender: users, owner },
    );
    expect(await outcome(db.insert(users).values({ name: 'a' }))).toMatch(
      /The receiver in postSave users → audit writes outside the transaction that it runs in \(insert\(\) of logs\)/,
    );
    expect(await db.$count(users)).toBe(0);
    await close();
  });

  test('a receiver that waits for a write of another async context gets an error that names both', async () => {
    const { db, close } = await open('file');
    const elsewhere = AsyncLocalStorage.snapshot();
    const receiver = (): Promise<unknown> => elsewhere(() => db.insert(logs).values({ text: 'x' }).execute());
    postSave.connect(receiver, { sender: users, owner });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const written = outcome(db.insert(users).values({ name: 'a' }));
    await sleep(20);
    vi.advanceTimersByTime(6_000);
    vi.useRealTimers();
    expect(await written).toMatch(/insert\(\) of logs has waited 6 seconds for insert\(\) of users/);
    expect(await outcome(db.insert(logs).values({ text: 'y' }))).toBe('ok');
    await close();
  });

  test('a receiver after the commit writes through the app’s handle', async () => {
    const { db, close } = await open('file');
    const receiver = async (): Promise<void> => void (await db.insert(logs).values({ text: 'after' }));
    postSave.connect(receiver, { sender: users, owner, afterCommit: true });
    await db.insert(users).values({ name: 'a' });
    expect(await db.$count(logs)).toBe(1);
    await close();
  });
});

const users = pgCore.pgTable('users', { id: pgCore.serial().primaryKey(), name: pgCore.text().unique() });
const pairs = pgCore.pgTable(
  'pairs',
  { a: pgCore.integer('one'), b: pgCore.integer(), org: pgCore.integer(), slug: pgCore.text(), v: pgCore.text() },
  (table) => [pgCore.primaryKey({ columns: [table.a, table.b] }), pgCore.unique().on(table.org, table.slug)],
);
const SCHEMA = [
  'create table users (id serial primary key, name text unique)',
  'create table pairs (one int, b int, org int, slug text, v text, primary key (one, b), unique (org, slug))',
];

interface Opened {
  readonly db: ReturnType<typeof drizzlePostgres>;
  readonly raw: ReturnType<typeof drizzlePostgres>;
  close(): Promise<void>;
}
const pglite = await PGlite.create();
afterAll(() => pglite.close());
const openPglite = async (options?: SignalsOptions): Promise<Opened> => {
  await pglite.exec(['drop table if exists users, pairs', ...SCHEMA].join(';'));
  const raw = drizzlePglite({ client: pglite }) as unknown as ReturnType<typeof drizzlePostgres>;
  return { raw, db: withSignals(raw, options), close: () => Promise.resolve() };
};
/** The suites run on two releases at once. */
let database: FreshDatabase | undefined;
const hasPostgres = availableEngines('postgres').length > 0;
beforeAll(async () => {
  if (hasPostgres) database = await freshDatabase('postgres', `drizzle_${npmVersion.charAt(0)}_transactions`);
});
afterAll(() => database?.drop());
const openPostgres = async (options?: SignalsOptions, max = 5): Promise<Opened> => {
  const pool = new pg.Pool({ connectionString: database?.url, max });
  await pool.query('drop table if exists users, pairs');
  for (const statement of SCHEMA) await pool.query(statement);
  const raw = drizzlePostgres({ client: pool });
  return { raw, db: withSignals(raw, options), close: () => pool.end() };
};

describe.each([['PGlite', openPglite] as const, ...(hasPostgres ? ([['node-postgres', openPostgres]] as const) : [])])(
  'Drizzle on %s',
  (name, open) => {
    const logCommits = (): void => {
      postSave.connect(
        ({ name: table }: { name?: string }, { instance, onCommit, onRollback }) => {
          const row = (instance as { name?: string }).name ?? String(table);
          onCommit(() => log.push(`committed ${row}`));
          onRollback(() => log.push(`rolled back ${row}`));
        },
        { owner } as never,
      );
    };

    test('composite keys and unique constraints are recognised, also where rows are written one by one', async () => {
      const { db, close } = await open({ bulk: 'individual' });
      await db.insert(pairs).values([
        { a: 1, b: 2, org: 1, slug: 's' },
        { a: 1, b: 3, org: 1, slug: 't' },
      ]);
      postSave.connect(
        (_sender, { instance, changes }) => log.push(`${String(instance.b)} ${JSON.stringify(changes)}`),
        {
          sender: pairs,
          owner,
        },
      );
      postBulk.connect(() => log.push('bulk'), { sender: pairs, owner });
      await db
        .update(pairs)
        .set({ v: 'x' })
        .where(and(eq(pairs.a, 1), eq(pairs.b, 2)));
      await db
        .update(pairs)
        .set({ v: 'y' })
        .where(and(eq(pairs.org, 1), eq(pairs.slug, 's')));
      await db.update(pairs).set({ v: 'z' }).where(eq(pairs.a, 1));
      expect(log).toEqual([
        '2 {"v":{"from":null,"to":"x"}}',
        '2 {"v":{"from":"x","to":"y"}}',
        '2 {"v":{"from":"y","to":"z"}}',
        '3 {"v":{"from":null,"to":"z"}}',
      ]);
      await close();
    });

    test('what one row gets from a receiver reaches no other, and a unique column that is none makes it a bulk write', async () => {
      const { db, raw, close } = await open();
      const wrongly = pgCore.pgTable('pairs', { a: pgCore.integer('one').unique(), v: pgCore.text() });
      await raw.insert(pairs).values([
        { a: 1, b: 1 },
        { a: 1, b: 2 },
      ]);
      postSave.connect(() => log.push('save'), { sender: wrongly, owner });
      postBulk.connect((_sender, { count }) => log.push(`bulk ${String(count)}`), { sender: wrongly, owner });
      await db.update(wrongly).set({ v: 'x' }).where(eq(wrongly.a, 1));
      expect(log).toEqual(['bulk 2']);
      const unread = withSignals(raw, { beforeImage: false });
      expect(await outcome(unread.update(wrongly).set({ v: 'y' }).where(eq(wrongly.a, 1)))).toMatch(/has met 2/);
      expect(await raw.select({ v: pairs.v }).from(pairs)).toEqual([{ v: 'x' }, { v: 'x' }]);
      await close();
    });

    test('a commit that PostgreSQL answers with a rollback is one', async () => {
      const { db, close } = await open();
      await db.insert(users).values({ name: 'taken' });
      logCommits();
      postSave.connect(
        async (_sender, { tx }) => {
          await tx.insert(pairs).values({ a: 1, b: 1 });
          await (tx as unknown as Opened['db']).execute(sql`select * from nowhere`).catch(() => undefined);
        },
        { sender: users, owner } as never,
      );
      expect(await outcome(db.insert(users).values({ name: 'own' }).returning())).toMatch(/Nothing was written/);
      expect(
        await outcome(db.transaction(async (tx) => tx.insert(users).values({ name: 'of the app' }))),
        'a transaction of the app resolves as it does without signals',
      ).toBe('ok');
      expect(log.filter((each) => each.startsWith('committed'))).toEqual([]);
      expect(log).toEqual(expect.arrayContaining(['rolled back own', 'rolled back of the app']));
      expect(await db.$count(users)).toBe(1);
      await close();
    });

    test('what a receiver asks for late, when a sibling has rolled everything back, is dropped', async () => {
      const { db, close } = await open();
      postSave.connect(() => sleep(30), { sender: users, owner });
      logCommits();
      postSave.connect(() => log.push('called after the commit'), { sender: users, owner, afterCommit: true });
      const transaction = db.transaction((tx) =>
        Promise.all([
          tx.insert(users).values({ name: 'a' }),
          sleep(10).then(() => {
            throw new Error('declined');
          }),
        ]),
      );
      expect(await outcome(transaction)).toBe('Error: declined');
      await sleep(50);
      expect(log).toEqual([]);
      expect(await db.$count(users)).toBe(0);
      await close();
    });

    test('a write whose transaction ends while preSave runs is not made outside of it', async () => {
      const { db, close } = await open();
      preSave.connect(() => sleep(30), { sender: users, owner });
      let late: Promise<string> | undefined;
      const transaction = db.transaction(async (tx) => {
        late = outcome(tx.insert(users).values({ name: 'a' }));
        await sleep(5);
        throw new Error('declined');
      });
      expect(await outcome(transaction)).toBe('Error: declined');
      expect(await late).toMatch(/transaction has ended/);
      expect(await db.$count(users)).toBe(0);
      await close();
    });

    test.each([30, 1])('savepoints of one name: what waits is run for the rows that are there (%i)', async (pause) => {
      const { db, close } = await open();
      logCommits();
      await db.transaction(async (tx) => {
        await tx.insert(users).values({ name: 'outer' });
        const slow = tx.transaction(async (inner) => {
          await inner.insert(users).values({ name: 'slow, early' });
          await sleep(pause);
          await inner.insert(users).values({ name: 'slow, late' });
        });
        const failing = tx.transaction(async (inner) => {
          await inner.insert(users).values({ name: 'failing' });
          await sleep(10);
          throw new Error('to the savepoint');
        });
        await Promise.allSettled([slow, failing]);
        await tx.insert(users).values({ name: 'last' });
      });
      const rows = (await db.select().from(users).orderBy(users.id)).map((row) => `committed ${String(row.name)}`);
      expect(log.filter((each) => each.startsWith('committed'))).toEqual(rows);
      await close();
    });

    test('writes in $with() are loud, also of a query that only reads', async () => {
      const { db, close } = await open();
      postSave.connect(() => log.push('save'), { sender: users, owner });
      postBulk.connect((_sender, { operation }) => log.push(operation), { sender: users, owner });
      const heard = await warnings(async () => {
        const written = db.$with('written').as(db.insert(users).values({ name: 'cte' }).returning({ id: users.id }));
        expect(await db.with(written).select().from(written)).toEqual([{ id: 1 }]);
      });
      expect(heard).toEqual([expect.stringMatching(/A bulk insert of users/)]);
      expect(log).toEqual(['insert']);
      await close();
    });

    test('the configuration of a transaction is passed on', async () => {
      const { db, close } = await open();
      postSave.connect(() => log.push('save'), { sender: users, owner });
      const level = await db.transaction(async (tx) => tx.execute(sql`show transaction isolation level`), {
        isolationLevel: 'serializable',
      });
      expect(level.rows).toEqual([{ transaction_isolation: 'serializable' }]);
      await close();
    });

    test('several rows of one insert are in one transaction', async () => {
      const { db, close } = await open();
      postSave.connect(
        (_sender, { instance }) => {
          if (instance.name === 'b') throw new Error('no');
        },
        { sender: users, owner },
      );
      expect(await outcome(db.insert(users).values([{ name: 'a' }, { name: 'b' }]))).toBe('Error: no');
      expect(await db.$count(users)).toBe(0);
      await close();
    });

    test("'individual': a statement that fails dooms the app's transaction, as it does without signals", async () => {
      const { raw, db, close } = await open({ bulk: 'individual' });
      postSave.connect(() => undefined, { sender: users, owner });
      for (const each of [raw, db]) {
        await each.delete(users);
        const doomed = each.transaction(async (tx) => {
          await tx.insert(users).values([{ name: 'a' }, { name: 'b' }]);
          expect(await outcome(tx.update(users).set({ name: 'same' }))).toMatch(/Failed query: update "users" set/);
        });
        await outcome(doomed);
        expect(await raw.select().from(users)).toEqual([]);
      }
      await close();
    });

    test("'individual': receivers may change each row otherwise", async () => {
      const { db, close } = await open({ bulk: 'individual' });
      await db.insert(users).values([{ name: 'a' }, { name: 'b' }]);
      preSave.connect((_sender, { instance }) => void (instance.name = `new ${String(instance.id)}`), {
        sender: users,
        owner,
      });
      postSave.connect((_sender, { changes }) => log.push(JSON.stringify(changes)), { sender: users, owner });
      await db.transaction((tx) => tx.update(users).set({ name: 'c' }));
      expect(log).toEqual(['{"name":{"from":"a","to":"new 1"}}', '{"name":{"from":"b","to":"new 2"}}']);
      expect((await db.select().from(users)).map((row) => row.name).sort()).toEqual(['new 1', 'new 2']);
      await close();
    });

    test('a polluted Object.prototype changes no condition', async () => {
      const { db, close } = await open();
      await db.insert(users).values([{ name: 'a' }, { name: 'b' }]);
      postBulk.connect(() => log.push('bulk'), { owner });
      postSave.connect(() => log.push('save'), { sender: users, owner });
      Object.assign(Object.prototype, { where: 'polluted' });
      try {
        await db
          .update(users)
          .set({ name: 'c' })
          .where(sql`name = 'a'`);
        await db.update(users).set({ name: 'd' }).where(eq(users.id, 2));
      } finally {
        Reflect.deleteProperty(Object.prototype, 'where');
      }
      expect((await db.select().from(users)).map((row) => row.name).sort()).toEqual(['c', 'd']);
      await close();
    });

    test('a receiver that writes through the app’s handle is told so, and hangs nothing', async () => {
      const { db, close } = await (name === 'PGlite' ? open() : openPostgres({}, 1));
      postSave.connect(
        async function audit() {
          await db.insert(pairs).values({ a: 1, b: 1 });
        },
        { sender: users, owner },
      );
      expect(await outcome(db.insert(users).values({ name: 'a' }))).toMatch(/→ audit writes outside the transaction/);
      expect(await db.$count(users)).toBe(0);
      await close();
    });
  },
);

describe.runIf(hasPostgres)('Drizzle on node-postgres', () => {
  test('a backend that dies while a receiver waits does not end the process', async () => {
    const { db, raw, close } = await openPostgres();
    postSave.connect(
      async (_sender, { tx }) => {
        const { rows } = await (tx as unknown as Opened['db']).execute(sql`select pg_backend_pid() as pid`);
        await raw.execute(sql`select pg_terminate_backend(${(rows[0] as { pid: number }).pid})`);
        await sleep(20);
      },
      { sender: users, owner } as never,
    );
    expect(await outcome(db.insert(users).values({ name: 'a' }))).not.toBe('ok');
    disconnectReceivers(owner);
    expect(await outcome(db.insert(users).values({ name: 'b' }))).toBe('ok');
    expect(await db.$count(users)).toBe(1);
    await close();
  });

  test.each([1, 2, 10])('a pool of %i: more writes than connections, with receivers after the commit', async (max) => {
    const { db, close } = await openPostgres({}, max);
    postSave.connect(
      async (_sender, { tx, instance }) => {
        await tx.insert(pairs).values({ a: (instance as { id: number }).id, b: 1 });
      },
      { sender: users, owner } as never,
    );
    const after = async (): Promise<void> => void log.push(String(await db.$count(users)));
    postSave.connect(after, { sender: users, owner, afterCommit: true });
    const names = Array.from({ length: 30 }, (_unused, index) => `n${String(index)}`);
    await Promise.all(names.map((name) => db.insert(users).values({ name })));
    expect([await db.$count(users), await db.$count(pairs), log.length]).toEqual([30, 30, 30]);
    await close();
  });

  test('a single connection: writes at once do not end each other’s transactions', async () => {
    const client = new pg.Client({ connectionString: database?.url });
    await client.connect();
    await client.query('drop table if exists users, pairs');
    for (const statement of SCHEMA) await client.query(statement);
    const db = withSignals(drizzlePostgres({ client }));
    postSave.connect(
      async (_sender, { instance }) => {
        await sleep(2);
        await db.insert(pairs).values({ a: instance.id, b: 1 });
        if (instance.id % 2 === 0) throw new Error('no');
      },
      { sender: users, owner },
    );
    await Promise.allSettled(
      Array.from({ length: 6 }, (_unused, index) => db.insert(users).values({ name: String(index) })),
    );
    expect([await db.$count(users), await db.$count(pairs)]).toEqual([3, 3]);
    await db.transaction(async (tx) => {
      await tx.insert(users).values({ id: 101, name: 'in' });
      await db.insert(users).values({ id: 103, name: 'the same connection' });
    });
    expect(await db.$count(users)).toBe(5);
    await client.end();
  });
});

test('Drizzle without transactions: an error names the option that does without them', async () => {
  const queries: string[] = [];
  const proxy = drizzleProxy((query) => {
    queries.push(query);
    return Promise.resolve({ rows: [[1, 'a', 1, 'a']] });
  });
  postSave.connect(() => log.push('save'), { sender: users, owner });
  expect(await outcome(withSignals(proxy).insert(users).values({ name: 'a' }).returning())).toMatch(/atomic: false/);
  expect(queries).toEqual([]);
  const db = withSignals(proxy, { atomic: false });
  expect(await db.insert(users).values({ name: 'a' }).returning()).toEqual([{ id: 1, name: 'a' }]);
  expect(log).toEqual(['save']);
});
