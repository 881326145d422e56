import mongoose, { type ClientSession, type Connection, type Model } from 'mongoose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  signals,
  type SignalsOptions,
} from '../../src/mongoose.ts';
import { contract, type Harness, type Rows } from './contract.ts';
import { startServer } from './mongodb-server.ts';

const { MONGODB_URL } = process.env;
const server = MONGODB_URL === undefined ? await startServer() : undefined;
const url = MONGODB_URL ?? server?.url ?? '';
// that of the tests has one database
const otherServer = MONGODB_URL === undefined ? await startServer() : undefined;
afterAll(() => Promise.all([server?.close(), otherServer?.close()]));

interface Database {
  readonly connection: Connection;
  readonly models: Record<'User' | 'Profile', Model<unknown>>;
  readonly plugin: Disposable;
}

/** A Mongoose of its own, for a plugin cannot be taken back. */
async function connect(options: SignalsOptions, at: string, dbName: string): Promise<Database> {
  const instance = new mongoose.Mongoose();
  const plugin = signals(options);
  instance.plugin(plugin);
  const { Schema } = instance;
  const models = {
    User: instance.model('User', new Schema({ name: String, email: String })) as unknown as Model<unknown>,
    Profile: instance.model('Profile', new Schema({ userId: String, bio: String })) as unknown as Model<unknown>,
  };
  await instance.connect(at, { serverSelectionTimeoutMS: 3000, dbName });
  return { connection: instance.connection, models, plugin };
}

const session = (tx: ClientSession | undefined) => (tx === undefined ? {} : { session: tx });

function harness(at: string, dbName: string): Harness<ClientSession> {
  let database: Database | undefined;
  const { connection, models } = {
    connection: () => (database as Database).connection,
    models: () => (database as Database).models,
  };
  return {
    get senders() {
      return models();
    },
    wrapsWrites: false,
    savepoints: false,
    concurrent: true,
    async open() {
      await this.attach();
      for (const model of Object.values(models())) await model.deleteMany().setOptions({ middleware: false });
    },
    async close() {
      await database?.connection.close();
      database = undefined;
    },
    async attach(options) {
      await database?.connection.close();
      database = await connect(options ?? {}, at, dbName);
    },
    detach() {
      database?.plugin[Symbol.dispose]();
    },
    async insert(model, values, tx) {
      const document = new (models()[model])(values) as mongoose.Document;
      await document.save(session(tx));
      return document as never;
    },
    saveUnchanged: (_model, instance) => (instance as unknown as mongoose.Document).save(),
    unchanged: ['preSave', 'postSave'],
    // one after the other is what `ordered` asks for
    insertMany: (model, values, tx) =>
      models()[model].create(values as never, { ordered: true, ...session(tx) }) as never,
    update: (_model, instance, values, tx) => (instance as unknown as mongoose.Document).set(values).save(session(tx)),
    remove: async (_model, instance, tx) => {
      await (instance as unknown as mongoose.Document).deleteOne(session(tx));
    },
    all: async (model, tx) => {
      const found: unknown = await models()[model].find({}, null, session(tx)).sort({ _id: 1 });
      return found as Rows[typeof model][];
    },
    // MongoDB has no savepoints: a transaction in one is part of it
    transaction: (run, tx) => (tx === undefined ? connection().transaction(run) : run(tx)),
    bulkUpdate: (model, where, values) => {
      const target = models()[model];
      return target.updateMany(where as never, values).exec();
    },
    bulkDelete: (model, where) => {
      const target = models()[model];
      return target.deleteMany(where as never).exec();
    },
  };
}

contract(
  `Mongoose on ${MONGODB_URL === undefined ? 'a server of the tests' : 'MongoDB'}`,
  harness(url, 'contract'),
  harness(otherServer?.url ?? url, 'other'),
);

