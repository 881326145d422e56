import {
  CamelCasePlugin,
  DummyDriver,
  type ControlledTransaction,
  type Generated,
  Kysely,
  MssqlAdapter,
  MssqlIntrospector,
  MssqlQueryCompiler,
  MysqlDialect,
  NoResultError,
  PostgresDialect,
  type Selectable,
  sql,
  SqliteDialect,
  type Transaction,
} from 'kysely';
import Sqlite from 'libsql';
import mysql from 'mysql2';
import pg from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
  withSignals,
} from '../../src/kysely.ts';
import { availableEngines, freshDatabase } from '../support/databases.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness, type ModelName } from './contract.ts';

interface People {
  id: Generated<number>;
  name: string;
  age: number | null;
}
interface Database {
  people: People;
  seats: { row_number: number; place: number; guest: string | null };
  contract_users: { id: Generated<number>; name: string; email: string };
  contract_profiles: { id: Generated<number>; userId: number; bio: string };
}
declare module '../../src/kysely.ts' {
  interface Register {
    database: Database;
  }
}

const postgres = await startPostgres();
afterAll(() => postgres.close());
const tables = { User: 'contract_users', Profile: 'contract_profiles' } as const;
/** One type for both tables, or no call would be of one. */
const table = (model: ModelName): 'contract_users' => tables[model] as 'contract_users';

/** With transactions that are ended by hand: those that callbacks are given have no savepoints. */
function harness(connect: () => Kysely<Database>, concurrent: boolean, returns = true): Harness<Kysely<Database>> {
  let raw: Kysely<Database>;
  let db: Kysely<Database>;
  let savepoints = 0;
  const filtered = (
    query: { where(name: never, operator: never, value: never): unknown },
    condition: object,
  ): typeof query =>
    Object.entries(condition).reduce<typeof query>(
      (each, [name, value]) => each.where(name as never, '=' as never, value as never) as typeof query,
      query,
    );
  const insert = async (on: Kysely<Database>, model: ModelName, values: readonly object[]): Promise<object[]> => {
    const query = on.insertInto(table(model)).values(values as never);
    if (returns) return query.returningAll().execute();
    const { insertId } = await query.executeTakeFirstOrThrow();
    return values.map((each, index) => ({ ...each, id: Number(insertId) + index }));
  };
  const run = (query: unknown): Promise<unknown[]> => (query as { execute(): Promise<unknown[]> }).execute();
  return {
    senders: tables,
    wrapsWrites: true,
    savepoints: true,
    // transactions that are ended by hand have no callback that would tell what runs inside
    savepointsAreTold: false,
    concurrent,
    describeWhere: (where) => {
      const { leftOperand, rightOperand } = where as {
        leftOperand: { column: { column: { name: string } } };
        rightOperand: { value: unknown };
      };
      return { [leftOperand.column.column.name]: rightOperand.value };
    },
    async open() {
      raw = connect();
      for (const [table, columns] of [
        ['contract_users', ['name', 'email']],
        ['contract_profiles', ['userId', 'bio']],
      ] as const) {
        await raw.schema.dropTable(table).ifExists().execute();
        const id = raw.schema
          .createTable(table)
          .addColumn(
            'id',
            concurrent || raw.getExecutor().adapter.supportsTransactionalDdl ? 'serial' : 'integer',
            (column) => column.primaryKey(),
          );
        await columns
          .reduce((builder, column) => builder.addColumn(column, column === 'userId' ? 'integer' : 'text'), id)
          .execute();
      }
      await this.attach();
    },
    close: async () => raw.destroy(),
    attach(options) {
      db = withSignals(raw, options);
    },
    detach() {
      db = raw;
    },
    insert: async (model, values, tx = db) => (await insert(tx, model, [values]))[0] as never,
    saveUnchanged: (model, { id, name }) =>
      db
        .updateTable(table(model))
        .set({ name } as never)
        .where('id', '=', id as never)
        .execute(),
    unchanged: ['preSave', 'postSave'],
    insertMany: (model, values, tx = db) => insert(tx, model, values) as never,
    update: (model, { id }, values, tx = db) =>
      tx
        .updateTable(table(model))
        .set(values as never)
        .where('id', '=', id as never)
        .execute(),
    remove: (model, { id }, tx = db) =>
      tx
        .deleteFrom(table(model))
        .where('id', '=', id as never)
        .execute(),
    all: async (model, tx = db) => (await tx.selectFrom(table(model)).selectAll().orderBy('id').execute()) as never,
    async transaction(work, tx) {
      const name = `savepoint_${String(savepoints++)}`;
      const outer = tx as ControlledTransaction<Database> | undefined;
      const inner: ControlledTransaction<Database, string[]> =
        outer === undefined ? await db.startTransaction().execute() : await outer.savepoint(name).execute();
      try {
        const result = await work(inner);
        await (outer === undefined ? inner.commit() : inner.releaseSavepoint(name)).execute();
        return result;
      } catch (error) {
        await (outer === undefined ? inner.rollback() : inner.rollbackToSavepoint(name)).execute();
        throw error;
      }
    },
    bulkUpdate: (model, condition, values) =>
      run(filtered(db.updateTable(table(model)).set(values as never), condition)),
    bulkDelete: (model, condition) => run(filtered(db.deleteFrom(table(model)), condition)),
  };
}

