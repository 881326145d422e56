/** What waits for a commit of Kysely's, however the transaction was begun and ended. */
import { setImmediate } from 'node:timers/promises';
import { type CompiledQuery, Kysely, PostgresDialect, sql, SqliteDialect } from 'kysely';
import Sqlite from 'libsql';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { type SignalsOptions, withSignals } from '../../src/kysely.ts';
import { postSave, preSave } from '../../src/models.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';

interface Tables {
  people: { id: number | undefined; name: string };
}
type Db = Kysely<Tables>;
interface Args {
  readonly instance: { name: string };
  readonly tx: Db;
  readonly onCommit: (callback: () => unknown) => void;
  readonly onRollback: (callback: () => unknown) => void;
}

const pause = (milliseconds = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe.each(availableEngines('sqlite', 'postgres'))('Kysely transactions, %s', (engine) => {
  let database: FreshDatabase;
  let bare: Db;
  let db: Db;
  let log: string[] = [];
  let queries: string[] = [];
  const owner = {};

  beforeAll(async () => {
    database = await freshDatabase(engine, 'kysely_transactions');
    bare = new Kysely({
      log: ({ query }: { query: CompiledQuery }) => void queries.push(query.sql),
      dialect:
        engine === 'sqlite'
          ? new SqliteDialect({ database: new Sqlite(':memory:') })
          : new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url, max: 1 }) }),
    });
    const id = engine === 'sqlite' ? 'integer primary key autoincrement' : 'serial primary key';
    await sql.raw(`create table people (id ${id}, name text not null unique)`).execute(bare);
    db = withSignals(bare);
  });
  afterAll(async () => {
    await bare.destroy();
    await database.drop();
  });
  beforeEach(async () => {
    await bare.deleteFrom('people').execute();
    log = [];
    queries = [];
  });
  afterEach(() => {
    disconnectReceivers(owner);
  });

  const listen = (signal: object, receiver: (args: Args) => unknown, options: object = {}): void => {
    (signal as AnySignal).connect((_sender: unknown, args: never) => receiver(args), {
      owner,
      sender: 'people',
      ...options,
    });
  };
  const attach = (options: SignalsOptions<Tables>): Db => withSignals(bare, options);
  const insert = (tx: Db, name: string): Promise<unknown> => tx.insertInto('people').values({ name }).execute();
  const names = async (): Promise<string[]> =>
    (await bare.selectFrom('people').select('name').orderBy('id').execute()).map(({ name }) => name);
  const note = (): void => {
    listen(postSave, ({ instance: { name }, onCommit, onRollback }) => {
      onCommit(() => log.push(`committed ${name}`));
      onRollback(() => log.push(`rolled back ${name}`));
    });
    listen(
      postSave,
      async ({ instance: { name } }) => log.push(`after ${name}, ${String((await names()).length)} there`),
      {
        afterCommit: true,
      },
    );
  };
  /** A query that fails, and that somebody tolerates. */
  const fail = (tx: Db): Promise<unknown> => sql`select * from nothing`.execute(tx).catch(() => undefined);

  test('what a receiver asks for after a sibling has rolled back is dropped', async () => {
    let begun = (): void => undefined;
    listen(postSave, async ({ onCommit, onRollback }) => {
      begun();
      await pause();
      onCommit(() => log.push('committed'));
      onRollback(() => log.push('rolled back'));
    });
    const run = async (tx: Db): Promise<unknown> => {
      const receiver = new Promise<void>((resolve) => (begun = resolve));
      return Promise.all([insert(tx, 'a'), receiver.then(() => Promise.reject(new Error('sibling')))]);
    };
    await expect(db.transaction().execute(run)).rejects.toThrow('sibling');
    const tx = await db.startTransaction().execute();
    await run(tx).catch(() => tx.rollback().execute());
    await pause(80);
    expect([await names(), log]).toEqual([[], ['rolled back', 'rolled back']]);
  });

  test('runs after the commit, when no connection is held, in order', async () => {
    note();
    await insert(db, 'a');
    await db.transaction().execute(async (tx) => {
      await insert(tx, 'b');
      await insert(tx, 'c');
      expect(log.filter((each) => !each.endsWith(' a') && !each.startsWith('after a'))).toEqual([]);
    });
    expect(log).toEqual([
      'committed a',
      'after a, 1 there',
      'committed b',
      'after b, 3 there',
      'committed c',
      'after c, 3 there',
    ]);
  });

  test('follows savepoints, of the same name too', async () => {
    note();
    const tx = await db.startTransaction().execute();
    await insert(tx, 'a');
    const first = await tx.savepoint('one').execute();
    await insert(first, 'dropped');
    const second = await first.savepoint('one').execute();
    await insert(second, 'dropped too');
    await second.releaseSavepoint('one').execute();
    await first.rollbackToSavepoint('one').execute();
    await insert(tx, 'b');
    await tx.rollback().execute();
    expect(log).toEqual(['rolled back a', 'rolled back dropped', 'rolled back dropped too', 'rolled back b']);
    expect([tx.isRolledBack, await names()]).toEqual([true, []]);
  });

  test('a commit that is not one is a rollback', async () => {
    note();
    if (engine === 'postgres') {
      listen(preSave, ({ tx, instance }) => (instance.name === 'doomed' ? fail(tx) : undefined));
      listen(postSave, ({ tx, instance }) => (instance.name === 'late' ? fail(tx) : undefined));
      await expect(insert(db, 'doomed')).rejects.toThrow(/aborted/);
      await expect(insert(db, 'late')).rejects.toThrow(/rolls the transaction back|rolled back/);
      const run = async (tx: Db): Promise<void> => {
        await insert(tx, 'a');
        await fail(tx);
      };
      await expect(db.transaction().execute(run)).rejects.toThrow();
      const tx = await db.startTransaction().execute();
      await run(tx);
      await expect(tx.commit().execute()).rejects.toThrow();
      expect([tx.isRolledBack, log]).toEqual([true, ['rolled back late', 'rolled back a', 'rolled back a']]);
    }
    expect(await names()).toEqual([]);
  });

  test('a write in a transaction that the app begins in SQL is part of it', async () => {
    note();
    await db.connection().execute(async (connection) => {
      await sql`begin`.execute(connection);
      await insert(connection, 'a');
      await sql`rollback`.execute(connection);
      await sql`begin`.execute(connection);
      await insert(connection, 'b');
      await sql`savepoint nested`.execute(connection);
      await insert(connection, 'c');
      await sql`rollback to savepoint nested`.execute(connection);
      await sql`commit`.execute(connection);
    });
    await insert(db, 'd');
    expect(await names()).toEqual(['b', 'd']);
    expect(log.filter((each) => !each.startsWith('after'))).toEqual([
      'rolled back a',
      'committed b',
      'rolled back c',
      'committed d',
    ]);
    expect(queries.filter((query) => query.startsWith('begin'))).toHaveLength(3);
  });

  test('a receiver that writes through the app is told, and does not hang', async () => {
    const strict = attach({ outside: 'throw' });
    listen(postSave, ({ instance }) => (instance.name === 'a' ? insert(strict, 'outside') : undefined));
    await expect(insert(strict, 'a')).rejects.toThrow(/writes outside the transaction.*insert of people/s);
    disconnectReceivers(owner);
    listen(postSave, ({ instance, tx }) => (instance.name === 'a' ? insert(tx, 'inside') : undefined));
    await insert(strict, 'a');
    expect(await names()).toEqual(['a', 'inside']);
    disconnectReceivers(owner);
    if (engine === 'sqlite') {
      listen(postSave, ({ instance }) => (instance.name === 'b' ? insert(db, 'outside') : undefined));
      await expect(insert(db, 'b')).rejects.toThrow(/could wait for ever/);
    }
  });

  test.each([
    ['a read', (app: Db) => app.selectFrom('people').selectAll().execute()],
    ['a write', (app: Db) => insert(app, 'outside')],
    ['a transaction', (app: Db) => app.transaction().execute((tx) => insert(tx, 'outside'))],
    ['a transaction by hand', (app: Db) => app.startTransaction().execute()],
    ['a connection', (app: Db) => app.connection().execute((connection) => insert(connection, 'outside'))],
  ])('a receiver that waits for a connection while it holds the only one gets an error: %s', async (_what, use) => {
    let begun = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (begun = resolve));
    listen(postSave, ({ instance }) => {
      if (instance.name !== 'a') return undefined;
      const used = use(db);
      begun();
      return used;
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const outcome = insert(db, 'a').then(() => 'written', String);
    await waiting;
    await setImmediate();
    vi.advanceTimersByTime(6_000);
    vi.useRealTimers();
    expect(await outcome).toMatch(
      /receiver in postSave people .*(has waited 6 seconds for a connection|It is refused)/,
    );
    await insert(db, 'b');
    expect(await names()).toEqual(['b']);
  });

  test('a receiver that has ended waits for a connection as long as it takes', async () => {
    let read: Promise<unknown> = Promise.resolve();
    listen(
      postSave,
      () =>
        void (read = db
          .selectFrom('people')
          .selectAll()
          .execute()
          .then((found) => found.length)),
    );
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await db.transaction().execute(async (tx) => {
      await insert(tx, 'a');
      vi.advanceTimersByTime(6_000);
      vi.useRealTimers();
    });
    expect(await read).toBe(1);
  });

  test('a throw of a receiver undoes the write', async () => {
    listen(postSave, () => Promise.reject(new Error('no')));
    await expect(insert(db, 'a')).rejects.toThrow('no');
    await expect(db.transaction().execute((tx) => insert(tx, 'a'))).rejects.toThrow('no');
    expect(await names()).toEqual([]);
    await expect(insert(attach({ atomic: false }), 'a')).rejects.toThrow('no');
    expect(await names()).toEqual(['a']);
  });
});

test('a database without transactions says how to do without', async () => {
  const { createDriver } = SqliteDialect.prototype;
  const dialect = new SqliteDialect({ database: new Sqlite(':memory:') });
  dialect.createDriver = function () {
    const driver = createDriver.call(this);
    driver.beginTransaction = () => Promise.reject(new Error('Transactions are not supported yet.'));
    return driver;
  };
  const limited = new Kysely<Tables>({ dialect });
  await sql`create table people (id integer primary key, name text)`.execute(limited);
  const owner = {};
  (postSave as AnySignal).connect(() => undefined, { owner, sender: 'people' });
  const write = (db: Db): Promise<unknown> => db.insertInto('people').values({ name: 'a' }).execute();
  await expect(write(withSignals(limited))).rejects.toThrow(/Transactions are not supported.*atomic: false/s);
  await write(withSignals(limited, { atomic: false }));
  expect(await limited.selectFrom('people').select('name').execute()).toEqual([{ name: 'a' }]);
  disconnectReceivers(owner);
  await limited.destroy();
});