describe('Mongoose', () => {
  const owner = {};
  let log: string[] = [];
  let instance: mongoose.Mongoose;
  let plugin: Disposable;

  const open = async (options: SignalsOptions = {}, settings: mongoose.MongooseOptions = {}): Promise<void> => {
    instance = new mongoose.Mongoose(settings);
    instance.plugin((plugin = signals(options)) as never);
    await instance.connect(url, { serverSelectionTimeoutMS: 3000 });
    await instance.connection.dropCollection('people').catch(() => undefined);
  };
  /** A model of its own, for each test. */
  const personModel = () =>
    instance.model(
      'Person',
      new instance.Schema({
        name: String,
        age: Number,
        address: new instance.Schema({ city: String }),
        pets: [new instance.Schema({ name: String })],
      }),
      'people',
    );

  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    await instance.disconnect();
  });

  test('deleteOne() of a document sends its signals once, and no postBulk', async () => {
    await open();
    const Person = personModel();
    const person = await Person.create({ name: 'Ada' });
    preDelete.connect((_sender, { instance: document }) => log.push(`preDelete ${String(document.name)}`), {
      sender: Person,
      owner,
    });
    postDelete.connect(
      (_sender, { instance: document, origin }) =>
        log.push(`postDelete ${String(document.id === person.id)} ${String(origin === document)}`),
      { sender: Person, owner },
    );
    postBulk.connect(() => log.push('postBulk'), { owner });
    await person.deleteOne();
    expect(log).toEqual(['preDelete Ada', 'postDelete true true']);
  });

  test('saving an unchanged document sends both signals, with nothing in updateFields', async () => {
    await open();
    const Person = personModel();
    const person = await Person.create({ name: 'Ada' });
    postSave.connect(
      (_sender, { created, updateFields, changes }) =>
        log.push(`${created} ${String(updateFields?.size)} ${JSON.stringify(changes)}`),
      { sender: Person, owner },
    );
    await person.save();
    expect(log).toEqual(['false 0 {}']);
  });

  test('updateFields and changes name nested paths; subdocuments send no signals of their own', async () => {
    await open();
    const Person = personModel();
    const person = await Person.create({ name: 'Ada', address: { city: 'London' }, pets: [{ name: 'Cat' }] });
    postSave.connect(
      (sender, { updateFields, changes }) =>
        log.push(`${String(sender === Person)} ${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`),
      { owner },
    );
    person.set('address.city', 'Paris');
    await person.save();
    expect(log).toEqual(['true address.city {"address.city":{"from":"London","to":"Paris"}}']);
  });

  test('beforeImage: false reads nothing, and changes is null', async () => {
    await open({ beforeImage: false });
    const Person = personModel();
    const person = await Person.create({ name: 'Ada' });
    instance.set('debug', (_collection: string, method: string) => void log.push(method));
    postSave.connect(
      (_sender, { updateFields, changes }) =>
        log.push(`${[...(updateFields ?? [])].join()} ${JSON.stringify(changes)}`),
      { sender: Person, owner },
    );
    person.name = 'Grace';
    await person.save();
    expect(log).toEqual(['updateOne', 'name null']);
  });

  test('a model without receivers sends no query of its own', async () => {
    await open();
    const Person = personModel();
    postSave.connect(() => undefined, { sender: class Other {}, owner });
    const person = await Person.create({ name: 'Ada' });
    instance.set('debug', (_collection: string, method: string) => void log.push(method));
    person.name = 'Grace';
    await person.save();
    await person.deleteOne();
    expect(log).toEqual(['updateOne', 'deleteOne']);
  });

  test('insertMany() is a save of each document, in the session it is given', async () => {
    await open();
    const Person = personModel();
    preSave.connect(
      (_sender, { instance: document, tx }) => {
        document.set('name', document.name?.toUpperCase());
        log.push(`preSave ${String(tx?.inTransaction())}`);
      },
      { sender: Person, owner },
    );
    postSave.connect(
      (_sender, { instance: document, created }) => log.push(`postSave ${String(document.name)} ${created}`),
      { sender: Person, owner, afterCommit: true },
    );
    await instance.connection.transaction(async (tx) => {
      await Person.insertMany([{ name: 'a' }, { name: 'b' }], { session: tx });
      log.push('inside');
    });
    expect(log).toEqual(['preSave true', 'preSave true', 'inside', 'postSave A true', 'postSave B true']);
    expect((await Person.find().sort({ name: 1 })).map(({ name }) => name)).toEqual(['A', 'B']);
  });

  test('queries send postBulk with filter, update and count', async () => {
    await open({ bulk: 'signal' });
    const Person = personModel();
    await Person.create(
      [
        { name: 'a', age: 1 },
        { name: 'b', age: 1 },
      ],
      { ordered: true },
    );
    postBulk.connect(
      (sender, { operation, where, count }) =>
        log.push(`${String(sender === Person)} ${operation} ${JSON.stringify(where)} ${String(count)}`),
      { owner },
    );
    await Person.updateOne({ name: 'a' }, { age: 2 });
    await Person.updateMany({}, { $inc: { age: 1 } });
    await Person.findOneAndUpdate({ name: 'b' }, { age: 9 });
    await Person.updateOne({ name: 'c' }, { age: 3 }, { upsert: true });
    await Person.findByIdAndDelete((await Person.findOne({ name: 'c' }))?._id);
    await Person.deleteMany({ age: { $gt: 100 } });
    expect(log.map((each) => each.replace(/"[0-9a-f]{24}"/, 'id'))).toEqual([
      'true update {"name":"a"} 1',
      'true update {} 2',
      'true update {"name":"b"} 1',
      'true upsert {"name":"c"} 1',
      'true delete {"_id":id} 1',
      'true delete {"age":{"$gt":100}} 0',
    ]);
  });

  test('atomic: a throwing postSave undoes the save, and a throwing postDelete the delete', async () => {
    await open({ atomic: true });
    const Person = personModel();
    const person = await Person.create({ name: 'kept' });
    postSave.connect(
      async (_sender, { instance: document, tx }) => {
        await Person.collection.insertOne({ name: 'in the same transaction' }, { session: tx as ClientSession });
        throw new Error(`no ${String(document.name)}`);
      },
      { sender: Person, owner },
    );
    postDelete.connect(() => Promise.reject(new Error('no')), { sender: Person, owner });
    await expect(new Person({ name: 'a' }).save()).rejects.toThrow('no a');
    await expect(Person.create({ name: 'b' })).rejects.toThrow('no b');
    await expect(person.deleteOne()).rejects.toThrow('no');
    expect((await Person.find()).map(({ name }) => name)).toEqual(['kept']);
  });

  test('without atomic and outside a transaction the document stays, as in MongoDB', async () => {
    await open();
    const Person = personModel();
    postSave.connect(() => Promise.reject(new Error('no')), { sender: Person, owner });
    await expect(Person.create({ name: 'a' })).rejects.toThrow('no');
    expect(await Person.countDocuments()).toBe(1);
  });

  test('a session passed on by Mongoose itself is tx', async () => {
    await open({}, { transactionAsyncLocalStorage: true });
    const Person = personModel();
    postSave.connect(
      (_sender, { tx, onCommit }) => {
        log.push(String(tx?.inTransaction()));
        onCommit(() => log.push('committed'));
      },
      { sender: Person, owner },
    );
    await instance.connection.transaction(async () => {
      await Person.create({ name: 'a' });
      log.push('inside');
    });
    expect(log).toEqual(['true', 'inside', 'committed']);
  });

  test('a transaction that is tried again forgets what the first try put off', async () => {
    await open();
    const Person = personModel();
    postSave.connect((_sender, { instance: document }) => log.push(String(document.name)), {
      sender: Person,
      owner,
      afterCommit: true,
    });
    let tries = 0;
    await instance.connection.transaction(async (tx) => {
      await new Person({ name: `try ${++tries}` }).save({ session: tx });
      if (tries === 1)
        throw Object.assign(new mongoose.mongo.MongoServerError({ message: 'again' }), {
          errorLabelSet: new Set(['TransientTransactionError']),
        });
    });
    expect(log).toEqual(['try 2']);
  });

  test('a discriminator is a sender of its own, and sends once; `subclasses` hears it at the base', async () => {
    await open();
    const Person = personModel();
    const Employee = Person.discriminator('Employee', new instance.Schema({ salary: Number }));
    postSave.connect(() => log.push('employee'), { sender: Employee, owner });
    postSave.connect(() => log.push('person'), { sender: Person, owner });
    postSave.connect(() => log.push('subclasses'), { sender: Person, subclasses: true, owner });
    await Employee.create({ name: 'a', salary: 1 });
    expect(log).toEqual(['employee', 'subclasses']);
  });

  test('bulkWrite() sends postBulk for each kind of operation', async () => {
    await open({ bulk: 'signal' });
    const Person = personModel();
    postBulk.connect((_sender, { operation, count }) => log.push(`${operation} ${String(count)}`), {
      sender: Person,
      owner,
    });
    await Person.bulkWrite([
      { insertOne: { document: { name: 'a' } } },
      { updateOne: { filter: { name: 'a' }, update: { age: 1 } } },
    ]);
    expect(log).toEqual(['insert 1', 'update 1']);
  });

  test('disposed of, the plugin is silent', async () => {
    await open();
    const Person = personModel();
    postSave.connect(() => log.push('postSave'), { owner });
    plugin[Symbol.dispose]();
    await Person.create({ name: 'a' });
    await Person.insertMany([{ name: 'b' }]);
    expect(log).toEqual([]);
  });

  test('wrong options are refused', async () => {
    await open();
    expect(() => signals({ atomic: 'yes' } as never)).toThrow(/atomic must be true or false, not "yes"/);
    expect(() => signals({ bulk: 'loud' } as never)).toThrow(/bulk must be one of/);
    expect(() => signals({ atomc: true } as never)).toThrow(
      /Unknown option "atomc" of signals\(\); it takes bulk, outside, using, atomic, beforeImage/,
    );
  });
});
