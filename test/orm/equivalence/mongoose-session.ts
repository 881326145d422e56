/** A database of Mongoose's, for the equivalence suite. */
import mongoose, { type Connection, type Model, type Mongoose } from 'mongoose';
import { signals, type SignalsOptions } from '../../../src/mongoose.ts';
import { type AnyEngine, freshDatabase } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { defineModels, type Name } from './mongoose-models.ts';
import { perform, type Step } from './mongoose-steps.ts';

/** A Mongoose with its models: plugins belong to it for good, so that each set of options has its own. */
export interface World {
  readonly connection: Connection;
  readonly models: Readonly<Record<Name, Model<unknown>>>;
}

const COLLECTIONS = ['people', 'seats', 'tasks', 'notes'];

export async function openMongoose(engine: AnyEngine, name: string, atomic: boolean): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const hooks: string[] = [];
  const statements: string[] = [];
  let now = 0;
  const client = await mongoose.mongo.MongoClient.connect(database.url);
  await client.db().createIndex('people', { email: 1 }, { unique: true, sparse: true });
  const worlds = new Map<string, { readonly instance: Mongoose; readonly world: World }>();
  const worldOf = async (options: SignalsOptions | undefined): Promise<World> => {
    const key = JSON.stringify(options ?? 'bare');
    let found = worlds.get(key);
    if (found === undefined) {
      const instance = new mongoose.Mongoose({
        transactionAsyncLocalStorage: true,
        autoIndex: false,
        autoCreate: false,
      });
      if (options !== undefined) instance.plugin(signals({ ...options, atomic }));
      const models = defineModels(
        instance,
        (text) => hooks.push(withoutChance(text)),
        () => new Date(now),
      );
      await instance.connect(database.url, { monitorCommands: true, maxPoolSize: 3 });
      instance.connection.getClient().on('commandStarted', ({ command }) => {
        statements.push(withoutChance(JSON.stringify(command, withoutSession)));
      });
      worlds.set(key, (found = { instance, world: { connection: instance.connection, models } }));
    }
    return found.world;
  };
  let world = await worldOf(undefined);
  return {
    async reset() {
      for (const collection of COLLECTIONS) await client.db().collection(collection).deleteMany({});
      await client.db().collection('people').insertMany(PEOPLE);
      await client.db().collection<{ _id: object }>('seats').insertMany(SEATS);
      await client.db().collection<{ _id: number }>('tasks').insertMany(TASKS);
      hooks.length = statements.length = now = 0;
    },
    async attach(options) {
      world = await worldOf(options);
    },
    detach: () => undefined,
    async perform(step) {
      const before = hooks.length;
      now += 1_000;
      try {
        return await perform(step, world);
      } finally {
        // Mongoose runs the hooks of these documents at once: their order is that of their waits.
        if (/"(create|insertMany|bulkSave)"/.test(JSON.stringify(step))) hooks.push(...hooks.splice(before).sort());
      }
    },
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const name of COLLECTIONS) {
        const found = await client.db().collection(name).find().sort({ _id: 1 }).toArray();
        rows[name] = found.map((row) => withoutChance(mongoose.mongo.BSON.EJSON.stringify(row)));
      }
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      for (const { instance } of worlds.values()) await instance.disconnect();
      await client.close();
      await database.drop();
    },
  };
}

/** The id that programs know by this number. */
export function idOf(number: number): mongoose.Types.ObjectId {
  return new mongoose.Types.ObjectId(String(number).padStart(24, '0'));
}

const PEOPLE = [
  { _id: idOf(1), name: 'a', email: 'a@x', age: 1, role: 'user', tags: ['t'], pets: [{ _id: idOf(91), name: 'p' }] },
  { _id: idOf(2), name: 'b', age: 2, role: 'user', address: { city: 'c', zip: 1 }, friend: idOf(1), scores: { s: 1 } },
  { _id: idOf(3), name: 'c', email: 'b@x', age: -1, kind: 'Employee', salary: 5, tags: [], pets: [] },
].map((row) => ({ ...row, __v: 0, createdAt: new Date('2001-01-01'), updatedAt: new Date('2001-01-01') }));
const SEATS = [
  { _id: { line: 1, place: 1 }, guest: 'a' },
  { _id: { line: 1, place: 2 }, guest: 'b' },
];
const TASKS = [
  { _id: 1, title: 'x', data: { a: 1 }, list: [1, 2], version: 0 },
  { _id: 2, title: 'y', hidden: true, list: [], version: 3 },
];

/** What differs from run to run, whatever is attached. */
export function withoutChance(text: string): string {
  return text.replace(/\b(?!0{20})[0-9a-f]{24}\b/g, 'an id');
}

function withoutSession(key: string, value: unknown): unknown {
  return ['lsid', 'txnNumber', '$clusterTime', '$db'].includes(key) ? undefined : value;
}
