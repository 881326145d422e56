/** MariaDB returns little of what it has written: what receivers get is read again. */
import { CamelCasePlugin, Kysely, MysqlDialect, sql } from 'kysely';
import mysql from 'mysql2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../src/models.ts';
import { type SignalsOptions, withSignals } from '../../src/kysely.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';

type Row = Record<string, unknown>;
interface Payload {
  readonly instance: Row;
  readonly created?: boolean;
  readonly changes?: object | null;
  readonly operation?: string;
  readonly count?: number;
  onCommit(callback: () => void): void;
  onRollback(callback: () => void): void;
}
type Tables = Record<string, Record<string, never>>;

describe.runIf(availableEngines('mariadb').length > 0)('Kysely on MariaDB', () => {
  const owner = {};
  let database: FreshDatabase;
  let bare: Kysely<never>;
  let queries: string[] = [];
  let log: unknown[] = [];

  beforeAll(async () => {
    database = await freshDatabase('mariadb', 'kysely_mariadb');
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    log = [];
    const pool = mysql.createPool({ uri: database.url, connectionLimit: 3 });
    bare = new Kysely<never>({ dialect: new MysqlDialect({ pool }), log: ({ query }) => void queries.push(query.sql) });
    await run(
      'create or replace table people (id int auto_increment primary key, name varchar(20), age int default 7)',
    );
    await run('create or replace table tokens (id uuid primary key default uuid(), name varchar(20) unique)');
    await run('create or replace table seats (hall int, place int, guest varchar(20), primary key (hall, place))');
    await run('create or replace table notes (text varchar(20))');
    queries = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    await bare.destroy();
  });

  const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(bare);
  const wrapped = (options?: SignalsOptions): Kysely<Tables> =>
    withSignals(bare as unknown as Kysely<Tables>, options as never);
  const listen = (signal: object, receiver: (payload: Payload, sender: unknown) => unknown): void => {
    (signal as AnySignal).connect((sender: unknown, payload: Payload) => receiver(payload, sender), { owner });
  };
  const logAll = (): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as readonly AnySignal[])
      listen(signal, ({ instance, operation, count }) =>
        log.push(operation === undefined ? [signal.name, { ...instance }] : [signal.name, operation, count]),
      );
  };
  const insert = (db: Kysely<Tables>, table: string, values: object): Promise<unknown> =>
    db.insertInto(table).values(values).execute();

  test('an inserted row gets what the database has filled in', async () => {
    const db = wrapped();
    logAll();
    expect(
      await db
        .insertInto('people')
        .values({ name: 'Ada' } as never)
        .executeTakeFirst(),
    ).toEqual({
      insertId: 1n,
      numInsertedOrUpdatedRows: 1n,
    });
    expect(log).toEqual([
      ['preSave', { name: 'Ada' }],
      ['postSave', { id: 1, name: 'Ada', age: 7 }],
    ]);
  });

  test('rows of one statement get each its own, in steps of the server', async () => {
    const db = wrapped();
    listen(postSave, ({ instance }) => log.push(instance.id, instance.name));
    await db.connection().execute(async (connection) => {
      await sql`set @@session.auto_increment_increment = 10`.execute(connection);
      await insert(connection, 'people', [{ name: 'a' }, { name: 'b' }, { name: 'c' }]);
      await sql`set @@session.auto_increment_increment = 1`.execute(connection);
    });
    expect(log).toEqual([1, 'a', 11, 'b', 21, 'c']);
  });

  test('rows with keys of their own are found by them; a row without a column too', async () => {
    const db = wrapped();
    listen(postSave, ({ instance }) => log.push({ ...instance }));
    await insert(db, 'seats', [
      { hall: 2, place: 1, guest: 'b' },
      { hall: 1, place: 1, guest: 'a' },
    ]);
    await insert(db, 'people', {});
    await insert(db, 'people', { id: 0, name: 'zero' });
    await insert(db, 'people', [{ id: 30 }, { id: 20 }]);
    expect(log).toEqual([
      { hall: 2, place: 1, guest: 'b' },
      { hall: 1, place: 1, guest: 'a' },
      { id: 1, name: null, age: 7 },
      { id: 2, name: 'zero', age: 7 },
      { id: 30, name: null, age: 7 },
      { id: 20, name: null, age: 7 },
    ]);
  });

  test('rows of which MariaDB makes the key are returned; those of a table without a key are as written', async () => {
    const db = wrapped();
    listen(postSave, ({ instance }) => log.push({ ...instance, id: typeof instance.id }));
    const result = await db
      .insertInto('tokens')
      .values([{}, {}] as never)
      .executeTakeFirst();
    expect(result).toEqual({ insertId: undefined, numInsertedOrUpdatedRows: 2n });
    await insert(db, 'notes', { text: 'n' });
    expect(log).toEqual([
      { id: 'string', name: null },
      { id: 'string', name: null },
      { id: 'undefined', text: 'n' },
    ]);
  });

  test('some rows with a number and some without are a bulk write', async () => {
    const db = wrapped({ bulk: 'signal' });
    logAll();
    await insert(db, 'people', [{ id: 5 }, { name: 'b' }]);
    expect(log).toEqual([['postBulk', 'insert', 2]]);
  });

  test('what preSave changes is written, also on one of several rows', async () => {
    const db = wrapped();
    listen(preSave, ({ instance }) => {
      if (instance.name === 'a') Object.assign(instance, { name: 'A', age: 1 });
    });
    listen(postSave, ({ instance }) => log.push({ ...instance }));
    await insert(db, 'people', [{ name: 'a' }, { name: 'b' }]);
    await db
      .updateTable('people')
      .set({ name: 'a' } as never)
      .where('id' as never, '=', 2 as never)
      .execute();
    const rows = [
      { id: 1, name: 'A', age: 1 },
      { id: 2, name: 'b', age: 7 },
      { id: 2, name: 'A', age: 1 },
    ];
    expect(log).toEqual(rows);
    expect(await db.selectFrom('people').selectAll().execute()).toEqual([rows[0], rows[2]]);
  });

  test('an update tells what has changed, also of its key', async () => {
    const db = wrapped();
    await insert(bare as never, 'people', { name: 'a' });
    listen(postSave, ({ instance, changes }) => log.push({ ...instance }, changes));
    const where = ['id', '=', 1] as unknown as [never, never, never];
    await db
      .updateTable('people')
      .set({ age: 8, name: 'a' } as never)
      .where(...where)
      .execute();
    await db
      .updateTable('people')
      .set({ id: 9 } as never)
      .where(...where)
      .execute();
    await db
      .updateTable('people')
      .set({ age: 9 } as never)
      .where(...where)
      .execute();
    expect(log).toEqual([
      { id: 1, name: 'a', age: 8 },
      { age: { from: 7, to: 8 } },
      { id: 9, name: 'a', age: 8 },
      { id: { from: 1, to: 9 } },
    ]);
  });

  test('individual updates and deletes send for the rows that there are, and write what receivers change', async () => {
    const db = wrapped({ bulk: 'individual' });
    await insert(bare as never, 'people', [{ name: 'a' }, { name: 'b' }, { name: 'c', age: 1 }]);
    listen(preSave, ({ instance }) => {
      if (instance.name === 'b') instance.name = 'B';
    });
    logAll();
    const result = await db
      .updateTable('people')
      .set({ age: 8 } as never)
      .where('age' as never, '=', 7 as never)
      .executeTakeFirst();
    expect(result).toEqual({ numUpdatedRows: 2n, numChangedRows: 2n });
    expect(
      await db
        .deleteFrom('people')
        .where('age' as never, '=', 8 as never)
        .executeTakeFirst(),
    ).toEqual({
      numDeletedRows: 2n,
    });
    expect(log).toEqual([
      ['preSave', { id: 1, name: 'a', age: 8 }],
      ['preSave', { id: 2, name: 'B', age: 8 }],
      ['postSave', { id: 1, name: 'a', age: 8 }],
      ['postSave', { id: 2, name: 'B', age: 8 }],
      ['preDelete', { id: 1, name: 'a', age: 8 }],
      ['preDelete', { id: 2, name: 'B', age: 8 }],
      ['postDelete', { id: 1, name: 'a', age: 8 }],
      ['postDelete', { id: 2, name: 'B', age: 8 }],
    ]);
  });

  test('a delete sends once if the row was there', async () => {
    const db = wrapped();
    await insert(bare as never, 'people', { name: 'a' });
    listen(postDelete, ({ instance }) => log.push({ ...instance }));
    const remove = (): Promise<unknown> =>
      db
        .deleteFrom('people')
        .where('id' as never, '=', 1 as never)
        .execute();
    await remove();
    await remove();
    expect(log).toEqual([{ id: 1, name: 'a', age: 7 }]);
  });

  test('returning(), of which Kysely makes nothing here, stays so', async () => {
    const db = wrapped();
    const calls = async (on: Kysely<Tables>): Promise<unknown> => [
      await on
        .insertInto('people')
        .values({ id: 1, name: 'a' } as never)
        .returning('id' as never)
        .execute(),
      await on
        .deleteFrom('people')
        .where('id' as never, '=', 1 as never)
        .returning('name as who' as never)
        .execute(),
    ];
    const expected = await calls(bare as unknown as Kysely<Tables>);
    logAll();
    expect(await calls(db)).toEqual(expected);
    expect(log).toEqual([
      ['preSave', { id: 1, name: 'a' }],
      ['postSave', { id: 1, name: 'a', age: 7 }],
      ['preDelete', { id: 1, name: 'a', age: 7 }],
      ['postDelete', { id: 1, name: 'a', age: 7 }],
    ]);
  });

  test('a post receiver that throws undoes the write', async () => {
    const db = wrapped();
    listen(postSave, () => {
      throw new RangeError('no');
    });
    await expect(insert(db, 'people', { name: 'a' })).rejects.toThrow(RangeError);
    expect(await db.selectFrom('people').selectAll().execute()).toEqual([]);
  });

  test('plugins see the names of the app', async () => {
    await run('create or replace table long_names (long_id int auto_increment primary key, first_name varchar(20))');
    const db = withSignals((bare as unknown as Kysely<Tables>).withPlugin(new CamelCasePlugin()));
    listen(postSave, ({ instance }, sender) => log.push(sender, { ...instance }));
    await insert(db, 'longNames', [{ firstName: 'a' }, { firstName: 'b' }]);
    expect(log).toEqual(['longNames', { longId: 1, firstName: 'a' }, 'longNames', { longId: 2, firstName: 'b' }]);
  });

  test('a table without receivers costs no query and no transaction', async () => {
    const db = wrapped();
    listen(postDelete, () => undefined);
    await insert(db, 'people', { name: 'a' });
    expect(queries.map((each) => each.split(' ')[0])).toEqual(['insert']);
  });

  test('after a deadlock what was written before is told as rolled back, and what is written then as it is', async () => {
    const db = wrapped();
    await insert(bare as never, 'seats', [
      { hall: 1, place: 1 },
      { hall: 1, place: 2 },
    ]);
    listen(postSave, ({ instance, onCommit, onRollback }) => {
      onCommit(() => log.push(`${String(instance.name)} committed`));
      onRollback(() => log.push(`${String(instance.name)} rolled back`));
    });
    const lock = (tx: Kysely<Tables>, place: number): Promise<unknown> =>
      sql`select * from seats where hall = 1 and place = ${place} for update`.execute(tx);
    const other = await (bare as unknown as Kysely<Tables>).startTransaction().execute();
    await lock(other, 2);
    // The one that has written more survives.
    for (let index = 0; index < 20; index++) await insert(other, 'notes', { text: 'x' });
    await db.transaction().execute(async (tx) => {
      await lock(tx, 1);
      await insert(tx, 'people', { name: 'before' });
      const waits = lock(tx, 2);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const survives = lock(other, 1);
      await expect(waits).rejects.toMatchObject({ code: 'ER_LOCK_DEADLOCK' });
      await survives;
      await insert(tx, 'people', { name: 'after' });
    });
    await other.rollback().execute();
    expect(log.toSorted()).toEqual(['after committed', 'before rolled back']);
    const names = await db
      .selectFrom('people')
      .select('name' as never)
      .execute();
    expect(names).toEqual([{ name: 'after' }]);
  });
});
