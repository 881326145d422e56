import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataTypes, Model, type ModelStatic, Sequelize, type Transaction } from 'sequelize';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import {
  attachSignals,
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
} from '../../src/sequelize.ts';
import { startPostgres } from '../support/postgres.ts';
import { sqlite3 } from '../support/sqlite3.ts';
import { contract, type Harness, type Rows } from './contract.ts';

const postgres = await startPostgres();
const connect = (): Sequelize => new Sequelize(postgres.url, { logging: false, pool: { max: postgres.connections } });
const folder = mkdtempSync(join(tmpdir(), 'tocsin-sequelize-'));
let files = 0;
const connectSqlite = (): Sequelize =>
  new Sequelize({
    dialect: 'sqlite',
    dialectModule: sqlite3,
    storage: join(folder, `${String(files++)}.db`),
    logging: false,
  });
afterAll(async () => {
  await postgres.close();
  rmSync(folder, { recursive: true });
});

/** Sequelize 6, with or without transactions of the adapter's own. */
function harness(open: () => Sequelize, atomic: boolean): Harness<Transaction> {
  class User extends Model {}
  class Profile extends Model {}
  const models: Record<'User' | 'Profile', ModelStatic<Model>> = { User, Profile };
  let sequelize: Sequelize;
  let attached: Disposable | undefined;
  return {
    senders: models,
    wrapsWrites: atomic,
    savepoints: true,
    // Sequelize 6 gives a savepoint in a savepoint the name of the outer one, and then rolls back to the wrong one
    deepSavepoints: false,
    concurrent: open === connect && postgres.connections > 1,
    countsBulk: false,
    async open() {
      sequelize = open();
      User.init(
        { name: DataTypes.TEXT, email: DataTypes.TEXT },
        { sequelize, tableName: 'contract_users', timestamps: false },
      );
      Profile.init(
        { userId: DataTypes.INTEGER, bio: DataTypes.TEXT },
        { sequelize, tableName: 'contract_profiles', timestamps: false },
      );
      await sequelize.sync({ force: true });
      await this.attach();
    },
    async close() {
      this.detach();
      await sequelize.close();
    },
    attach(options) {
      attached = attachSignals(sequelize, { atomic, ...options });
    },
    detach() {
      attached?.[Symbol.dispose]();
    },
    insert: async (model, values, transaction) =>
      (await models[model].create(values, inTransaction(transaction))) as never,
    saveUnchanged: (_model, instance) => (instance as unknown as Model).save(),
    unchanged: ['preSave'],
    insertMany: async (model, values, transaction) =>
      (await models[model].bulkCreate(values, inTransaction(transaction))) as never,
    update: (_model, instance, values, transaction) =>
      (instance as unknown as Model).update(values, inTransaction(transaction)),
    remove: (_model, instance, transaction) => (instance as unknown as Model).destroy(inTransaction(transaction)),
    all: async (model, transaction) => {
      const found: unknown = await models[model].findAll({ order: ['id'], ...inTransaction(transaction) });
      return found as Rows[typeof model][];
    },
    transaction: (run, transaction) => sequelize.transaction(inTransaction(transaction), run),
    bulkUpdate: async (model, where, values) => models[model].update(values, { where: where as never }),
    bulkDelete: async (model, where) => models[model].destroy({ where: where as never }),
  };
}

function inTransaction(transaction: Transaction | undefined): { transaction?: Transaction } {
  return transaction === undefined ? {} : { transaction };
}

contract('Sequelize 6, PostgreSQL', harness(connect, false));
contract('Sequelize 6, PostgreSQL, atomic', harness(connect, true));
contract('Sequelize 6, SQLite', harness(connectSqlite, false), harness(connectSqlite, false));
contract('Sequelize 6, SQLite, atomic', harness(connectSqlite, true));

