/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call --
   models and payloads of many shapes, in one table */
/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument --
   as above */
/** What Mongoose's methods answer, write and send, option by option; transactions of every kind. */
import { AsyncLocalStorage } from 'node:async_hooks';
import mongoose, { type ClientSession } from 'mongoose';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  signals,
  type SignalsOptions,
} from '../../src/mongoose.ts';
import { startServer } from './mongodb-server.ts';

const { MONGODB_URL } = process.env;
const server = MONGODB_URL === undefined ? await startServer() : undefined;
const url = MONGODB_URL ?? server?.url ?? '';
afterAll(() => server?.close());

const owner = {};
let log: string[] = [];
let warned: string[] = [];
let instance: mongoose.Mongoose;
let names = 0;

async function open(options: SignalsOptions = {}, settings: mongoose.MongooseOptions = {}): Promise<void> {
  instance = new mongoose.Mongoose(settings);
  instance.plugin(signals(options) as never);
  await instance.connect(url, { serverSelectionTimeoutMS: 3000, dbName: 'calls' });
}
/** A model with a collection of its own. */
function model(
  fields: mongoose.SchemaDefinition = { name: String, age: Number },
  options: object = {},
): mongoose.Model<any> {
  const name = `Person${String(++names)}`;
  return instance.model(name, new instance.Schema(fields, options), name) as never;
}
function listen(
  signal: unknown,
  receiver: (args: any, sender: any) => unknown,
  sender: unknown = null,
  options: object = {},
): void {
  (signal as AnySignal).connect((from: unknown, args: unknown) => receiver(args, from), { sender, owner, ...options });
}
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const onWarning = (warning: Error & { code?: string }): void => {
  if (warning.code?.startsWith('TOCSIN') === true) warned.push(warning.message);
};

beforeEach(() => {
  log = [];
  warned = [];
  process.on('warning', onWarning);
});
afterEach(async () => {
  process.off('warning', onWarning);
  disconnectReceivers(owner);
  await instance.disconnect();
});

