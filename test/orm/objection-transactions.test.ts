import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { Model, type QueryContext, transaction } from 'objection';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import { postSave, preSave, type SignalsOptions, withSignals } from '../../src/objection.ts';
import { availableEngines } from '../support/databases.ts';
import { type ObjectionDatabase, objectionDatabase } from './objection-database.ts';

describe.each(availableEngines('sqlite', 'postgres', 'mariadb'))('Objection', (engine) => {
  let database: ObjectionDatabase;
  let knex: Knex;
  let log: string[] = [];
  let owner = {};

  beforeAll(async () => {
    database = await objectionDatabase(engine, 'transactions');
    ({ knex } = database);
    await knex.schema
      .createTable('users', (table) => {
        table.increments('id');
        table.string('name').unique();
      })
      .createTable('logs', (table) => {
        table.increments('id');
        table.string('text').unique();
      });
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    log = [];
    owner = {};
    for (const table of ['users', 'logs']) await knex(table).truncate();
  });
  afterEach(() => disconnectReceivers(owner));

  const define = (options?: SignalsOptions, on = knex) => {
    class Base extends withSignals(Model, options) {}
    class User extends Base {
      static override tableName = 'users';
      declare id: number;
      declare name: string;
    }
    class Log extends Base {
      static override tableName = 'logs';
      declare text: string;
    }
    Base.knex(on);
    return { User, Log };
  };
  /** Everything that can wait for the end of a transaction. */
  const listen = (User: ReturnType<typeof define>['User']): void => {
    postSave.connect(
      (_sender, { instance, onCommit, onRollback }) => {
        onCommit(() => log.push(`commit ${instance.name}`));
        onRollback(() => log.push(`rollback ${instance.name}`));
      },
      { sender: User, owner },
    );
    postSave.connect((_sender, { instance, tx }) => log.push(`after ${instance.name} ${String(tx)}`), {
      sender: User,
      owner,
      afterCommit: true,
    });
  };
  const committed = (...names: string[]): string[] =>
    names.flatMap((name) => [`commit ${name}`, `after ${name} undefined`]);
  const namesOf = async (table: string, column = 'name'): Promise<string[]> =>
    (await knex(table).select(column).orderBy('id')).map((row: Record<string, string>) => String(row[column]));

  describe(engine, () => {
    test('what is asked for late, after a sibling has failed, is dropped', async () => {
      const { User } = define();
      const done: Promise<unknown>[] = [];
      postSave.connect(() => sleep(50), { sender: User, owner });
      listen(User);
      await User.transaction((trx) => {
        const save = User.query(trx).insert({ name: 'a' }).execute();
        done.push(save);
        return Promise.all([save, sleep(15).then(() => Promise.reject(new Error('declined')))]);
      }).catch((error: unknown) => log.push((error as Error).message));
      await Promise.allSettled(done);
      await sleep(60);
      expect(log.filter((each) => each !== 'rollback a')).toEqual(['declined']);
      expect(await namesOf('users')).toEqual([]);
    });

    test.runIf(engine === 'postgres')(
      'a COMMIT that is answered with ROLLBACK is none; a write in a transaction of its own rejects',
      async () => {
        await knex('logs').insert({ text: 'there already' });
        for (const atomic of [true, false]) {
          const { User, Log } = define({ atomic });
          postSave.connect(
            (_sender, { tx }) =>
              Log.query(tx)
                .insert({ text: 'there already' })
                .catch(() => undefined) as Promise<unknown>,
            { sender: User, owner },
          );
          listen(User);
          if (atomic)
            await expect(User.query().insert({ name: 'a' })).rejects.toThrow(
              'Nothing was written: the database rolls the transaction back',
            );
          else
            expect(await User.transaction((trx) => User.query(trx).insert({ name: 'a' }).execute())).toMatchObject({
              name: 'a',
            });
          const byHand = await knex.transaction();
          await User.query(byHand).insert({ name: 'b' });
          await byHand.commit();
          expect(log.filter((each) => !each.startsWith('rollback'))).toEqual([]);
          expect(await namesOf('users')).toEqual([]);
        }
      },
    );

    test.runIf(engine === 'mariadb')(
      'a deadlock has rolled back what was written before it, and not after',
      async () => {
        const { User } = define();
        await knex('users').insert([{ name: 'x' }, { name: 'y' }]);
        listen(User);
        const lock = (trx: Knex.Transaction, id: number): PromiseLike<unknown> =>
          trx('users').where({ id }).update({ id });
        const outcome: string[] = [];
        let waiting = 2;
        const run = (name: string, ...locks: readonly [number, number]): PromiseLike<unknown> =>
          knex.transaction(async (trx) => {
            await User.query(trx).insert({ name });
            await lock(trx, locks[0]);
            for (waiting--; waiting > 0;) await sleep(5);
            await lock(trx, locks[1]).then(undefined, () => outcome.push(name));
            await User.query(trx).insert({ name: `${name} again` });
          });
        await Promise.all([run('first', 1, 2), run('second', 2, 1)]);
        expect(outcome).toHaveLength(1);
        const rows = (await namesOf('users')).filter((name) => name.length > 1);
        expect(rows).toHaveLength(3);
        expect(log.filter((each) => each.startsWith('commit')).sort()).toEqual(
          rows.map((name) => `commit ${name}`).sort(),
        );
        expect(log.filter((each) => each.startsWith('rollback'))).toEqual([`rollback ${String(outcome[0])}`]);
      },
    );

    test("the context of a model's hooks knows the write's own transaction", async () => {
      const { User, Log } = define({ atomic: true });
      class Hooked extends User {
        override async $beforeInsert(context: QueryContext): Promise<void> {
          await Log.query(context.transaction).insert({ text: 'before' });
        }
        override async $afterInsert(context: QueryContext): Promise<void> {
          expect(context.transaction.isTransaction).toBe(true);
          await Log.query(context.transaction).insert({ text: 'after' });
          Object.assign(context, { seen: true });
        }
      }
      listen(Hooked);
      const query = Hooked.query().insert({ name: 'a' });
      const context = query.context() as { seen?: boolean };
      await query;
      expect(context.seen).toBe(true);
      expect(query.context().transaction).toBe(knex);
      expect(await namesOf('logs', 'text')).toEqual(['before', 'after']);
      await knex('logs').truncate();
      postSave.connect(() => Promise.reject(new Error('undo')), { sender: Hooked, owner });
      await expect(Hooked.query().insert({ name: 'b' })).rejects.toThrow('undo');
      expect([await namesOf('users'), await namesOf('logs', 'text')]).toEqual([['a'], []]);
      expect(log).toEqual([...committed('a'), 'rollback b']);
    });

    test('every way to begin and to end a transaction', async () => {
      const { User, Log } = define();
      listen(User);
      const save = (trx: Knex.Transaction, name: string): PromiseLike<unknown> => User.query(trx).insert({ name });
      await User.transaction(async (trx) => await save(trx, '1'));
      await transaction(User, Log, (Bound) => Bound.query().insert({ name: '2' }).execute());
      await transaction(knex, async (trx) => await save(trx, '3'));
      const started = await User.startTransaction();
      await save(started, '4');
      await started.commit();
      expect(started.isCompleted()).toBe(true);
      const provide = knex.transactionProvider();
      await save(await provide(), '5');
      await (await provide()).commit();
      await knex.transaction(async (trx) => {
        await save(trx, '6');
        await trx.commit('value');
      });
      await knex.transaction(async (trx) => {
        const savepoint: unknown = await trx.savepoint((inner) => save(inner, '7'));
        expect(savepoint).toMatchObject({ name: '7' });
        const manual = await trx.transaction();
        await save(manual, 'no 1');
        await manual.rollback();
        const left = await trx.transaction();
        await save(left, '8');
      });
      expect(log.filter((each) => !each.startsWith('rollback'))).toEqual(
        committed('1', '2', '3', '4', '5', '6', '7', '8'),
      );
      const before = log.length;
      const manual = await knex.transaction();
      await save(manual, 'no 2');
      await manual.rollback();
      const undone = await knex.transaction<unknown>(async (trx) => {
        await save(trx, 'no 3');
        await trx.rollback();
      });
      expect(undone).toBeUndefined();
      await expect(
        knex.transaction(
          async (trx) => {
            await save(trx, 'no 4');
            await trx.rollback();
          },
          { doNotRejectOnRollback: false },
        ),
      ).rejects.toThrow('Transaction rejected with non-error: undefined');
      await expect(
        knex.transaction(async (trx) => {
          await save(trx, 'no 5');
          throw new Error('thrown');
        }),
      ).rejects.toThrow('thrown');
      expect(log.slice(before)).toEqual(['rollback no 2', 'rollback no 3', 'rollback no 4', 'rollback no 5']);
      expect(await namesOf('users')).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    });

    test("knex's own object of a transaction is the app's: events, finally(), what it resolves to", async () => {
      define();
      const events: string[] = [];
      const running = knex.transaction((trx) => trx.raw('select 1 as one').then(() => 'value'));
      (running as unknown as NodeJS.EventEmitter).on('query', ({ sql }: { sql: string }) => events.push(sql));
      expect(await running.finally(() => events.push('finally'))).toBe('value');
      expect(events.map((each) => each.split(/[ ;]/)[0]?.toLowerCase())).toEqual([
        'begin',
        'select',
        'commit',
        'finally',
      ]);
      expect(Object.keys(knex.client as object)).not.toContain('transaction');
    });

    test('a savepoint that a sibling has open when a statement is sent decides on it', async () => {
      const { User } = define();
      listen(User);
      await knex.transaction(async (trx) => {
        let sent!: () => void;
        const outer = new Promise<void>((resolve) => (sent = resolve));
        await Promise.all([
          trx
            .transaction(async (inner) => {
              await User.query(inner).insert({ name: 'inside' });
              await User.query(trx).insert({ name: 'beside' });
              sent();
              throw new Error('back');
            })
            .catch(() => undefined),
          outer,
        ]);
        await User.query(trx).insert({ name: 'outside' });
      });
      expect(await namesOf('users')).toEqual(['outside']);
      expect(log.filter((each) => !each.startsWith('rollback'))).toEqual(committed('outside'));
    });

    test('what waits runs in the async context of who asked, when the connection is free, where the app can write', async () => {
      const connections = engine === 'sqlite' ? [1] : [1, 2, 10];
      for (const count of connections) {
        const pool = database.connect(count);
        const { User, Log } = define({ atomic: true }, pool);
        const requests = new AsyncLocalStorage<string>();
        const seen: string[] = [];
        postSave.connect(
          async (_sender, { instance }) => {
            seen.push(`${String(requests.getStore())} ${instance.name}`);
            expect(await User.query().findById(instance.id)).toBeDefined();
            await Log.query().insert({ text: `${String(count)} ${instance.name}` });
          },
          { sender: User, owner, afterCommit: true },
        );
        const names = Array.from({ length: 20 }, (_unused, index) => `${String(count)}/${String(index)}`);
        await Promise.all(
          names.map((name, index) =>
            requests.run(`request ${name}`, () => {
              if (index % 3 === 0) return User.query().insert({ name }).execute();
              if (index % 3 === 1) return pool.transaction((trx) => User.query(trx).insert({ name }).execute());
              return pool
                .transaction(async (trx) => {
                  await User.query(trx).insert({ name });
                  throw new Error('back');
                })
                .catch(() => undefined);
            }),
          ),
        );
        const kept = names.filter((_name, index) => index % 3 !== 2).sort();
        expect(seen.sort()).toEqual(kept.map((name) => `request ${name} ${name}`).sort());
        expect((await namesOf('users')).filter((name) => name.startsWith(`${String(count)}/`)).sort()).toEqual(kept);
        disconnectReceivers(owner);
      }
    });

    test('a receiver may write through a queue of another async context', async () => {
      const { User, Log } = define({ atomic: true });
      postSave.connect(() => undefined, { sender: Log, owner });
      const jobs: (() => void)[] = [];
      const worker = setInterval(() => jobs.shift()?.(), 1);
      postSave.connect(
        (_sender, { instance, tx }) =>
          new Promise((resolve, reject) => {
            jobs.push(() => {
              Log.query(tx).insert({ text: instance.name }).then(resolve, reject);
            });
          }),
        { sender: User, owner },
      );
      await User.query().insert({ name: 'a' });
      await User.transaction((trx) => User.query(trx).insert({ name: 'b' }).execute());
      clearInterval(worker);
      expect(await namesOf('logs', 'text')).toEqual(['a', 'b']);
    });

    test.runIf(engine === 'postgres')(
      'a connection that is lost while a receiver waits: an error, no row, no callback',
      async () => {
        const { User } = define({ atomic: true });
        preSave.connect(
          async (_sender, { tx }) => {
            const { rows } = (await tx?.raw('select pg_backend_pid() as pid')) as { rows: { pid: number }[] };
            await knex.raw('select pg_terminate_backend(?)', [rows[0]?.pid ?? 0]);
            await sleep(20);
          },
          { sender: User, owner, once: true },
        );
        listen(User);
        await expect(User.query().insert({ name: 'a' })).rejects.toThrow(/terminat|Connection/i);
        await User.query().insert({ name: 'b' });
        expect(await namesOf('users')).toEqual(['b']);
        expect(log.filter((each) => !each.startsWith('rollback'))).toEqual(committed('b'));
      },
    );

    test('a write whose receivers come and go still runs what waits', async () => {
      const { User } = define({ atomic: true });
      postSave.connect(
        (_sender, { onCommit }) => {
          onCommit(() => log.push('committed'));
        },
        { sender: User, owner, once: true },
      );
      await User.query().insert({ name: 'a' });
      expect(log).toEqual(['committed']);
    });
  });

  test(`${engine}: a knex that cannot be watched is refused with a sentence`, () => {
    const { User } = define();
    const other = Object.assign(() => undefined, { raw: () => undefined, client: { config: {} } });
    expect(() => User.knex(other as unknown as Knex)).toThrow(
      /tocsin cannot watch the transactions of this knex.*Install knex/,
    );
  });
});
