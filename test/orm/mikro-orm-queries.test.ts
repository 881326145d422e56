import { EntitySchema } from '@mikro-orm/core';
import { MikroORM, type SqlEntityManager } from '@mikro-orm/libsql';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import { attachSignals, postBulk, postSave, preSave, type SignalsOptions } from '../../src/mikro-orm.ts';

class User {
  id!: number;
  name!: string;
}
class Log {
  id!: number;
  text!: string;
}
const id = { type: 'integer', primary: true } as const;
const entities = [
  new EntitySchema<User>({ class: User, properties: { id, name: { type: 'string', unique: true } } }),
  new EntitySchema<Log>({ class: Log, properties: { id, text: { type: 'string' } } }),
];

const owner = {};
const folder = mkdtempSync(join(tmpdir(), 'tocsin-mikro-orm-'));
let orm: MikroORM;
let attached: Disposable | undefined;
let log: string[] = [];

const attach = (options?: SignalsOptions): void => {
  attached = attachSignals(orm, options);
};
const fork = (): SqlEntityManager => orm.em.fork();

beforeAll(async () => {
  orm = await MikroORM.init({ dbName: join(folder, 'a.db'), entities });
});
beforeEach(async () => {
  log = [];
  await orm.schema.refresh();
});
afterEach(() => {
  disconnectReceivers(owner);
  attached?.[Symbol.dispose]();
  attached = undefined;
});
afterAll(async () => {
  await orm.close();
  rmSync(folder, { recursive: true });
});

describe('query builders of MikroORM', () => {
  const listen = (): void => {
    postBulk.connect(
      (sender, { operation, count, tx }) =>
        log.push(`${operation} ${String(sender === User)} ${String(count)} ${String(tx.isInTransaction())}`),
      { owner },
    );
  };

  test('are loud bulk writes of what they insert, update and delete, in their transaction', async () => {
    attach({ bulk: 'signal' });
    listen();
    await fork().qb(User).insert({ id: 1, name: 'a' }).execute();
    await fork().createQueryBuilder(User).insert({ id: 1, name: 'a' }).onConflict('id').merge().execute();
    await fork().qb(User).insert({ id: 1, name: 'a' }).onConflict('id').ignore().clone().execute();
    await fork().transactional((em) => em.qb(User).update({ name: 'b' }).where({ id: 1 }).execute());
    await fork().qb(User).select('*').where({ id: 1 }).execute();
    await fork().getRepository(User).createQueryBuilder().delete().where({ id: 1 }).execute('run');
    await fork().qb(User).truncate().execute();
    expect(log).toEqual([
      'insert true 1 false',
      'upsert true 1 false',
      'upsert true 0 false',
      'update true 1 true',
      'delete true 1 false',
      expect.stringMatching(/^delete true/) as string,
    ]);
  });

  test("of which MikroORM's own are none", async () => {
    attach({ bulk: 'signal' });
    listen();
    const em = fork();
    await em.persist(em.create(User, { name: 'a' })).flush();
    await em.upsert(User, { id: 2, name: 'b' });
    await em.nativeDelete(User, { id: 2 });
    expect(log).toEqual(['upsert true 1 false', 'delete true 1 false']);
  });

  test("are refused with bulk: 'throw', also while nobody listens", async () => {
    attach({ bulk: 'throw' });
    await expect(fork().qb(User).insert({ name: 'a' }).execute()).rejects.toThrow(/bulk insert of User .*refused/);
    expect(await fork().count(User)).toBe(0);
  });
});

describe('a receiver that writes outside of its transaction', () => {
  const ways: [string, () => Promise<unknown>][] = [
    [
      'em.fork().flush()',
      () =>
        fork()
          .persist(Object.assign(new Log(), { text: 'a' }))
          .flush(),
    ],
    ['em.transactional()', () => fork().transactional(() => Promise.resolve())],
    ['em.begin()', () => fork().begin()],
    ['em.upsert()', () => fork().upsert(Log, { id: 1, text: 'a' })],
    ['em.insert()', () => fork().insert(Log, { text: 'a' })],
    ['a query builder', () => fork().qb(Log).insert({ text: 'a' }).execute()],
    ['em.execute()', () => fork().execute("insert into log (text) values ('a')")],
    ['getConnection().execute()', () => orm.em.getConnection().execute("insert into log (text) values ('a')")],
  ];

  test.each(ways)("by %s is refused with outside: 'throw'", async (_how, write) => {
    attach({ outside: 'throw' });
    preSave.connect(() => write(), { sender: User, owner });
    const em = fork();
    const saved = em.persist(em.create(User, { name: 'a' })).flush();
    await expect(saved).rejects.toThrow(/writes outside the transaction .*refused/);
    expect([await fork().count(User), await fork().count(Log)]).toEqual([0, 0]);
  });

  test('is told apart from one that writes in it', async () => {
    attach({ outside: 'throw' });
    postSave.connect(
      async (_sender, { tx }) => {
        const em = tx as unknown as SqlEntityManager;
        await em.qb(Log).insert({ text: 'a' }).execute();
        await em.execute("insert into log (text) values ('b')");
        await em.upsert(Log, { id: 9, text: 'c' });
        await em.transactional((inner) => inner.insert(Log, { text: 'd' }));
      },
      { sender: User, owner },
    );
    const em = fork();
    await em.persist(em.create(User, { name: 'a' })).flush();
    expect(await fork().count(Log)).toBe(4);
  });
});
