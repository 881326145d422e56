import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataTypes, Model, Sequelize } from 'sequelize';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import { attachSignals, postSave, preSave, type SignalsOptions } from '../../src/sequelize.ts';
import { sqlite3 } from '../support/sqlite3.ts';

class Person extends Model {
  declare id: number;
}
class Log extends Model {}

const owner = {};
const folder = mkdtempSync(join(tmpdir(), 'tocsin-sequelize-transactions-'));
let files = 0;
let sequelize: Sequelize;
let attached: Disposable;
let log: string[] = [];

async function open(storage: string, options: SignalsOptions): Promise<void> {
  log = [];
  sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, storage, logging: false });
  Person.init({ name: { type: DataTypes.TEXT, unique: true } }, { sequelize, timestamps: false });
  Log.init({ text: DataTypes.TEXT }, { sequelize, timestamps: false });
  await sequelize.sync();
  attached = attachSignals(sequelize, options);
}
const file = (): string => join(folder, `${String(files++)}.db`);
const names = async (): Promise<unknown[]> =>
  (await Person.findAll({ order: ['name'] })).map((person) => person.get('name'));
const listen = (): void => {
  postSave.connect(() => sleep(5), { sender: Person, owner });
};

afterEach(async () => {
  disconnectReceivers(owner);
  attached[Symbol.dispose]();
  await sequelize.close();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe.each([
  ['in memory', () => ':memory:'],
  ['in a file', file],
])("SQLite %s: the app's transactions and those of the adapter's own wait for each other", (_where, storage) => {
  test.each([
    [
      'managed',
      (name: string) =>
        sequelize.transaction(async (transaction) => {
          await sleep(5);
          await Person.create({ name }, { transaction });
          await sleep(5);
        }),
    ],
    [
      'by hand',
      async (name: string) => {
        const transaction = await sequelize.transaction();
        await sleep(5);
        await Person.create({ name }, { transaction });
        await transaction.commit();
      },
    ],
    ['of findOrCreate()', (name: string) => Person.findOrCreate({ where: { name } })],
  ])('%s', async (_how, transaction) => {
    await open(storage(), { atomic: true });
    listen();
    await Promise.all([transaction('a'), Person.create({ name: 'b' }), Person.create({ name: 'c' })]);
    await Promise.all([Person.create({ name: 'd' }), transaction('e'), Person.create({ name: 'f' })]);
    expect(await names()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test("bulk: 'individual' waits too", async () => {
    await open(storage(), { bulk: 'individual' });
    await Person.bulkCreate([{ name: 'a' }, { name: 'b' }]);
    listen();
    const transaction = sequelize.transaction(async (tx) => {
      await Person.create({ name: 'c' }, { transaction: tx });
      await sleep(5);
    });
    await Promise.all([transaction, Person.update({ name: 'd' }, { where: { name: 'a' } })]);
    expect(await names()).toEqual(['b', 'c', 'd']);
  });

  test('a receiver that waited for the commit writes in a transaction of its own', async () => {
    await open(storage(), { atomic: true });
    listen();
    postSave.connect(() => Log.create({ text: 'a' }), { sender: Person, owner, afterCommit: true });
    postSave.connect(() => log.push('log'), { sender: Log, owner });
    await sequelize.transaction((transaction) => Person.create({ name: 'a' }, { transaction }));
    const transaction = await sequelize.transaction();
    await Person.create({ name: 'b' }, { transaction });
    await transaction.commit();
    expect(log).toEqual(['log', 'log']);
  });

  test('a transaction that cannot be begun, and one that fails, leave their turn', async () => {
    await open(storage(), { atomic: true });
    listen();
    await expect(sequelize.transaction({ type: 'NONSENSE' as never }, async () => Promise.resolve())).rejects.toThrow();
    await expect(sequelize.transaction(() => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError);
    const transaction = await sequelize.transaction();
    await transaction.rollback();
    await Person.create({ name: 'a' });
    expect(await names()).toEqual(['a']);
  });
});

test("SQLite in memory: a save in the app's transaction, which was not given it, is part of it, and waits for nothing", async () => {
  await open(':memory:', { atomic: true });
  postSave.connect(
    (_sender, { tx, onCommit }) => {
      onCommit(() => log.push(`committed ${String(tx !== undefined)}`));
    },
    { sender: Person, owner },
  );
  await sequelize.transaction(() => Person.create({ name: 'a' }));
  await expect(
    sequelize.transaction(async () => {
      await Person.create({ name: 'b' });
      throw new RangeError('no');
    }),
  ).rejects.toThrow(RangeError);
  expect(await names()).toEqual(['a']);
  expect(log).toEqual(['committed true']);
});

test("SQLite in a file: the app's transactions do not wait for each other, also one in another", async () => {
  await open(file(), { atomic: true });
  listen();
  await sequelize.transaction(async () => {
    await sequelize.transaction((inner) => Person.create({ name: 'a' }, { transaction: inner }));
    await Person.create({ name: 'b' });
  });
  expect(await names()).toEqual(['a', 'b']);
});

describe('a receiver that opens a transaction beside its own', () => {
  const ways: [string, () => Promise<unknown>][] = [
    ['managed', () => sequelize.transaction((transaction) => Log.create({ text: 'a' }, { transaction }))],
    [
      'by hand',
      async () => {
        const transaction = await sequelize.transaction();
        await Log.create({ text: 'a' }, { transaction });
        await transaction.commit();
      },
    ],
    ['of findOrCreate()', () => Log.findOrCreate({ where: { text: 'a' } })],
  ];
  const connect = (write: () => Promise<unknown>): void => {
    preSave.connect(() => write(), { sender: Person, owner });
  };
  const save = (): Promise<unknown> =>
    sequelize.transaction((transaction) => Person.create({ name: 'a' }, { transaction }));

  test.each(ways)("%s, is refused with outside: 'throw'", async (_how, write) => {
    await open(file(), { outside: 'throw' });
    connect(write);
    await expect(save()).rejects.toThrow(/writes outside the transaction .*(transaction|findOrCreate)\(\).*refused/);
    expect([await names(), await Log.count()]).toEqual([[], 0]);
  });

  test.each(ways)('%s, is warned of once, and not of its writes', async (_how, write) => {
    await open(file(), {});
    connect(write);
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listener);
    try {
      const warned = once(process, 'warning');
      await save();
      await warned;
      await sleep(5);
    } finally {
      process.off('warning', listener);
    }
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/outside the transaction .*sequelize-transactions\.test\.ts/) as string,
    ]);
    expect([await names(), await Log.count()]).toEqual([['a'], 1]);
  });

  test.each(ways)('%s, is refused in memory, where there is one connection', async (_how, write) => {
    await open(':memory:', {});
    connect(write);
    await expect(save()).rejects.toThrow(/every connection of the pool is taken/);
  });

  test.each(ways)('%s, is not asked for outside of a transaction', async (_how, write) => {
    await open(file(), { outside: 'throw' });
    connect(write);
    await Person.create({ name: 'a' });
    expect([await names(), await Log.count()]).toEqual([['a'], 1]);
  });

  test('and a savepoint in it, and findOrCreate() in it, are part of it', async () => {
    await open(file(), { outside: 'throw' });
    preSave.connect(
      async (_sender, { tx = null }) => {
        await sequelize.transaction({ transaction: tx }, (transaction) => Log.create({ text: 'a' }, { transaction }));
        await Log.findOrCreate({ where: { text: 'b' }, transaction: tx });
      },
      { sender: Person, owner },
    );
    await save();
    expect([await names(), await Log.count()]).toEqual([['a'], 2]);
  });
});

test('an onCommit() from outside a savepoint, called in it, belongs to it', async () => {
  await open(':memory:', {});
  let give: ((callback: () => unknown) => void) | undefined;
  postSave.connect((_sender, { onCommit }) => void (give = onCommit), { sender: Person, owner });
  await sequelize.transaction(async (transaction) => {
    await Person.create({ name: 'a' }, { transaction });
    const inner = sequelize.transaction({ transaction }, () => {
      give?.(() => log.push('inside'));
      return Promise.reject(new RangeError('to the savepoint'));
    });
    await expect(inner).rejects.toThrow(RangeError);
    give?.(() => log.push('outside'));
  });
  expect(log).toEqual(['outside']);
});
