/** Transactions that MongoDB wants to be tried again, and what documents say of themselves in them. */
import mongoose, { type ClientSession } from 'mongoose';
import { afterAll, afterEach, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { postSave, preSave, signals } from '../../src/mongoose.ts';
import { freshDatabase } from '../support/databases.ts';

const database = await freshDatabase('mongodb', 'mongoose_retries');
const owner = {};
const open: mongoose.Mongoose[] = [];
afterEach(async () => {
  disconnectReceivers(owner);
  for (const instance of open.splice(0)) await instance.disconnect();
});
afterAll(() => database.drop());

interface Person {
  name: string;
  slug: string;
}

async function connect(atomic: boolean): Promise<{ instance: mongoose.Mongoose; schema: mongoose.Schema<Person> }> {
  const instance = new mongoose.Mongoose();
  open.push(instance);
  instance.plugin(signals({ atomic }));
  await instance.connect(database.url);
  return { instance, schema: new instance.Schema<Person>({ name: String, slug: String }) };
}

function listen(signal: AnySignal, receiver: (document: Person) => unknown): void {
  signal.connect((_sender: unknown, { instance }: { instance: Person }) => receiver(instance), { owner });
}

function transient(): Error {
  const error = new mongoose.mongo.MongoServerError({ message: 'again' });
  error.addErrorLabel('TransientTransactionError');
  return error;
}

/** The next commit is undone by the server, which asks for another try. */
function failNextCommit(instance: mongoose.Mongoose): () => number {
  const client = instance.connection.getClient();
  const start = client.startSession.bind(client);
  let failed = 0;
  client.startSession = (...args) => {
    const session: ClientSession = start(...args);
    const commit = session.commitTransaction.bind(session);
    session.commitTransaction = async () => {
      if (failed++ > 0) return commit();
      await session.abortTransaction();
      throw transient();
    };
    return session;
  };
  return () => failed;
}

test('with atomic, an update whose commit is tried again is written again', async () => {
  const { instance, schema } = await connect(true);
  const Person = instance.model('Updated', schema);
  const person = await Person.create({ name: 'a' });
  listen(postSave, () => undefined);
  const commits = failNextCommit(instance);
  person.name = 'b';
  await person.save();
  expect(commits()).toBe(2);
  expect(await Person.findOne().lean()).toMatchObject({ name: 'b' });
});

test('with atomic, an insert whose commit is tried again is written again', async () => {
  const { instance, schema } = await connect(true);
  const Person = instance.model('Inserted', schema);
  listen(postSave, () => undefined);
  const commits = failNextCommit(instance);
  await Person.create({ name: 'a' });
  expect(commits()).toBe(2);
  expect(await Person.find().lean()).toMatchObject([{ name: 'a' }]);
});

test.each([true, false])('what preSave has changed is written again (atomic: %s)', async (atomic) => {
  const { instance, schema } = await connect(atomic);
  const Person = instance.model(`Changed${String(atomic)}`, schema);
  const person = await Person.create({ name: 'a' });
  let tries = 0;
  listen(preSave, (document) => {
    document.slug = document.name;
  });
  listen(postSave, () => {
    if (++tries === 1) throw transient();
  });
  person.name = 'b';
  if (atomic) await person.save();
  else await instance.connection.transaction((session) => person.save({ session }));
  expect(tries).toBe(2);
  expect(await Person.findOne().lean()).toMatchObject({ name: 'b', slug: 'b' });
});

test('with atomic, a hook that sets a value back unmarks it', async () => {
  const { instance, schema } = await connect(true);
  schema.pre('save', function () {
    this.name = 'a';
  });
  const Person = instance.model('SetBack', schema);
  const person = await Person.create({ name: 'a' });
  const written: unknown[] = [];
  (postSave as AnySignal).connect(
    (_sender: unknown, { updateFields }: { updateFields: Set<string> }) => written.push(...updateFields),
    { owner },
  );
  person.set({ name: 'b', slug: 's' });
  await person.save();
  expect(written).toEqual(['slug']);
});