contract(
  'Kysely, PostgreSQL',
  harness(
    () =>
      new Kysely({
        dialect: new PostgresDialect({
          pool: new pg.Pool({ connectionString: postgres.url, max: postgres.connections }),
        }),
      }),
    postgres.connections > 1,
  ),
);
const onSqlite = () =>
  harness(() => new Kysely({ dialect: new SqliteDialect({ database: new Sqlite(':memory:') }) }), false);
contract('Kysely, SQLite', onSqlite(), onSqlite());

if (availableEngines('mariadb').length > 0) {
  const mariadb = await freshDatabase('mariadb', 'kysely_contract');
  afterAll(() => mariadb.drop());
  contract(
    'Kysely, MariaDB',
    harness(
      () =>
        new Kysely({
          dialect: new MysqlDialect({ pool: mysql.createPool({ uri: mariadb.url, connectionLimit: 5 }) }),
        }),
      true,
      false,
    ),
  );
}

describe('Kysely', () => {
  const owner = {};
  let log: string[] = [];
  let queries: string[] = [];
  let raw: Kysely<Database>;

  const open = async (options?: SignalsOptions<Database>, { camel = false } = {}): Promise<Kysely<Database>> => {
    raw = new Kysely<Database>({
      dialect: new SqliteDialect({ database: new Sqlite(':memory:') }),
      plugins: camel ? [new CamelCasePlugin()] : [],
      log: ({ query }) => void queries.push(query.sql),
    });
    await sql`create table people (id integer primary key, name text not null, age integer)`.execute(raw);
    await sql`create table seats (row_number integer, place integer, guest text, primary key (row_number, place))`.execute(
      raw,
    );
    queries = [];
    return withSignals(raw, options);
  };
  const verbs = () => queries.map((query) => (query.includes('pragma') ? 'keys' : query.split(' ')[0])).join();
  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    await raw.destroy();
  });
  const logAll = (): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk]) {
      (signal as AnySignal).connect(
        (_sender: unknown, { instance, operation }: { instance?: Selectable<People>; operation?: string }) =>
          log.push(`${signal.name} ${operation ?? String(instance?.name)}`),
        { owner },
      );
    }
  };

  test('instance and tx are typed by the registered tables', async () => {
    const db = await open();
    postSave.connect(
      async (sender, { instance, tx }) => {
        const name: string = instance.name;
        const table: 'people' = sender;
        // @ts-expect-error there is no such column
        void instance.nmae;
        await tx
          .insertInto('seats')
          .values({ row_number: instance.id, place: 1, guest: `${name} of ${table}` })
          .execute();
      },
      { sender: 'people', owner },
    );
    await db.insertInto('people').values({ name: 'Ada' }).execute();
    expect(await db.selectFrom('seats').select('guest').execute()).toEqual([{ guest: 'Ada of people' }]);
  });

  test('the instance is the same before and after, completed by the database', async () => {
    const db = await open();
    const seen: object[] = [];
    preSave.connect((_sender, { instance }) => void seen.push(instance), { sender: 'people', owner });
    postSave.connect((_sender, { instance }) => void seen.push(instance), { sender: 'people', owner });
    await db.insertInto('people').values({ name: 'Ada' }).execute();
    await db.updateTable('people').set({ age: 3 }).where('id', '=', 1).execute();
    expect(seen[0]).toBe(seen[1]);
    expect(seen[2]).toBe(seen[3]);
    expect(seen[1]).toEqual({ id: 1, name: 'Ada', age: null });
    expect(seen[3]).toEqual({ id: 1, name: 'Ada', age: 3 });
  });

  test('a write is of one row if its conditions name the primary key, however they are written', async () => {
    const db = await open({ bulk: 'signal', primaryKeys: { seats: ['row_number', 'place'] } });
    await db.insertInto('people').values({ name: 'Ada' }).execute();
    await db.insertInto('seats').values({ row_number: 1, place: 2 }).execute();
    logAll();
    await db
      .updateTable('people')
      .set('age', 1)
      .where((each) => each.and({ id: 1, name: 'Ada' }))
      .execute();
    await db.updateTable('people').set({ age: 2 }).where('people.id', '=', 1).where('name', 'like', 'A%').execute();
    await db.updateTable('people as p').set({ age: 3 }).where('p.id', '=', 1).execute();
    await db.updateTable('seats').set({ guest: 'a' }).where('row_number', '=', 1).where('place', '=', 2).execute();
    await db
      .updateTable('people')
      .set((each) => ({ age: each('age', '+', 1) }))
      .$if(true, (query) => query.where('id', '=', 1))
      .$call((query) => query.where('name', '=', 'Ada'))
      .execute();
    expect(log).toEqual(
      Array.from({ length: 5 }, (_unused, index) => (index === 3 ? 'undefined' : 'Ada')).flatMap((name) => [
        `preSave ${name}`,
        `postSave ${name}`,
      ]),
    );
    log = [];
    await db
      .updateTable('people')
      .set({ age: 5 })
      .where((each) => each.or([each('id', '=', 1), each('id', '=', 2)]))
      .execute();
    await db.updateTable('seats').set({ guest: 'b' }).where('row_number', '=', 1).execute();
    await db.deleteFrom('people').where('id', 'in', [1]).execute();
    expect(log).toEqual(['postBulk update', 'postBulk update', 'postBulk delete']);
  });

  test('changes tell what the database made of it', async () => {
    const db = await open();
    await db.insertInto('people').values({ name: 'Ada', age: 1 }).execute();
    for (const signal of [preSave, postSave] as const) {
      (signal as typeof postSave).connect(
        (_sender, { updateFields, changes }) =>
          log.push(`${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`),
        { sender: 'people', owner },
      );
    }
    await db
      .updateTable('people')
      .set((each) => ({ age: each('age', '+', 1), name: 'Ada' }))
      .where('id', '=', 1)
      .execute();
    await db.updateTable('people').set({ name: 'Ada' }).where('id', '=', 1).execute();
    expect(log).toEqual(['age,name null', 'age {"age":{"from":1,"to":2}}', ' {}', ' {}']);
  });

  test('without beforeImage nothing is read', async () => {
    const db = await open({ beforeImage: false });
    await db.insertInto('people').values({ name: 'Ada' }).execute();
    preSave.connect(
      (_sender, { instance }) => {
        log.push(JSON.stringify(instance));
        instance.name = 'Grace';
      },
      { sender: 'people', owner },
    );
    queries = [];
    await db.updateTable('people').set({ age: 7 }).where('id', '=', 1).execute();
    expect(verbs()).toBe('keys,begin,update,select,commit');
    expect(log).toEqual(['{"id":1,"age":7}']);
    expect(await db.selectFrom('people').selectAll().execute()).toEqual([{ id: 1, name: 'Grace', age: 7 }]);
  });

  test('what a write resolves to is what Kysely gives', async () => {
    const db = await open();
    const calls = async (): Promise<unknown> => {
      await db
        .deleteFrom('people')
        .where(sql<boolean>`true`)
        .execute();
      return [
        await db.insertInto('people').values({ name: 'a' }).returningAll().execute(),
        await db
          .insertInto('people')
          .values([{ name: 'b' }, { name: 'c' }])
          .returning(['id', 'name as who', sql<string>`upper(name)`.as('up')])
          .execute(),
        await db
          .insertInto('people')
          .values((each) => ({ name: 'd', age: each.val(3) }))
          .executeTakeFirst(),
        await db.updateTable('people').set({ age: 1 }).where('id', '=', 1).returning('age').executeTakeFirstOrThrow(),
        await db.updateTable('people').set({ age: 1 }).where('id', '=', 99).executeTakeFirst(),
        await db.updateTable('people').set({ age: 1 }).where('id', '=', 99).returningAll().executeTakeFirst(),
        await db.deleteFrom('people').where('id', '=', 2).execute(),
        await db
          .updateTable('people')
          .set({ age: 1 })
          .where('id', '=', 99)
          .returning('id')
          .executeTakeFirstOrThrow()
          .catch((error: unknown) => error instanceof NoResultError),
        await db
          .updateTable('people')
          .set({ age: 1 })
          .where('id', '=', 99)
          .returning('id')
          .executeTakeFirstOrThrow(() => new RangeError('none'))
          .catch(String),
      ].map((each) =>
        JSON.stringify(each, (_key, value: unknown) => (typeof value === 'bigint' ? `${String(value)}n` : value)),
      );
    };
    const expected = await calls();
    logAll();
    // SQLite itself does not say how many rows an insert has changed beside
    expect(await calls()).toEqual(expected);
    expect(log).not.toEqual([]);
  });

  test('a table without receivers costs no query and no transaction; one with receivers one read', async () => {
    const db = await open();
    postSave.connect(() => undefined, { sender: 'seats', owner });
    await db.insertInto('people').values({ name: 'a' }).execute();
    await db.updateTable('people').set({ age: 1 }).where('id', '=', 1).execute();
    await db.deleteFrom('people').where('id', '=', 1).execute();
    expect(verbs()).toBe('insert,update,delete');
    queries = [];
    await db.insertInto('seats').values({ row_number: 1, place: 1 }).execute();
    // one for the id of the last insert, which SQLite tells otherwise
    expect(verbs()).toBe('begin,insert,select,commit');
    postSave.connect(() => undefined, { sender: 'people', owner });
    postDelete.connect(() => undefined, { sender: 'people', owner });
    await db.insertInto('people').values({ name: 'a' }).execute();
    queries = [];
    await db.updateTable('people').set({ age: 1 }).where('id', '=', 1).execute();
    await db.deleteFrom('people').where('id', '=', 1).execute();
    expect(verbs()).toBe('keys,begin,select,update,select,commit,begin,delete,select,commit');
  });

  test('upserts, replaceInto, writes with queries or from expressions are bulk writes', async () => {
    const db = await open({ bulk: 'signal' });
    postSave.connect(() => log.push('save'), { owner });
    postBulk.connect((sender, { operation, count }) => log.push(`${String(sender)} ${operation} ${String(count)}`), {
      owner,
    });
    await db
      .insertInto('people')
      .values({ id: 1, name: 'a' })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ name: 'b' }))
      .execute();
    await db.insertInto('people').orIgnore().values({ id: 1, name: 'a' }).execute();
    await db.replaceInto('people').values({ id: 1, name: 'c' }).execute();
    await db
      .insertInto('people')
      .columns(['name'])
      .expression((each) => each.selectFrom('people').select('name'))
      .execute();
    await db
      .with('some', (each) => each.selectFrom('people').select('id'))
      .updateTable('people')
      .set({ age: 1 })
      .where('id', 'in', (each) => each.selectFrom('some').select('id'))
      .execute();
    await db
      .updateTable('people')
      .set({ age: 2 })
      .where('id', '=', 1)
      .limit(1)
      .execute()
      .catch(() => undefined);
    expect(log).toEqual([
      'people upsert 1',
      'people upsert 0',
      'people upsert 1',
      'people insert 1',
      'people update 2',
    ]);
  });

  test('what is streamed is announced', async () => {
    const db = await open({ bulk: 'throw' });
    await expect(db.deleteFrom('people').returningAll().stream().next()).rejects.toThrow("refused (bulk: 'throw')");
  });

  test('receivers of a transaction with a callback get it, and write in it', async () => {
    const db = await open();
    postSave.connect(
      async (_sender, { tx, instance, onCommit }) => {
        await (tx as Transaction<Database>).insertInto('seats').values({ row_number: instance.id, place: 1 }).execute();
        onCommit(() => log.push('committed'));
      },
      { sender: 'people', owner },
    );
    await db.transaction().execute(async (tx) => {
      await tx.insertInto('people').values({ name: 'a' }).execute();
      expect(log).toEqual([]);
      expect(await tx.selectFrom('seats').selectAll().execute()).toHaveLength(1);
    });
    expect(log).toEqual(['committed']);
    await db
      .transaction()
      .setIsolationLevel('serializable')
      .execute(async (tx) => {
        await tx.insertInto('people').values({ name: 'b' }).execute();
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(log).toEqual(['committed']);
    expect(await db.selectFrom('seats').selectAll().execute()).toHaveLength(1);
  });

  test('a commit releases the savepoints that are left', async () => {
    const db = await open();
    postSave.connect(
      (_sender, { instance, onCommit }) => {
        onCommit(() => log.push(instance.name));
      },
      { sender: 'people', owner },
    );
    const outer = await db.startTransaction().execute();
    await outer.insertInto('people').values({ name: 'a' }).execute();
    const inner = await outer.savepoint('one').execute();
    await inner.insertInto('people').values({ name: 'b' }).execute();
    const innermost = await inner.savepoint('two').execute();
    await innermost.insertInto('people').values({ name: 'dropped' }).execute();
    await innermost.rollbackToSavepoint('two').execute();
    await innermost.insertInto('people').values({ name: 'c' }).execute();
    expect(log).toEqual([]);
    await innermost.commit().execute();
    expect(log).toEqual(['a', 'b', 'c']);
  });

  test('withSchema(), withPlugin(), connection() and plugins keep sending', async () => {
    const db = await open({ primaryKeys: { seats: ['rowNumber', 'place'] as never } }, { camel: true });
    logAll();
    preSave.connect(
      (_sender, { instance }) => {
        (instance as unknown as { guest: string }).guest += '!';
      },
      { sender: 'seats', owner },
    );
    const camel = db as unknown as Kysely<{ seats: { rowNumber: number; place: number; guest: string } }>;
    await camel.withSchema('main').insertInto('seats').values({ rowNumber: 1, place: 1, guest: 'a' }).execute();
    await camel
      .connection()
      .execute((connection) =>
        connection.updateTable('seats').set({ guest: 'b' }).where('rowNumber', '=', 1).where('place', '=', 1).execute(),
      );
    expect(await camel.withoutPlugins().selectFrom('seats').selectAll().execute()).toEqual([
      { row_number: 1, place: 1, guest: 'b!' },
    ]);
    expect(log).toHaveLength(4);
  });

  test('refuses what it cannot wrap, wrong options, and a second time', async () => {
    const db = await open();
    expect(() => withSignals({} as never)).toThrow(/takes a Kysely, not/);
    const mssql = {
      createDriver: () => new DummyDriver(),
      createAdapter: () => new MssqlAdapter(),
      createQueryCompiler: () => new MssqlQueryCompiler(),
      createIntrospector: (kysely: Kysely<never>) => new MssqlIntrospector(kysely),
    };
    expect(() => withSignals(new Kysely({ dialect: mssql }))).toThrow(/needs PostgreSQL, SQLite, MySQL or MariaDB/);
    expect(() => withSignals(raw, { atomc: true } as never)).toThrow(
      /Unknown option "atomc" of withSignals\(\); it takes bulk, outside, using, atomic, beforeImage, primaryKeys/,
    );
    expect(() => withSignals(raw, { primaryKeys: { people: 3 } } as never)).toThrow(
      /primaryKeys\.people must be the name of a column, or an array of names, not 3/,
    );
    expect(() => withSignals(db)).toThrow(/wrapped in withSignals\(\) already/);
  });
});
