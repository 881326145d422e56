/** Prisma's write API, for the equivalence suite. A step is a call with its arguments, as data. */
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import fc from 'fast-check';
import { signals } from '../../../src/prisma.ts';
import { type Engine, freshDatabase } from '../../support/databases.ts';
import { type Entry, type Session, settle, type Subject } from '../equivalence.ts';
import { PrismaClient as PostgresClient } from '../prisma/postgresql/client/client.ts';
import { PrismaClient } from '../prisma/sqlite/client/client.ts';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-argument -- calls that the types refuse are among them */

interface Call {
  readonly model: string;
  readonly method: string;
  readonly args?: unknown;
  /** Relations that are asked for in place of the row: `update(…).profiles()`. */
  readonly fluent?: readonly string[];
}
export type Step =
  | Call
  | { readonly batch: readonly Call[]; readonly options?: object }
  | { readonly transaction: readonly Step[]; readonly throws: boolean; readonly options?: object }
  | { readonly raw: string; readonly method: string };

async function perform(step: Step, db: any): Promise<unknown> {
  const begin = ({ model, method, args, fluent = [] }: Call): PromiseLike<unknown> =>
    fluent.reduce((pending, relation) => pending[relation](), db[model][method](...(args === undefined ? [] : [args])));
  if ('model' in step) return begin(step);
  if ('raw' in step) return db[step.method](step.raw);
  if ('batch' in step)
    return db.$transaction(step.batch.map(begin), ...(step.options === undefined ? [] : [step.options]));
  const outcomes: unknown[] = [];
  const ended = db.$transaction(
    async (tx: any) => {
      for (const each of step.transaction) outcomes.push(await settle(perform(each, tx)));
      if (step.throws) throw new RangeError('thrown in the transaction');
      return 'returned';
    },
    ...(step.options === undefined ? [] : [{ ...step.options }]),
  );
  return [await settle(ended), outcomes];
}

const SCHEMA = [
  'create table contract_users (id ID, name text not null, email text, age integer, born DATE, handle text unique)',
  'create table contract_profiles (id ID, "userId" integer not null, bio text not null)',
  'create table notes (id ID, text text not null, "profileId" integer)',
  'create table seats ("row" integer, place integer, guest text, primary key ("row", place))',
  'create table days (at DATE primary key, note text)',
  `create table things (id ID, code text not null unique, count integer not null default 0, price decimal,
    ratio double precision, at DATE, "parentId" integer references things on delete set null)`,
];
const TABLES = ['contract_users', 'contract_profiles', 'notes', 'seats', 'days', 'things'];

async function open(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const log = [{ emit: 'event', level: 'query' }] as const;
  const transactionOptions = { maxWait: 9_000, timeout: 9_000 };
  const raw = (engine === 'sqlite'
    ? new PrismaClient({
        adapter: new PrismaLibSql({ url: `file:${database.url}` }),
        log: [...log],
        transactionOptions,
      })
    : new PostgresClient({
        adapter: new PrismaPg({ connectionString: database.url, max: 3 }),
        log: [...log],
        transactionOptions,
      })) as unknown as PrismaClient;
  const hooks: string[] = [];
  const statements: string[] = [];
  (raw as any).$on('query', ({ query, params }: { query: string; params: string }) =>
    statements.push(`${query} ${params}`),
  );
  for (const table of SCHEMA) {
    const [id, date] =
      engine === 'sqlite' ? ['integer primary key autoincrement', 'datetime'] : ['serial primary key', 'timestamp(3)'];
    await raw.$executeRawUnsafe(table.replace('ID', id).replace('DATE', date));
  }
  /** Notes what it sees, before it and after it. */
  const noting = (label: string): any => ({
    query: {
      $allOperations: async ({ model, operation, args, query }: any) => {
        hooks.push(`${label} ${String(model)}.${String(operation)} ${JSON.stringify(args)}`);
        const result = await query(args);
        hooks.push(
          `${label} ${JSON.stringify(result, (_key, value: unknown) => (typeof value === 'bigint' ? `${String(value)}n` : value))}`,
        );
        return result;
      },
    },
    result: {
      user: { shout: { needs: { name: true, age: true }, compute: ({ name }: { name: string }) => `${name}!` } },
    },
  });
  const bare = raw.$extends(noting('first')).$extends(noting('second'));
  let db: any = bare;
  return {
    async reset() {
      if (engine === 'postgres') await raw.$executeRawUnsafe(`truncate ${TABLES.join()} restart identity cascade`);
      else for (const table of [...TABLES, 'sqlite_sequence']) await raw.$executeRawUnsafe(`delete from ${table}`);
      hooks.length = statements.length = 0;
    },
    attach(options) {
      db = (raw.$extends(noting('first')) as any).$extends(signals(options)).$extends(noting('second'));
    },
    detach() {
      db = bare;
    },
    perform: (step) => perform(step, db),
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const table of TABLES) rows[table] = await raw.$queryRawUnsafe(`select * from ${table} order by 1, 2`);
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      await raw.$disconnect();
      await database.drop();
    },
  };
}