describe('transactions', () => {
  test('what a receiver asks for after a rollback is dropped', async () => {
    await open();
    const Person = model();
    let begun = (): void => undefined;
    const running = new Promise<void>((resolve) => (begun = resolve));
    listen(postSave, async ({ onCommit, onRollback }) => {
      begun();
      await pause(20);
      onCommit(() => log.push('committed'));
      onRollback(() => log.push('rolled back'));
    });
    listen(postSave, () => log.push('afterCommit'), Person, { afterCommit: true });
    let saving: Promise<unknown> | undefined;
    await instance.connection
      .transaction(async (session) => {
        saving = new Person({ name: 'a' }).save({ session });
        await Promise.all([saving, running.then(() => Promise.reject(new Error('a sibling fails')))]);
      })
      .catch(() => undefined);
    await saving?.catch(() => undefined);
    await pause(5);
    expect(log).toEqual(['rolled back']);
    expect(await Person.countDocuments()).toBe(0);
  });

  test('a save whose transaction is rolled back while preSave runs is not written outside of it', async () => {
    await open();
    const Person = model();
    listen(preSave, () => pause(20));
    const session = await instance.connection.startSession();
    session.startTransaction();
    await Person.collection.insertOne({ name: 'first' }, { session });
    const saving = new Person({ name: 'a' }).save({ session });
    const failed = expect(saving).rejects.toThrow('rolled back while receivers were running');
    await pause(5);
    await session.abortTransaction();
    await failed;
    await session.endSession();
    expect(await Person.countDocuments()).toBe(0);
  });

  test('callbacks run in the async context of who asked, where the ended ambient session is not seen', async () => {
    await open({}, { transactionAsyncLocalStorage: true });
    const Person = model();
    const context = new AsyncLocalStorage<string>();
    listen(postSave, ({ onCommit, instance: { name } }) => {
      if (name !== 'a') return;
      onCommit(async () => {
        log.push(String(context.getStore()));
        await pause(10);
        await Person.create({ name: 'b' });
        log.push(String(await Person.countDocuments()));
      });
    });
    await instance.connection.transaction(() => context.run('request 1', () => Person.create({ name: 'a' })));
    expect(log).toEqual(['request 1', '2']);
  });

  test('manual transactions: committed, aborted, and a session that is used again', async () => {
    await open();
    const Person = model();
    listen(postSave, ({ instance: { name }, onCommit, onRollback }) => {
      onCommit(() => log.push(`${name} committed`));
      onRollback(() => log.push(`${name} rolled back`));
    });
    const session = await instance.connection.startSession();
    for (const name of ['a', 'b', 'c', 'd']) {
      session.startTransaction();
      await new Person({ name }).save({ session });
      if (name === 'b') await session.abortTransaction();
      else if (name !== 'd') await session.commitTransaction();
    }
    await session.endSession();
    expect(log).toEqual(['a committed', 'b rolled back', 'c committed', 'd rolled back']);
    expect((await Person.find()).map(({ name }) => name)).toEqual(['a', 'c']);
  });

  test('a commit that the server refuses, because an error in the transaction was swallowed, is a rollback', async () => {
    await open();
    const Person = model();
    listen(postSave, ({ onCommit, onRollback }) => {
      onCommit(() => log.push('committed'));
      onRollback(() => log.push('rolled back'));
    });
    const session = await instance.connection.startSession();
    session.startTransaction();
    const person = await new Person({ name: 'a' }).save({ session });
    await Person.collection.insertOne({ _id: person._id }, { session }).catch(() => undefined);
    await expect(session.commitTransaction()).rejects.toThrow();
    await session.endSession();
    expect(log).toEqual(['rolled back']);
  });

  test('save({ session: null }) is outside of the ambient transaction', async () => {
    await open({}, { transactionAsyncLocalStorage: true });
    const Person = model();
    await Person.createCollection();
    listen(postSave, ({ tx }) => log.push(String(tx)));
    listen(postSave, () => log.push('afterCommit'), Person, { afterCommit: true });
    await instance.connection
      .transaction(async () => {
        await new Person({ name: 'a' }).save({ session: null });
        throw new Error('abort');
      })
      .catch(() => undefined);
    expect(log).toEqual(['undefined', 'afterCommit']);
  });

  test.each(['warn', 'throw', 'ignore'] as const)(
    'a receiver that writes outside its transaction: %s',
    async (outside) => {
      await open({ outside });
      const [Person, Log] = [model(), model()];
      const writes = [
        () => new Log({}).save(),
        () => Log.insertMany([{}]),
        () => Log.updateMany({}, { age: 1 }),
        () => Log.bulkWrite([{ insertOne: { document: {} } }]),
      ];
      listen(
        postSave,
        async () => {
          for (const write of writes) await Promise.resolve(write()).catch((error: unknown) => log.push(String(error)));
        },
        Person,
      );
      await instance.connection.transaction(async (session) => {
        await new Person({ name: 'a' }).save({ session });
      });
      await pause(0);
      const told = outside === 'throw' ? log : warned;
      expect(told.map((each) => /\((\w+\(\)) of/.exec(each)?.[1])).toEqual(
        outside === 'ignore' ? [] : ['save()', 'insertMany()', 'updateMany()', 'bulkWrite()'],
      );
    },
  );
});

describe('documents', () => {
  test('paths may be called db, save, deleteOne, model, get', async () => {
    await open({ atomic: true });
    const Odd = model(
      { db: String, save: String, deleteOne: String, name: String },
      { suppressReservedKeysWarning: true },
    );
    listen(postSave, ({ instance: { db, deleteOne } }) =>
      log.push(`${db} ${typeof deleteOne === 'string' ? deleteOne : ''}`),
    );
    await Odd.create({ db: 'a', save: 'b', deleteOne: 'c' });
    const Db = model({ db: String });
    listen(postDelete, ({ instance: { db } }) => log.push(db));
    const document = await Db.create({ db: 'x' });
    await document.deleteOne();
    expect(log).toEqual(['a c', 'x ', 'x']);
  });

  test('save({ pathsToSave }) tells what is written, and a receiver opens no other path', async () => {
    await open();
    const Person = model();
    const person = await Person.create({ name: 'a', age: 1 });
    listen(preSave, ({ instance: document }) => {
      document.$set('age', 99);
    });
    listen(postSave, ({ updateFields, changes }) => log.push(`${[...updateFields].join()} ${JSON.stringify(changes)}`));
    person.name = 'b';
    await person.save({ pathsToSave: ['name'] });
    expect(log).toEqual(['name {"name":{"from":"a","to":"b"}}']);
    expect(await Person.collection.findOne({}, { projection: { _id: 0 } })).toMatchObject({ name: 'b', age: 1 });
  });

  test('changes are what is stored: no getters, ids in place of populated documents', async () => {
    await open();
    const Owner = model();
    const Item = model({
      price: { type: Number, get: (value: number) => value / 100 },
      owner: { type: mongoose.Schema.Types.ObjectId, ref: Owner.modelName },
    });
    const [one, other] = [await Owner.create({ name: 'a' }), await Owner.create({ name: 'b' })];
    const item = await Item.create({ price: 150, owner: one._id });
    const found = await Item.findById(item._id).populate('owner');
    const seen: any[] = [];
    listen(postSave, ({ changes }) => seen.push(changes), Item);
    Object.assign(found, { price: 200, owner: other });
    await found.save();
    expect(seen).toEqual([{ price: { from: 150, to: 200 }, owner: { from: one._id, to: other._id } }]);
  });

  test('the before image runs no hook of the app, and is read from the primary', async () => {
    await open();
    const schema = new instance.Schema({ name: String }, { read: 'secondaryPreferred' });
    schema.pre('findOne', () => void log.push('hook'));
    const Person = instance.model(`Person${String(++names)}`, schema);
    listen(postSave, ({ changes }) => log.push(JSON.stringify(changes)));
    const person = await Person.create({ name: 'a' });
    person.name = 'b';
    await person.save();
    expect(log).toEqual(['null', '{"name":{"from":"a","to":"b"}}']);
  });

  test('with atomic, deleteOne() stays a query: lazy, with session() and exec()', async () => {
    await open({ atomic: true });
    const Person = model();
    listen(postDelete, ({ tx, instance: { name } }) => {
      log.push(`${name} ${String(tx?.inTransaction())}`);
      if (name === 'kept') throw new Error('no');
    });
    const [a, b, kept, lazy] = await Person.create([{ name: 'a' }, { name: 'b' }, { name: 'kept' }, { name: 'lazy' }]);
    const query = lazy.deleteOne();
    expect(query).toBeInstanceOf(instance.Query);
    await pause(5);
    expect(await Person.countDocuments()).toBe(4);
    await a.deleteOne().exec();
    const session = await instance.connection.startSession();
    expect(await b.deleteOne().session(session)).toMatchObject({ acknowledged: true, deletedCount: 1 });
    await session.endSession();
    await expect(kept.deleteOne()).rejects.toThrow('no');
    await query;
    await expect(query.exec()).rejects.toThrow('already executed');
    expect(log).toEqual(['a true', 'b false', 'kept true', 'lazy true']);
    expect((await Person.find()).map(({ name }) => name)).toEqual(['kept']);
  });

  test('a query that writes outside is told with the line that made it', async () => {
    await open();
    const [Person, Log] = [model(), model()];
    const line = /:(\d+):\d+\)?$/.exec(new Error().stack?.split('\n')[1] ?? '')?.[1];
    listen(
      postSave,
      async () => {
        const queries = [Log.updateMany({}, { age: 1 }), Log.deleteMany({}), Log.findOneAndUpdate({}, { age: 1 })];
        await pause(1);
        for (const query of queries) await query;
      },
      Person,
    );
    await instance.connection.transaction(async (session) => {
      await new Person({ name: 'a' }).save({ session });
    });
    await pause(0);
    const [, at] = /:(\d+):\d+\)+ The write/.exec(warned[0] ?? '') ?? [];
    expect(Number(at) - Number(line)).toBe(4);
    expect(warned).toHaveLength(3);
  });

  test('postDelete is not sent for a document that is already gone', async () => {
    await open();
    const Person = model();
    const person = await Person.create({ name: 'a' });
    await Person.collection.deleteOne({ _id: person._id });
    listen(preDelete, () => log.push('preDelete'));
    listen(postDelete, () => log.push('postDelete'));
    await person.deleteOne();
    const other = await Person.create({ name: 'b' });
    await other.deleteOne();
    // Some releases of Mongoose forget that, and delete it again.
    const again = other.$isDeleted() ? [] : ['preDelete'];
    await other.deleteOne();
    expect(log).toEqual(['preDelete', 'preDelete', 'postDelete', ...again]);
  });
});

