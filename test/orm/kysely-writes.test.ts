/** What Kysely's writes are with signals: the same, and each row's own. */
import {
  CamelCasePlugin,
  type CompiledQuery,
  InsertResult,
  Kysely,
  NoResultError,
  PostgresDialect,
  sql,
  SqliteDialect,
  UpdateResult,
} from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import Sqlite from 'libsql';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { withSignals } from '../../src/kysely.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../src/models.ts';
import { availableEngines, type FreshDatabase, freshDatabase } from '../support/databases.ts';
import { structureOf } from './structure.ts';

/** Tables of any columns: that tests need, not types. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
type Db = Kysely<Record<string, any>>;
type Row = Record<string, unknown>;

describe.each(availableEngines('sqlite', 'postgres'))('Kysely writes, %s', (engine) => {
  let database: FreshDatabase;
  let bare: Db;
  let queries: string[] = [];
  let log: unknown[] = [];
  const owner = {};

  beforeAll(async () => {
    database = await freshDatabase(engine, 'kysely_writes');
    const log = ({ query }: { query: CompiledQuery }): void => void queries.push(query.sql);
    bare = new Kysely({
      log,
      dialect:
        engine === 'sqlite'
          ? new SqliteDialect({ database: new Sqlite(':memory:') })
          : new PostgresDialect({ pool: new pg.Pool({ connectionString: database.url, max: 3 }) }),
    });
    const id = engine === 'sqlite' ? 'integer primary key autoincrement' : 'serial primary key';
    for (const statement of [
      `create table people (id ${id}, name text not null, age integer, role text default 'user')`,
      `create table jobs (id ${id}, state text not null default 'queued')`,
      'create table items (tenant text, id integer, label text, code text unique, primary key (tenant, id))',
      'create table notes (id integer, text text)',
      `create table nodes (id ${id}, parent integer references nodes (id))`,
      'create view everyone as select * from people',
    ]) {
      await sql.raw(statement).execute(bare);
    }
  });
  afterAll(async () => {
    await bare.destroy();
    await database.drop();
  });
  beforeEach(async () => {
    for (const table of ['people', 'jobs', 'items', 'notes', 'nodes']) await bare.deleteFrom(table).execute();
    log = [];
    queries = [];
  });
  afterEach(() => {
    disconnectReceivers(owner);
  });

  const on = (
    signal: object,
    receiver: (args: { instance: Row; operation?: string }) => unknown,
    sender?: string,
  ): void => {
    (signal as AnySignal).connect((_sender: unknown, args: never) => receiver(args), {
      owner,
      ...(sender && { sender }),
    });
  };
  const listen = (...signals: { readonly name: string }[]): void => {
    for (const signal of signals) {
      on(signal, ({ instance, operation }) => log.push(`${signal.name} ${operation ?? String(instance.id)}`));
    }
  };
  const listenToAll = (): void => {
    listen(preSave, postSave, preDelete, postDelete, postBulk);
  };
  const rows = (table: string, order = 'id'): Promise<Row[]> =>
    bare.selectFrom(table).selectAll().orderBy(order).execute();
  const people = async (...names: string[]): Promise<void> => {
    await bare
      .insertInto('people')
      .values(names.map((name, index) => ({ id: index + 1, name, age: index })))
      .execute();
  };
  const twoTenants = async (): Promise<void> => {
    await bare
      .insertInto('items')
      .values([
        { tenant: 'A', id: 1, label: 'a', code: 'x' },
        { tenant: 'B', id: 1, label: 'b', code: 'y' },
      ])
      .execute();
  };

  describe('handles', () => {
    test('have what the bare ones have, functions with their properties', async () => {
      const db = withSignals(bare);
      expect(structureOf(db)).toEqual(structureOf(bare));
      expect(typeof db.fn.count).toBe('function');
      expect(await db.selectFrom('people').select(db.fn.count('id').as('n')).execute()).toHaveLength(1);
      expect(structureOf(db.transaction())).toEqual(structureOf(bare.transaction()));
      expect(structureOf(db.startTransaction())).toEqual(structureOf(bare.startTransaction()));
      expect(structureOf(db.connection())).toEqual(structureOf(bare.connection()));
      expect(structureOf(db.withSchema('x'))).toEqual(structureOf(bare.withSchema('x')));
      const inside = (handle: Db): Promise<object> => handle.transaction().execute(async (tx) => structureOf(tx));
      expect(await inside(db)).toEqual(await inside(bare));
      const inConnection = (handle: Db): Promise<object> =>
        handle.connection().execute(async (connection) => structureOf(connection));
      expect(await inConnection(db)).toEqual(await inConnection(bare));
      const controlled = async (handle: Db): Promise<object[]> => {
        const tx = await handle.startTransaction().execute();
        const savepoint = await tx.savepoint('a').execute();
        const structures = [structureOf(tx), structureOf(savepoint), structureOf(tx.commit())];
        await tx.rollback().execute();
        return structures;
      };
      expect(await controlled(db)).toEqual(await controlled(bare));
    });

    test('give builders that are those of the bare one', () => {
      const db = withSignals(bare);
      for (const build of [
        (handle: Db) => handle.insertInto('people'),
        (handle: Db) => handle.insertInto('people').values({ name: 'a' }).returning('id'),
        (handle: Db) => handle.updateTable('people').set({ name: 'a' }),
        (handle: Db) => handle.deleteFrom('people').where('id', '=', 1),
        (handle: Db) => handle.mergeInto('people'),
        (handle: Db) => handle.with('a', (query) => query.selectFrom('people').selectAll()),
      ]) {
        expect(structureOf(build(db))).toEqual(structureOf(build(bare)));
      }
    });

    test('can be disposed of with the bare one', () => {
      expect(typeof (withSignals(bare) as unknown as { [Symbol.asyncDispose]: unknown })[Symbol.asyncDispose]).toBe(
        'function',
      );
    });
  });

  describe('a call is passed on whole', () => {
    test('an insert of defaults stays one, and gets what preSave sets', async () => {
      listenToAll();
      const db = withSignals(bare);
      const [first] = await db.insertInto('jobs').defaultValues().returningAll().execute();
      expect(first).toMatchObject({ state: 'queued' });
      on(preSave, ({ instance }) => {
        instance.state = 'held';
      });
      expect(await db.insertInto('jobs').defaultValues().returning('state').executeTakeFirst()).toEqual({
        state: 'held',
      });
    });

    test('set() takes a reference and a value', async () => {
      await people('a');
      listenToAll();
      const db = withSignals(bare);
      await db
        .updateTable('people')
        .set((each) => each.ref('age'), 5)
        .where('id', '=', 1)
        .execute();
      await db
        .updateTable('people')
        .set((each) => ({ name: each.fn<string>('upper', ['name']) }))
        .where('id', '=', 1)
        .execute();
      expect(await rows('people')).toMatchObject([{ name: 'A', age: 5 }]);
      expect(log).toEqual(['preSave 1', 'postSave 1', 'preSave 1', 'postSave 1']);
    });

    test('a signal that is aborted prevents the write, and no signal is sent', async () => {
      listenToAll();
      const signal = AbortSignal.abort(new RangeError('no'));
      const db = withSignals(bare);
      await expect(db.insertInto('people').values({ name: 'a' }).execute({ signal })).rejects.toThrow('no');
      const controller = new AbortController();
      on(preSave, () => {
        controller.abort(new RangeError('while receivers ran'));
      });
      await expect(
        db.insertInto('people').values({ name: 'a' }).execute({ signal: controller.signal }),
      ).rejects.toThrow('while receivers ran');
      expect([await rows('people'), log]).toEqual([[], ['preSave undefined']]);
    });

    test('results are of the classes of Kysely, and tell what the driver does', async () => {
      listenToAll();
      const calls = async (db: Db): Promise<unknown[]> => [
        await db.insertInto('people').values({ name: 'a' }).executeTakeFirst(),
        await db
          .insertInto('people')
          .values([{ name: 'b' }, { name: 'c' }])
          .execute(),
        await db.updateTable('people').set({ age: 1 }).where('id', '=', -1).executeTakeFirst(),
        await db.insertInto('people').values({ name: 'a' }).returning(['name as id', 'name as age']).execute(),
      ];
      const [inserted, , updated, returned] = await calls(withSignals(bare));
      expect(inserted).toBeInstanceOf(InsertResult);
      expect((inserted as InsertResult).insertId).toEqual(engine === 'sqlite' ? expect.any(BigInt) : undefined);
      expect(updated).toEqual(new UpdateResult(0n, undefined));
      expect(returned).toEqual([{ id: 'a', age: 'a' }]);
    });

    test('errors are those of Kysely', async () => {
      listenToAll();
      const none = withSignals(bare).updateTable('people').set({ age: 1 }).where('id', '=', -1).returning('id');
      await expect(none.executeTakeFirstOrThrow()).rejects.toThrow(NoResultError);
      await expect(none.executeTakeFirstOrThrow(() => new RangeError('none'))).rejects.toThrow(new RangeError('none'));
      await expect(none.executeTakeFirstOrThrow(class extends NoResultError {})).rejects.toThrow(NoResultError);
    });

    test('a query that was compiled before sends signals when it is run', async () => {
      listenToAll();
      const db = withSignals(bare);
      const query = db.insertInto('people').values({ id: 1, name: 'a' });
      const compiled = query.compile();
      query.toOperationNode();
      expect(log).toEqual([]);
      const { numAffectedRows } = await db.executeQuery(compiled);
      expect([numAffectedRows, log]).toEqual([1n, ['preSave 1', 'postSave 1']]);
    });

    // libsql leaves a statement open that is explained
    test.runIf(engine === 'postgres')('explain() sends no signals', async () => {
      listenToAll();
      await withSignals(bare).insertInto('people').values({ name: 'a' }).explain();
      expect([log, await rows('people')]).toEqual([[], []]);
    });

    test('a builder with a plugin of its own keeps it', async () => {
      listenToAll();
      const db = withSignals(bare, { primaryKeys: { items: ['tenant', 'id'] } });
      on(preSave, ({ instance }) => log.push(Object.keys(instance).join()), 'jobs');
      const [row] = await db
        .insertInto('jobs')
        .withPlugin(new CamelCasePlugin())
        .values({ state: 'x' })
        .returning('state as someState')
        .execute();
      expect([row, log.at(1)]).toEqual([{ someState: 'x' }, 'state']);
    });
  });

  describe('what writes in common table expressions', () => {
    test.runIf(engine === 'postgres')('is announced, in a select too', async () => {
      listenToAll();
      const db = withSignals(bare, { bulk: 'signal' });
      const selected = await db
        .with('n', (query) => query.insertInto('people').values({ name: 'a' }).returningAll())
        .selectFrom('n')
        .select('name')
        .execute();
      expect([selected, log]).toEqual([[{ name: 'a' }], ['postBulk insert']]);
      await db
        .with('n', (query) => query.deleteFrom('people').returning('name'))
        .insertInto('notes')
        .columns(['text'])
        .expression((query) => query.selectFrom('n').select('n.name'))
        .execute();
      expect(log.slice(1)).toEqual(['postBulk delete', 'postBulk insert']);
      await expect(
        withSignals(bare, { bulk: 'throw' })
          .with('n', (query) => query.insertInto('people').values({ name: 'a' }).returningAll())
          .selectFrom('n')
          .selectAll()
          .execute(),
      ).rejects.toThrow('A bulk insert of people');
    });
  });

  describe('a write is of one row only if the database says so', () => {
    test('not by a part of its key', async () => {
      await twoTenants();
      listenToAll();
      on(preSave, ({ instance }) => {
        instance.label = `of ${String(instance.tenant)}`;
      });
      const db = withSignals(bare, { bulk: 'signal' });
      await db.updateTable('items').set({ label: 'c' }).where('id', '=', 1).execute();
      expect(await rows('items', 'tenant')).toMatchObject([{ label: 'c' }, { label: 'c' }]);
      await db.deleteFrom('items').where('id', '=', 1).execute();
      expect([log, await rows('items')]).toEqual([['postBulk update', 'postBulk delete'], []]);
    });

    test('by its key, or a unique constraint, without being told which', async () => {
      await twoTenants();
      listenToAll();
      const db = withSignals(bare, { bulk: 'throw' });
      await db.updateTable('items').set({ label: 'c' }).where('id', '=', 1).where('tenant', '=', 'A').execute();
      await db.updateTable('items').set({ label: 'd' }).where('code', '=', 'y').execute();
      await db.deleteFrom('items').where('items.code', '=', 'x').execute();
      expect(log).toEqual(['preSave 1', 'postSave 1', 'preSave 1', 'postSave 1', 'preDelete 1', 'postDelete 1']);
      expect(await rows('items')).toMatchObject([{ tenant: 'B', label: 'd' }]);
    });

    test('where it has no keys, by counting before anything is changed', async () => {
      await bare
        .insertInto('notes')
        .values([
          { id: 1, text: 'a' },
          { id: 2, text: 'b' },
          { id: 2, text: 'c' },
        ])
        .execute();
      await people('a');
      listenToAll();
      on(
        preSave,
        ({ instance }) => {
          instance.text = `${String(instance.text)}!`;
        },
        'notes',
      );
      const db = withSignals(bare, { bulk: 'signal' });
      for (const id of [1, 2]) await db.updateTable('notes').set({ text: 'x' }).where('id', '=', id).execute();
      expect([await rows('notes'), log]).toEqual([
        [
          { id: 1, text: 'x!' },
          { id: 2, text: 'x' },
          { id: 2, text: 'x' },
        ],
        ['preSave 1', 'postSave 1', 'postBulk update'],
      ]);
      log = [];
      disconnectReceivers(owner);
      listen(postDelete, postBulk);
      for (const id of [1, 2]) await db.deleteFrom('notes').where('id', '=', id).execute();
      expect([await rows('notes'), log]).toEqual([[], ['postDelete 1', 'postBulk delete']]);
      await expect(
        withSignals(bare, { bulk: 'throw' }).deleteFrom('notes').where('text', '=', 'a').execute(),
      ).rejects.toThrow('A bulk delete of notes');
    });

    test('whatever primaryKeys says', async () => {
      await twoTenants();
      listenToAll();
      on(preSave, ({ instance }) => {
        instance.label = 'changed';
      });
      const db = withSignals(bare, { bulk: 'signal', primaryKeys: { items: 'id' } });
      await db.updateTable('items').set({ label: 'c' }).where('id', '=', 1).execute();
      expect([log, (await rows('items')).map(({ label }) => label)]).toEqual([['postBulk update'], ['c', 'c']]);
    });

    test('which is asked once for each table', async () => {
      await people('a');
      listen(postSave);
      const db = withSignals(bare);
      queries = [];
      for (let time = 0; time < 3; time++) {
        await db.updateTable('people').set({ age: 1 }).where('id', '=', 1).execute();
      }
      expect(queries.filter((query) => /pragma|pg_index/.test(query))).toHaveLength(1);
    });

    test('a row that is not there is written to as without signals', async () => {
      listenToAll();
      const db = withSignals(bare);
      expect(await db.updateTable('people').set({ age: 1 }).where('id', '=', 9).execute()).toEqual([
        new UpdateResult(0n, undefined),
      ]);
      await expect(db.updateTable('people').set({ nothing: 1 }).where('id', '=', 9).execute()).rejects.toThrow(
        /nothing/,
      );
      expect(log).toEqual([]);
    });
  });

  describe("'individual'", () => {
    test('keeps the condition of the caller, and what preSave sets on a row is of that row', async () => {
      await twoTenants();
      listenToAll();
      on(preSave, ({ instance }) => {
        if (instance.tenant === 'B') instance.label = 'only B';
      });
      const db = withSignals(bare, { bulk: 'individual' });
      const updated = await db
        .updateTable('items')
        .set({ label: 'c' })
        .where('tenant', 'in', ['A', 'B'])
        .returning(['tenant', 'label as text'])
        .execute();
      expect(updated).toEqual([
        { tenant: 'A', text: 'c' },
        { tenant: 'B', text: 'only B' },
      ]);
      expect(log).toEqual(['preSave 1', 'preSave 1', 'postSave 1', 'postSave 1']);
      const { numDeletedRows } = await db.deleteFrom('items').where('tenant', '=', 'B').executeTakeFirstOrThrow();
      expect([numDeletedRows, await rows('items')]).toMatchObject([1n, [{ tenant: 'A' }]]);
    });

    test('runs the statement as it is, if no receiver changes anything', async () => {
      await people('a', 'b', 'c');
      listenToAll();
      const db = withSignals(bare, { bulk: 'individual' });
      queries = [];
      const result = await db.updateTable('people').set({ age: 7 }).where('id', '<', 3).execute();
      expect(result).toEqual([new UpdateResult(2n, undefined)]);
      expect(queries.filter((query) => query.startsWith('update'))).toHaveLength(1);
      expect(log).toEqual(['preSave 1', 'preSave 2', 'postSave 1', 'postSave 2']);
    });

    test('leaves what cannot be broken down as it is, and is loud', async () => {
      await people('a', 'b', 'c');
      listenToAll();
      const db = withSignals(bare, { bulk: 'individual' });
      const all = sql<boolean>`1 = 1`;
      await db
        .updateTable('people')
        .set({ age: sql<number>`(select max(age) from people)` })
        .execute();
      await db.updateTable('people').set({ id: 9 }).where('id', '=', 1).where(all).execute();
      await db.updateTable('people').set({ role: 'x' }).where(all).execute();
      await db
        .updateTable('people')
        .set({ role: 'y' })
        .where('age', '<', sql<number>`(select max(age) from people)`)
        .execute();
      expect((await rows('people')).map(({ age }) => age)).toEqual([2, 2, 2]);
      expect(log).toEqual(['postBulk update', 'preSave 9', 'postSave 9', 'postBulk update', 'postBulk update']);
      const limited = db.deleteFrom('people').orderBy('id').limit(1);
      await limited.execute().catch(() => undefined);
      expect((await rows('people')).length).toBeGreaterThan(1);
    });

    test('undoes all rows when one fails, and nothing that others have written', async () => {
      await twoTenants();
      listen(postSave);
      on(
        preSave,
        ({ instance }) => {
          if (instance.tenant === 'B') instance.code = 'x';
        },
        'items',
      );
      const db = withSignals(bare, { bulk: 'individual' });
      await expect(db.updateTable('items').set({ label: 'c' }).where('id', '=', 1).execute()).rejects.toThrow(
        /unique/i,
      );
      expect((await rows('items', 'tenant')).map(({ label }) => label)).toEqual(['a', 'b']);
      const kept = db.transaction().execute(async (tx) => {
        const outcomes = await Promise.allSettled([
          tx.updateTable('items').set({ label: 'c' }).where('id', '=', 1).execute(),
          tx.insertInto('people').values({ name: 'sibling' }).execute(),
        ]);
        return outcomes.map(({ status }) => status);
      });
      if (engine === 'sqlite') {
        expect(await kept).toEqual(['rejected', 'fulfilled']);
        expect(await rows('people')).toHaveLength(1);
      } else await expect(kept).rejects.toThrow();
      expect((await rows('items', 'tenant')).map(({ label }) => label)).toEqual(['a', 'b']);
    });

    test('deletes rows that refer to each other as the statement does', async () => {
      await bare
        .insertInto('nodes')
        .values([
          { id: 1, parent: null },
          { id: 2, parent: 1 },
        ])
        .execute();
      listenToAll();
      const [result] = await withSignals(bare, { bulk: 'individual' }).deleteFrom('nodes').execute();
      expect(result?.numDeletedRows).toBe(2n);
      expect(log).toEqual(['preDelete 1', 'preDelete 2', 'postDelete 1', 'postDelete 2']);
    });

    test('is loud where there is no transaction', async () => {
      await people('a', 'b');
      listenToAll();
      await withSignals(bare, { bulk: 'individual', atomic: false }).updateTable('people').set({ age: 1 }).execute();
      expect(log).toEqual(['postBulk update']);
    });
  });

  describe('what preSave sets', () => {
    test('on one of several rows to insert is of that row: the others keep their defaults', async () => {
      on(preSave, ({ instance }) => {
        if (instance.name === 'admin') instance.role = 'admin';
      });
      const db = withSignals(bare);
      const inserted = await db
        .insertInto('people')
        .values([{ name: 'a' }, { name: 'admin' }, { name: 'b' }])
        .returning(['name', 'role'])
        .execute();
      expect(inserted).toEqual([
        { name: 'a', role: 'user' },
        { name: 'admin', role: 'admin' },
        { name: 'b', role: 'user' },
      ]);
      const result = await db
        .insertInto('people')
        .values([{ name: 'admin' }, { name: 'c' }])
        .executeTakeFirst();
      expect(result.numInsertedOrUpdatedRows).toBe(2n);
      expect((await rows('people')).map(({ role }) => role)).toEqual(['user', 'admin', 'user', 'admin', 'user']);
    });

    test('beside an expression leaves the expression', async () => {
      await people('a');
      on(preSave, ({ instance }) => {
        instance.role = 'set';
      });
      const db = withSignals(bare);
      await db
        .updateTable('people')
        .set((each) => ({ age: each('age', '+', 5) }))
        .where('id', '=', 1)
        .execute();
      await db
        .insertInto('people')
        .values({ id: 2, name: sql`upper('b')`, age: 1 })
        .execute();
      expect(await rows('people')).toEqual([
        { id: 1, name: 'a', age: 5, role: 'set' },
        { id: 2, name: 'B', age: 1, role: 'set' },
      ]);
    });
  });

  test('a Migrator goes up and down while everybody listens', async () => {
    listenToAll();
    const db = withSignals(bare, { bulk: 'individual' });
    const migration: Migration = {
      up: (each) => each.schema.createTable('migrated').addColumn('id', 'integer').execute(),
      down: (each) => each.schema.dropTable('migrated').execute(),
    };
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ first: migration }) } });
    expect(await migrator.migrateToLatest()).toMatchObject({ results: [{ status: 'Success', direction: 'Up' }] });
    expect(await migrator.migrateDown()).toMatchObject({ results: [{ status: 'Success', direction: 'Down' }] });
    await bare.schema.dropTable('kysely_migration').execute();
    await bare.schema.dropTable('kysely_migration_lock').execute();
  });
});