describe('Sequelize', () => {
  class Person extends Model {
    declare id: number;
    declare name: string;
    declare age: number | null;
  }
  class Note extends Model {
    declare id: number;
    declare deletedAt: Date | null;
  }
  const owner = {};
  let log: string[] = [];
  let sequelize: Sequelize;
  let attached: Disposable;

  const open = async (options: SignalsOptions = {}): Promise<void> => {
    sequelize = connect();
    Person.init(
      { name: { type: DataTypes.TEXT, validate: { len: [1, 10] } }, age: DataTypes.INTEGER },
      { sequelize, tableName: 'people', timestamps: false },
    );
    Note.init({ text: DataTypes.TEXT }, { sequelize, tableName: 'notes', paranoid: true });
    await sequelize.sync({ force: true });
    attached = attachSignals(sequelize, options);
  };
  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    attached[Symbol.dispose]();
    await sequelize.close();
  });

  test('what preSave changes is saved beside save({ fields }), and validated', async () => {
    await open();
    const person = await Person.create({ name: 'Ada', age: 1 });
    preSave.connect(
      (_sender, { instance }) => {
        instance.name = instance.name.repeat(2);
      },
      { sender: Person, owner },
    );
    person.age = 2;
    await person.save({ fields: ['age'] });
    expect(await Person.findByPk(person.id)).toMatchObject({ name: 'AdaAda', age: 2 });
    person.age = 3;
    await expect(person.save()).rejects.toThrow(/Validation/);
  });

  test('an unchanged instance sends preSave only', async () => {
    await open();
    const person = await Person.create({ name: 'Ada' });
    preSave.connect((_sender, { updateFields }) => log.push(`preSave ${String(updateFields?.size)}`), {
      sender: Person,
      owner,
    });
    postSave.connect(() => log.push('postSave'), { sender: Person, owner });
    await person.save();
    expect(log).toEqual(['preSave 0']);
  });

  test('a paranoid model is updated, not deleted, unless forced', async () => {
    await open();
    const note = await Note.create({});
    preSave.connect(
      (_sender, { created, updateFields }) => log.push(`preSave ${created} ${[...(updateFields ?? [])].join()}`),
      { sender: Note, owner },
    );
    postSave.connect(
      (_sender, { created, changes }) =>
        log.push(
          `postSave ${created} ${String(changes?.deletedAt?.from === null)} ${String(changes?.deletedAt?.to instanceof Date)}`,
        ),
      { sender: Note, owner },
    );
    postDelete.connect((_sender, { instance }) => log.push(`postDelete ${instance.id}`), { sender: Note, owner });
    await note.destroy();
    await note.restore();
    await note.destroy({ force: true });
    expect(log).toEqual([
      'preSave false deletedAt',
      'postSave false true true',
      'preSave false deletedAt',
      'postSave false false false',
      'postDelete 1',
    ]);
  });

  test('bulk methods send postBulk', async () => {
    await open({ bulk: 'signal' });
    postBulk.connect(
      (sender, { operation, where, count }) =>
        log.push(
          `${String(sender === Person || sender === Note)} ${operation} ${JSON.stringify(where)} ${String(count)}`,
        ),
      { owner },
    );
    await Person.bulkCreate([{ name: 'a' }]);
    await Person.update({ age: 1 }, { where: { name: 'a' } });
    await Person.upsert({ id: 1, name: 'b' });
    await Person.bulkCreate([{ id: 1, name: 'c' }], { updateOnDuplicate: ['name'] });
    await Person.destroy({ where: { name: 'c' } });
    await Note.restore();
    await Person.truncate();
    expect(log).toEqual([
      'true update {"name":"a"} undefined',
      'true upsert undefined 1',
      'true upsert undefined 1',
      'true delete {"name":"c"} undefined',
      'true update undefined undefined',
      'true delete undefined undefined',
    ]);
  });

  test('what is written through a scope or a schema of a model is told of the model', async () => {
    await open({ bulk: 'individual' });
    const told = (sender: unknown, what: string): void => void log.push(`${what} ${String(sender === Person)}`);
    preSave.connect((sender) => told(sender, 'preSave'), { sender: Person, owner });
    postSave.connect((sender) => told(sender, 'postSave'), { sender: Person, owner });
    postDelete.connect((sender) => told(sender, 'postDelete'), { sender: Person, owner });
    postBulk.connect((sender, { operation }) => told(sender, operation), { sender: Person, owner });
    Person.addScope('young', { where: { age: 1 } }, { override: true });
    const saved = ['preSave true', 'postSave true'];
    const sentBy = async (write: () => Promise<unknown>): Promise<string[]> => {
      log = [];
      await write();
      return log;
    };
    expect(await sentBy(() => Person.unscoped().create({ name: 'a', age: 1 }))).toEqual(saved);
    expect(await sentBy(() => Person.schema('public').create({ name: 'b' }))).toEqual(saved);
    const person = (await Person.scope('young').findOne()) as Person;
    expect(await sentBy(() => person.update({ name: 'c' }))).toEqual(saved);
    expect(await sentBy(() => Person.scope('young').bulkCreate([{ name: 'd' }]))).toEqual(saved);
    expect(await sentBy(() => Person.scope('young').update({ name: 'e' }, { where: {} }))).toEqual(saved);
    expect(await sentBy(() => Person.scope('young').upsert({ id: 99, name: 'f' }))).toEqual(['upsert true']);
    expect(await sentBy(() => person.destroy())).toEqual(['postDelete true']);
    expect(await sentBy(() => Person.unscoped().destroy({ where: { name: 'b' } }))).toEqual(['postDelete true']);
    expect(await sentBy(() => Person.unscoped().truncate())).toEqual(['delete true']);
  });

  test('increment() and decrement(), of a model and of an instance, are bulk updates', async () => {
    await open();
    const person = await Person.create({ name: 'a', age: 1 });
    postBulk.connect(
      (sender, { operation, where, values, tx }) =>
        log.push(JSON.stringify([sender === Person, operation, where, values, tx !== undefined])),
      { owner },
    );
    await Person.increment('age', { where: { name: 'a' } });
    await Person.unscoped().decrement(['age'], { by: 2, where: { name: 'a' } });
    await sequelize.transaction((transaction) => person.increment({ age: 5 }, { transaction }));
    await person.decrement('age');
    expect(log.map((line) => JSON.parse(line) as unknown)).toEqual([
      [true, 'update', { name: 'a' }, { age: 1 }, false],
      [true, 'update', { name: 'a' }, { age: -2 }, false],
      [true, 'update', { id: person.id }, { age: 5 }, true],
      [true, 'update', { id: person.id }, { age: -1 }, false],
    ]);
    attached[Symbol.dispose]();
    attached = attachSignals(sequelize, { bulk: 'throw' });
    await expect(person.increment('age')).rejects.toThrow(/bulk update of Person .*refused/);
    expect(await Person.findByPk(person.id)).toMatchObject({ age: 4 });
  });

  test('individualHooks of the app itself sends the signals of each instance, once', async () => {
    await open();
    await Person.bulkCreate([{ name: 'a' }, { name: 'b' }]);
    postSave.connect(
      (_sender, { instance, created, updateFields }) =>
        log.push(`${instance.name} ${created} ${[...(updateFields ?? [])].join()}`),
      { sender: Person, owner },
    );
    preDelete.connect((_sender, { instance }) => log.push(`preDelete ${instance.name}`), { sender: Person, owner });
    await Person.bulkCreate([{ name: 'c' }], { individualHooks: true });
    await Person.update({ age: 5 }, { where: { name: ['a', 'b'] }, individualHooks: true });
    await Person.destroy({ where: { name: 'c' }, individualHooks: true });
    expect(log.sort()).toEqual(['a false age', 'b false age', 'c true ', 'preDelete c']);
  });

  test("bulk: 'individual' reads a row again that the statement moves out of the default scope of the model", async () => {
    await open({ bulk: 'individual' });
    class Ticket extends Model {}
    const fields = { state: DataTypes.TEXT, secret: DataTypes.TEXT };
    const defaultScope = { where: { state: 'open' }, attributes: { exclude: ['secret'] } };
    Ticket.init(fields, { sequelize, timestamps: false, defaultScope });
    await Ticket.sync();
    const ticket = await Ticket.create({ state: 'open', secret: 'a' });
    postSave.connect((_sender, { instance, changes }) => log.push(JSON.stringify([instance, changes])), {
      sender: Ticket,
      owner,
    });
    expect(await Ticket.update({ state: 'shut' }, { where: {} })).toEqual([1]);
    const row = { id: ticket.get('id'), state: 'shut', secret: 'a' };
    expect(await Ticket.unscoped().findAll({ raw: true })).toEqual([row]);
    expect(log.map((line) => JSON.parse(line) as unknown)).toEqual([[row, { state: { from: 'open', to: 'shut' } }]]);
  });

  test('atomic: a bulkCreate() with individualHooks that fails midway leaves none of its rows', async () => {
    await open({ atomic: true });
    await Person.create({ id: 2, name: 'b' });
    postSave.connect(async () => Promise.resolve(), { owner });
    const rows = [1, 2, 3].map((id) => ({ id, name: 'a' }));
    await expect(Person.bulkCreate(rows, { individualHooks: true })).rejects.toThrow();
    // those that have begun may end later
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await Person.findAll({ raw: true, attributes: ['id'] })).toEqual([{ id: 2 }]);
  });

  test('findOrCreate() sends postSave, and onCommit once its own transaction has committed', async () => {
    await open();
    postSave.connect(
      (_sender, { tx, onCommit }) => {
        log.push(String(tx !== undefined));
        onCommit(() => log.push('committed'));
      },
      { sender: Person, owner },
    );
    await Person.findOrCreate({ where: { name: 'a' } });
    expect(log).toEqual(['true', 'committed']);
  });

  test('{ hooks: false } is not seen', async () => {
    await open();
    postSave.connect(() => log.push('postSave'), { owner });
    await Person.create({ name: 'a' }, { hooks: false });
    expect(log).toEqual([]);
  });

  test('attachSignals() refuses a second time, wrong options, and what is no Sequelize; disposing leaves nothing behind', async () => {
    await open();
    expect(() => attachSignals(sequelize)).toThrow(/already called for this Sequelize/);
    expect(() => attachSignals({} as never)).toThrow(/takes a Sequelize, not/);
    attached[Symbol.dispose]();
    expect(() => attachSignals(sequelize, { atomc: true } as never)).toThrow(
      /Unknown option "atomc" of attachSignals\(\); it takes bulk, outside, using, atomic/,
    );
    const methods = () => [Model.prototype.save.name, Model.update.name, sequelize.hasHook('afterCreate')];
    const before = methods();
    attachSignals(sequelize)[Symbol.dispose]();
    expect(methods()).toEqual(before);
  });
});