describe('several documents of one call', () => {
  test('insertMany() through the base of discriminators sends for the model of each document', async () => {
    await open();
    const Shape = model({ name: String }, { discriminatorKey: 'kind' });
    const Square = Shape.discriminator(`Square${String(names)}`, new instance.Schema({ side: Number }));
    listen(postSave, ({ instance: { side } }) => log.push(`square ${side}`), Square);
    await Shape.insertMany([{ kind: Square.modelName, side: 1 }, { name: 'plain' }]);
    expect(log).toEqual(['square 1']);
    listen(postSave, () => log.push('shape'), Shape);
    await Shape.insertMany([{ kind: Square.modelName, side: 2 }, { name: 'plain' }]);
    expect(log).toEqual(['square 1', 'square 2', 'shape']);
  });

  test.each([
    {},
    { ordered: false },
    { ordered: false, rawResult: true },
    { ordered: false, throwOnValidationError: true },
    { rawResult: true },
    { limit: 1 },
    { lean: true },
    { populate: 'friend' },
  ])('insertMany(…, %j) answers and fails as without signals', async (options) => {
    const outcomes: unknown[] = [];
    for (const hears of [false, true]) {
      await open({ bulk: 'signal' });
      const hooks: string[] = [];
      const schema = new instance.Schema(
        { name: { type: String, required: true }, friend: { type: instance.Schema.Types.ObjectId, ref: 'Friend' } },
        { collection: `many${String(++names)}` },
      );
      schema.pre('insertMany', function () {
        hooks.push('insertMany');
      });
      schema.pre('validate', () => void hooks.push('validate'));
      const Person = instance.model('Many', schema);
      instance.model('Friend', new instance.Schema({}));
      if (hears) for (const signal of [preSave, postSave, postBulk]) listen(signal, () => pause(1), undefined, {});
      const id = (digit: number) => new mongoose.Types.ObjectId(String(digit).repeat(24));
      const rows = [
        [{ _id: id(1), name: 'a' }, new Person({ _id: id(2), name: 'b' })],
        [{ _id: id(3), name: 'c' }, { _id: id(4) }, { _id: id(1), name: 'again' }, { _id: id(5), name: 'e' }],
        { _id: id(6), name: 'single' },
        [],
        [5],
      ];
      const seen: unknown[] = [];
      for (const each of rows) {
        seen.push(
          await (Person.insertMany as any)(each, options).then(
            (value: any) => [Object.getPrototypeOf(value) === Array.prototype, JSON.stringify(value)],
            (error: any) => [
              error.constructor.name,
              error.message.replace(/many\d+/, 'many'),
              error.code,
              error.insertedDocs?.length,
              Object.keys(error),
            ],
          ),
        );
      }
      outcomes.push(JSON.parse(JSON.stringify({ seen, hooks, rows: await Person.collection.find().toArray() })));
      await instance.disconnect();
      disconnectReceivers(owner);
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
  });

  test('of unordered documents a receiver refuses one, and the call fails; lean ones are a bulk insert', async () => {
    await open();
    const Person = model();
    listen(preSave, ({ instance: { name } }) => {
      if (name === 'b') throw new Error('no b');
    });
    listen(postSave, ({ instance: { name } }) => log.push(name));
    listen(postBulk, ({ operation, count }) => log.push(`${operation} ${count}`));
    const rows = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
    await expect(Person.insertMany(rows, { ordered: false })).rejects.toThrow('no b');
    await expect(Person.insertMany(rows)).rejects.toThrow('no b');
    await Person.insertMany([{ name: 'l' }], { lean: true });
    await pause(0);
    expect(log).toEqual(['a', 'c', 'insert 1']);
    expect(warned).toEqual([expect.stringContaining('A bulk insert of')]);
    expect((await Person.find()).map(({ name }) => name)).toEqual(['a', 'c', 'l']);
  });

  test('a document that insertMany() cannot make leaves no preSave behind that fails for nobody', async () => {
    await open({ atomic: true });
    const Person = model({ name: String }, { strict: 'throw' });
    listen(preSave, () => pause(1));
    const unhandled: unknown[] = [];
    const note = (error: unknown): number => unhandled.push(error);
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
    await expect(Person.insertMany([{ name: 'a' }, { nothing: 1 }])).rejects.toThrow('not in schema');
    await pause(30);
    process.removeAllListeners('unhandledRejection');
    for (const other of others) process.on('unhandledRejection', other);
    expect(unhandled).toEqual([]);
    expect(await Person.countDocuments()).toBe(0);
  });

  test('bulkSave() sends the signals of its documents, and no postBulk', async () => {
    await open({ bulk: 'throw' });
    const Person = model();
    listen(preSave, ({ instance: { name }, created }) => log.push(`pre ${name} ${created}`));
    listen(postSave, ({ instance: { name }, created }) => log.push(`post ${name} ${created}`));
    listen(postBulk, () => log.push('postBulk'));
    const [a, b] = [new Person({ name: 'a' }), new Person({ name: 'b' })];
    await Person.bulkSave([a, b]);
    a.name = 'c';
    await Person.bulkSave([a]);
    expect(log).toEqual(['pre a true', 'pre b true', 'post a true', 'post b true', 'pre c false', 'post c false']);
    await expect(Person.bulkWrite([{ insertOne: { document: { name: 'x' } } }])).rejects.toThrow('A bulk insert of');
  });

  test('bulkSave() is no bulk write, also where nobody listens', async () => {
    await open({ bulk: 'throw' });
    const Person = model();
    listen(postBulk, () => log.push('postBulk'));
    await Person.bulkSave([new Person({ name: 'a' })]);
    expect(log).toEqual([]);
    expect(await Person.countDocuments()).toBe(1);
  });

  test('bulkSave() without a session is outside of the transaction that its documents were read in', async () => {
    await open();
    const Person = model();
    await Person.create({ name: 'a' });
    listen(postSave, ({ tx }) => log.push(String(tx)));
    listen(postSave, () => log.push('afterCommit'), Person, { afterCommit: true });
    await instance.connection
      .transaction(async (session) => {
        const person = await Person.findOne({}, null, { session });
        person.name = 'b';
        await Person.bulkSave([person]);
        throw new Error('abort');
      })
      .catch(() => undefined);
    expect(log).toEqual(['undefined', 'afterCommit']);
    expect(await Person.findOne()).toMatchObject({ name: 'b' });
  });

  test.each(['create', 'spread', 'insertMany', 'bulkSave'] as const)(
    'with atomic, %s() is one transaction',
    async (method) => {
      await open({ atomic: true });
      const Person = model();
      const sessions = new Set<ClientSession>();
      listen(postSave, ({ instance: { name }, tx }) => {
        sessions.add(tx);
        if (name === 'c') throw new Error('no c');
      });
      listen(postSave, ({ instance: { name } }) => log.push(name), Person, { afterCommit: true });
      const write = (...all: string[]): Promise<unknown> => {
        const rows = all.map((name) => ({ name }));
        if (method === 'bulkSave') return Person.bulkSave(rows.map((row) => new Person(row)));
        if (method === 'spread') return Person.create(...rows);
        return Person[method](rows);
      };
      await write('a', 'b');
      expect([sessions.size, ...log]).toEqual([1, 'a', 'b']);
      await expect(write('c', 'd')).rejects.toThrow('no c');
      await expect(write('d', 'c')).rejects.toThrow('no c');
      expect((await Person.find()).map(({ name }) => name)).toEqual(['a', 'b']);
      expect(log).toEqual(['a', 'b']);
    },
  );
});

describe('queries', () => {
  test('postBulk counts upserts that insert', async () => {
    await open({ bulk: 'signal' });
    const Person = model();
    listen(postBulk, ({ operation, count }) => log.push(`${operation} ${count}`));
    await Person.findOneAndUpdate({ name: 'a' }, { age: 1 }, { upsert: true });
    await Person.findOneAndUpdate({ name: 'a' }, { age: 1 }, { upsert: true, includeResultMetadata: true });
    await Person.findOneAndUpdate({ name: 'none' }, { age: 1 }, { includeResultMetadata: true });
    await Person.findOneAndUpdate({ name: 'none' }, { age: 1 });
    await Person.findOneAndDelete({ name: 'a' });
    expect(log).toEqual(['upsert 1', 'upsert 1', 'update 0', 'update 0', 'delete 1']);
  });

  describe("bulk: 'individual'", () => {
    const people = [
      { name: 'a', age: 1, tags: [{ v: 1 }] },
      { name: 'b', age: 2, tags: [{ v: 1 }] },
      { name: 'c', age: 3, tags: [] },
    ];
    const schema = {
      name: { type: String, immutable: true },
      age: { type: Number, min: 0 },
      tags: [{ _id: false, v: Number }],
      token: String,
    };
    const individually = async (hears = true): Promise<mongoose.Model<any>> => {
      await open({ bulk: 'individual' });
      const Person = model(schema, { timestamps: true });
      await Person.insertMany(people, { timestamps: false });
      await Person.collection.updateOne({ name: 'c' }, { $set: { age: -1 } });
      if (!hears) return Person;
      for (const signal of [preSave, postSave, preDelete, postDelete]) listen(signal, () => undefined);
      listen(postSave, ({ instance: { name } }) => log.push(`save ${name}`));
      listen(postDelete, ({ instance: { name } }) => log.push(`delete ${name}`));
      listen(postBulk, ({ operation, count }) => log.push(`bulk ${operation} ${count}`));
      return Person;
    };
    const calls: Record<string, (Person: mongoose.Model<any>) => unknown> = {
      'a plain update, also of a document that is invalid by now': (P) => P.updateMany({}, { token: 'x' }),
      'an immutable path': (P) => P.updateMany({}, { name: 'z', token: 'x' }),
      overwriteImmutable: (P) => P.updateMany({}, { name: 'z' }, { overwriteImmutable: true }),
      'timestamps: false': (P) => P.updateMany({ name: 'a' }, { token: 'x' }, { timestamps: false }),
      'strict: throw': (P) => P.updateMany({}, { unknown: 1 }, { strict: 'throw' }),
      runValidators: (P) => P.updateMany({}, { age: -5 }, { runValidators: true }),
      'a filter from a request, sanitized': (P) =>
        P.deleteMany({ token: { $ne: null } }).setOptions({ sanitizeFilter: true }),
      requireFilter: (P) => P.deleteMany({}, { requireFilter: true } as never),
      'orFail that fails': (P) => P.updateMany({ name: 'none' }, { token: 'x' }).orFail(),
      'orFail that does not': (P) => P.deleteOne({ name: 'a' }).orFail(),
      strictQuery: (P) => P.deleteMany({ nothing: 1 }).setOptions({ strictQuery: 'throw' }),
      'an empty update': (P) => P.updateMany({}, {}, { timestamps: false }),
      $inc: (P) => P.updateMany({}, { $inc: { age: 1 } }),
      $unset: (P) => P.updateMany({}, { $unset: { age: 1 } }),
      'an update of one': (P) => P.updateOne({ age: { $gt: 0 } }, { age: 9 }),
      'a delete of some': (P) => P.deleteMany({ age: { $gt: 1 } }),
      'a delete of none': (P) => P.deleteMany({ name: 'none' }),
      'a cast error': (P) => P.updateMany({ age: 'x' }, { token: 'x' }),
    };
    const outcome = async (call: (Person: mongoose.Model<any>) => unknown, hears: boolean) => {
      const Person = await individually(hears);
      const value: unknown = await (async () => call(Person))().then(
        (result) => result,
        (error: unknown) => [
          (error as Error).constructor.name,
          (error as Error).message.replace(/Person\d+/g, 'Person'),
        ],
      );
      const rows = await Person.collection.find().toArray();
      disconnectReceivers(owner);
      await instance.disconnect();
      const shown = rows.map(({ _id, updatedAt, ...row }) => ({ ...row, hasDate: updatedAt !== undefined }));
      return { value, shown };
    };

    test.each(Object.keys(calls))('does what the query would: %s', async (name) => {
      const call = calls[name] as (Person: mongoose.Model<any>) => unknown;
      expect(await outcome(call, true)).toEqual(await outcome(call, false));
    });

    test('takes apart what it understands, and is loud about the rest', async () => {
      const Person = await individually();
      await Person.updateMany({ name: { $in: ['a', 'b'] } }, { token: 'x' });
      expect(log.splice(0)).toEqual(['save a', 'save b']);
      await Person.updateMany({}, { $inc: { age: 1 } });
      await pause(0);
      expect(log.splice(0)).toEqual(['bulk update 3']);
      expect(warned).toHaveLength(1);
      await Person.deleteOne({ name: 'a' });
      expect(log).toEqual(['delete a']);
    });

    test.each(['tags.$[].v', 'tags.$[x].v', 'tags.$.v', 'tags.0.v'])('%s goes to the server as it is', async (path) => {
      const Person = await individually();
      const sent: unknown[] = [];
      instance.set('debug', (...args: unknown[]) => sent.push(args));
      const options = path.includes('[x]') ? { arrayFilters: [{ 'x.v': 1 }] } : {};
      await Person.updateMany({ 'tags.v': 1 }, { [path]: 5 }, options).catch(() => undefined);
      expect(JSON.stringify(sent)).toContain(`"${path}":5`);
      expect(log.filter((each) => each.startsWith('save'))).toEqual([]);
    });

    test('hooks that come after the plugin still narrow the query', async () => {
      await open({ bulk: 'individual' });
      const late = (each: mongoose.Schema): void => {
        each.pre('deleteMany', function () {
          void this.where({ age: 1 });
        });
      };
      instance.plugin(late);
      const Person = model();
      await Person.insertMany([
        { name: 'a', age: 1 },
        { name: 'b', age: 2 },
      ]);
      listen(postDelete, ({ instance: { name } }) => log.push(name));
      expect(await Person.deleteMany({})).toEqual({ acknowledged: true, deletedCount: 1 });
      expect(log).toEqual(['a']);
    });

    test('what a receiver sets on one document reaches no other', async () => {
      const Person = await individually();
      listen(preSave, ({ instance: document }) => {
        if (document.name === 'a') document.token = 'only a';
      });
      await Person.updateMany({}, { age: 7 });
      expect((await Person.find().sort({ name: 1 })).map(({ age, token }) => [age, token])).toEqual([
        [7, 'only a'],
        [7, undefined],
        [7, undefined],
      ]);
    });
  });
});

describe('the plugin', () => {
  test('refuses a Mongoose that it does not know, and attaches nothing', async () => {
    await open();
    const other = new mongoose.Mongoose();
    (other as { version: string }).version = '7.8.0';
    other.plugin(signals() as never);
    expect(() => other.model('A', new other.Schema({}))).toThrow(/supports Mongoose from 8\.16\.0 on.*"7\.8\.0"/);
  });

  test('refuses a Mongoose that remembers the documents of a transaction otherwise, and attaches nothing', async () => {
    await open();
    const other = new mongoose.Mongoose();
    Object.assign(other, { Mongoose: class {} });
    other.plugin(signals() as never);
    const schema = new other.Schema({ name: String });
    const hooks = (): unknown =>
      (schema as unknown as { s: { hooks: { _pres: ReadonlyMap<string, object[]> } } }).s.hooks._pres.get('updateMany');
    expect(() => other.model('A', schema)).toThrow(/remembers the documents of a transaction.*Install such a version/);
    expect(hooks()).toBeUndefined();
  });

  test('warns when it comes after models were compiled', async () => {
    await open();
    const other = new mongoose.Mongoose();
    other.model('Early', new other.Schema({}));
    other.plugin(signals() as never);
    other.model('Late', new other.Schema({}));
    await pause(0);
    expect(warned).toEqual([expect.stringMatching(/came after Early was compiled/)]);
  });
});