const of = fc.constantFrom;
const some = <T>(values: Record<string, fc.Arbitrary<T>>, required: readonly string[] = []): fc.Arbitrary<any> =>
  fc.record(values, { requiredKeys: required as never[] });
const ids = fc.integer({ min: 1, max: 4 });
const names = of('ann', 'bob', 'Ann');
const days = of('2020-01-01T00:00:00.000Z', '2020-01-02T00:00:00.000Z');

/** Columns of a user for an insert, now and then with something wrong in it. */
const user = some<unknown>(
  {
    name: fc.oneof({ weight: 12, arbitrary: names }, { weight: 1, arbitrary: of<unknown>(1, null) }),
    email: of(null, 'e@x.org'),
    age: fc.integer({ min: 0, max: 3 }),
    born: days,
    handle: of('h', 'i', null),
  },
  ['name'],
);
const profiles = fc.oneof(
  some<unknown>({ create: of({ bio: 'nested' }, [{ bio: 'a' }, { bio: 'b', notes: { create: { text: 'deep' } } }]) }),
  some<unknown>({ connect: fc.record({ id: ids }) }),
);
const newUser = fc.oneof(
  { weight: 8, arbitrary: user },
  { weight: 2, arbitrary: fc.tuple(user, profiles).map(([data, nested]) => ({ ...data, profiles: nested })) },
  { weight: 1, arbitrary: of<any>(undefined, {}, { name: 'ann', nmae: 1 }, []) },
);
const changes = some<unknown>({
  name: fc.oneof(names, fc.record({ set: names }), of<unknown>(7)),
  age: of<unknown>(1, 2, null, { increment: 1 }, { multiply: 2 }, { set: 3 }),
  handle: of<unknown>('h', 'i', null),
  born: days,
  profiles: of<unknown>(
    { deleteMany: {} },
    { updateMany: { where: {}, data: { bio: 'changed' } } },
    { create: { bio: 'new' } },
  ),
});
const plainChanges = some<unknown>(
  {
    name: names,
    age: of<unknown>(1, 2, { increment: 1 }),
    handle: of<unknown>('h', null),
    born: days,
    nmae: fc.constant(1),
  },
  [],
);
const selection = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 5,
    arbitrary: of<object>(
      { select: { id: true } },
      { select: { name: true, id: false } },
      { select: { age: true, profiles: { select: { bio: true } }, _count: { select: { profiles: true } } } },
      { select: { shout: true } },
      { select: {} },
      { select: { id: false } },
      { select: { nmae: true } },
      { select: null },
      { include: { profiles: true } },
      { include: { profiles: { orderBy: { id: 'desc' }, take: 1 } }, omit: { email: true } },
      { omit: { id: true, name: true } },
      { omit: { shout: true, age: true } },
      { omit: { id: true, name: true, email: true, age: true, born: true, handle: true } },
      { omit: { nmae: true } },
      { select: { id: true }, omit: { id: true } },
      { select: { id: true }, include: { profiles: true } },
      { unknown: 1 },
    ),
  },
);
const key = fc.oneof(
  fc.record({ id: ids }),
  fc.record({ handle: of('h', 'i') }),
  fc.record({ id: ids, age: fc.integer({ min: 0, max: 3 }) }),
  of<object>({}, { name: 'ann' }),
);
const condition = fc.oneof(
  of<any>(undefined, {}, { AND: [] }, { OR: [] }, { NOT: { name: 'ann' } }, { nmae: 1 }, { profiles: { some: {} } }),
  fc.record({ name: names }),
  fc.record({ age: of<unknown>({ lt: 2 }, null, 1) }),
  fc.record({ born: days }),
);
const limit = of<object>({}, {}, {}, { limit: 1 }, { limit: 0 }, { limit: -1 });

const call = (model: string, method: string, args: fc.Arbitrary<any>): fc.Arbitrary<Call> =>
  args.map((each) => ({ model, method, args: each }));
const merged = (...parts: fc.Arbitrary<any>[]): fc.Arbitrary<any> =>
  fc.tuple(...parts).map((each) => Object.assign({}, ...each));

const create = fc.oneof(
  { weight: 6, arbitrary: call('user', 'create', merged(fc.record({ data: newUser }), selection)) },
  { weight: 2, arbitrary: call('profile', 'create', fc.record({ data: fc.record({ bio: names, userId: ids }) })) },
  {
    weight: 1,
    arbitrary: call('profile', 'create', fc.record({ data: fc.record({ bio: names, userId: ids }) })).map((each) => ({
      ...each,
      fluent: ['user'],
    })),
  },
  { weight: 1, arbitrary: call('seat', 'create', fc.record({ data: fc.record({ row: ids, place: ids }) })) },
  { weight: 1, arbitrary: call('day', 'create', fc.record({ data: fc.record({ at: days }) })) },
  {
    weight: 1,
    arbitrary: call(
      'thing',
      'create',
      fc.record({
        data: some<unknown>(
          { code: of('a', 'b', 'c'), price: of('1.50', 2), ratio: of(0.1, 1), at: days, parentId: of(1, null) },
          ['code'],
        ),
      }),
    ),
  },
  { weight: 1, arbitrary: of<Call>({ model: 'user', method: 'create' }) },
);
const rowsOf = fc.oneof(fc.array(user, { maxLength: 3 }), user, of<any>(undefined, null, [undefined]));
const createMany = fc.oneof(
  call(
    'user',
    'createMany',
    merged(
      fc.record({ data: rowsOf }),
      of({}, {}, {}, { skipDuplicates: true }, { skipDuplicates: false }, { select: { id: true } }),
    ),
  ),
  of<Call>({ model: 'user', method: 'createMany' }, { model: 'user', method: 'createMany', args: {} }),
);
const createManyAndReturn = fc.oneof(
  call('user', 'createManyAndReturn', merged(fc.record({ data: rowsOf }), selection)),
  of<Call>({ model: 'user', method: 'createManyAndReturn', args: {} }),
);
const update = fc.oneof(
  { weight: 5, arbitrary: call('user', 'update', merged(fc.record({ where: key, data: changes }), selection)) },
  {
    weight: 1,
    arbitrary: call('user', 'update', fc.record({ where: key, data: changes })).map((each) => ({
      ...each,
      fluent: ['profiles'],
    })),
  },
  {
    weight: 1,
    arbitrary: call(
      'seat',
      'update',
      fc.record({
        where: fc.record({ row_place: fc.record({ row: ids, place: ids }) }),
        data: fc.record({ guest: names }),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: call('day', 'update', fc.record({ where: fc.record({ at: days }), data: fc.record({ note: names }) })),
  },
  {
    weight: 1,
    arbitrary: call(
      'thing',
      'update',
      fc.record({
        where: fc.record({ code: of('a', 'b') }),
        data: some<unknown>({ count: of<unknown>({ increment: 1 }, 5), price: of('1.50'), code: of('a', 'c') }),
      }),
    ),
  },
);
const upsert = fc.oneof(
  {
    weight: 3,
    arbitrary: call('user', 'upsert', merged(fc.record({ where: key, create: newUser, update: changes }), selection)),
  },
  {
    weight: 1,
    arbitrary: call(
      'thing',
      'upsert',
      fc.record({
        where: fc.record({ code: fc.constant('a') }),
        create: fc.constant({ code: 'a' }),
        update: fc.constant({ count: { increment: 1 } }),
      }),
    ),
  },
);
const remove = fc.oneof(
  call('user', 'delete', merged(fc.record({ where: key }), selection)),
  call('thing', 'delete', fc.record({ where: fc.record({ code: of('a', 'b') }) })),
);
const updateMany = fc.oneof(
  {
    weight: 4,
    arbitrary: call('user', 'updateMany', merged(fc.record({ where: condition, data: plainChanges }), limit)),
  },
  {
    weight: 1,
    arbitrary: call('thing', 'updateMany', fc.record({ data: some<unknown>({ count: of(1), code: of('a') }) })),
  },
  {
    weight: 1,
    arbitrary: call(
      'day',
      'updateMany',
      fc.record({ where: fc.record({ at: days }), data: some<unknown>({ note: names, at: days }) }),
    ),
  },
);
const updateManyAndReturn = call(
  'user',
  'updateManyAndReturn',
  merged(fc.record({ where: condition, data: plainChanges }), limit, selection),
);
const deleteMany = fc.oneof(
  { weight: 3, arbitrary: call('user', 'deleteMany', merged(fc.record({ where: condition }), limit)) },
  { weight: 1, arbitrary: call('day', 'deleteMany', fc.record({ where: fc.record({ at: days }) })) },
  {
    weight: 1,
    arbitrary: of<Call>({ model: 'user', method: 'deleteMany' }, { model: 'thing', method: 'deleteMany', args: {} }),
  },
);
const anyCall = fc.oneof(create, createMany, createManyAndReturn, update, upsert, remove, updateMany, deleteMany);

const entry = (step: Entry<Step>['step'], weight: number, ...covers: string[]): Entry<Step> => ({
  covers,
  step,
  weight,
});
const probe = new PrismaClient({ adapter: new PrismaLibSql({ url: ':memory:' }) }) as any;
const functionsOf = (holder: any): object =>
  Object.fromEntries(
    Object.keys(holder)
      .filter((name) => typeof holder[name] === 'function')
      .map((name) => [name, holder[name]]),
  );

export const prisma: Subject<Step> = {
  orm: 'Prisma',
  engines: ['sqlite', 'postgres'],
  api: {
    Model: functionsOf(probe.user),
    Client: Object.fromEntries(Object.entries(functionsOf(probe)).filter(([name]) => name.startsWith('$'))),
  },
  entries: {
    create: entry(create, 6, 'Model.create'),
    createMany: entry(createMany, 3, 'Model.createMany'),
    createManyAndReturn: entry(createManyAndReturn, 2, 'Model.createManyAndReturn'),
    update: entry(update, 5, 'Model.update'),
    upsert: entry(upsert, 3, 'Model.upsert'),
    delete: entry(remove, 2, 'Model.delete'),
    updateMany: entry(updateMany, 3, 'Model.updateMany'),
    updateManyAndReturn: entry(updateManyAndReturn, 2, 'Model.updateManyAndReturn'),
    deleteMany: entry(deleteMany, 3, 'Model.deleteMany'),
    raw: entry(
      of<Step>(
        { raw: "update contract_users set name = 'raw'", method: '$executeRawUnsafe' },
        { raw: 'select count(*) as count from contract_users', method: '$queryRawUnsafe' },
      ),
      1,
      'Client.$executeRawUnsafe',
      'Client.$queryRawUnsafe',
    ),
    batch: entry(fc.record({ batch: fc.array(anyCall, { maxLength: 3 }) }), 2, 'Client.$transaction'),
    transaction: entry(
      (nested) =>
        fc.record(
          {
            transaction: nested,
            throws: fc.boolean(),
            options: of({ timeout: 8_000 }, { isolationLevel: 'Serializable' }),
          },
          { requiredKeys: ['transaction', 'throws'] },
        ),
      3,
      'Client.$transaction',
    ),
  },
  excused: {
    'Model.find*': 'reads',
    'Model.aggregate': 'reads',
    'Model.groupBy': 'reads',
    'Model.count': 'reads',
    'Model.aggregateRaw': 'MongoDB',
    'Client.$connect': 'no write',
    'Client.$disconnect': 'no write',
    'Client.$on': 'no write',
    'Client.$extends': 'attaching uses it; prisma-writes.test.ts has more',
    'Client.$executeRaw*': 'of no model',
    'Client.$queryRaw*': 'of no model',
    'Client.$runCommandRaw': 'MongoDB',
  },
  options: { atomic: [true, false], beforeImage: [false] },
  open,
};
