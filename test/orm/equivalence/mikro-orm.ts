/** MikroORM's write API, for the equivalence suite. */
import { Collection, EntityManager, EntityRepository } from '@mikro-orm/core';
import { AbstractSqlConnection, QueryBuilder, SqlEntityManager, SqlEntityRepository } from '@mikro-orm/postgresql';
import fc from 'fast-check';
import type { Subject } from '../equivalence.ts';
import { excused } from './mikro-orm-excused.ts';
import type { Name } from './mikro-orm-entities.ts';
import { openMikroOrm } from './mikro-orm-session.ts';
import type { Call, Step } from './mikro-orm-steps.ts';
import { leaf } from './mikro-orm-text.ts';

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom<T[]>(...values);
const maybe = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }, ...required: (keyof T)[]) =>
  fc.record(fields, { requiredKeys: required });

const id = fc.integer({ min: 1, max: 4 });
const held = fc.integer({ min: 0, max: 5 });
const word = some<unknown>('a', 'b', 'c', null);
const number = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 3 }) }, some<unknown>(null));
const email = some<unknown>('a@x', 'b@x', null);
const settings = some<unknown>({ theme: 'dark' }, { theme: 'light', more: { list: [1] } }, null);
const address = some<unknown>({ city: 'Paris' }, { city: 'Rome', zip: '1' }, null);
const date = some<unknown>({ '@date': '2020-01-01T00:00:00Z' }, { '@date': '2021-01-01T00:00:00Z' }, null);
const one = (name: Name): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 3, arbitrary: held.map((index) => ({ '@of': [name, index] })) },
    id.map((key) => ({ '@reference': [name, key] })),
  );
const newTask = maybe({ title: some('x', 'done'), note: word, done: fc.boolean() });

/** What `em.create()` is given. */
const NEW: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe(
    {
      ...{ id, name: some('a', 'b', 'c', 'too long for it'), email, age: number, settings, address, born: date },
      boss: one('Person'),
      tasks: fc.array(newTask, { maxLength: 2 }),
      tags: fc.array(one('Tag'), { maxLength: 1 }),
      passport: some({ country: 'x' }),
    },
    'name',
  ),
  Task: maybe({ id, title: some('x', 'y', 'done'), note: word, done: fc.boolean(), person: one('Person') }),
  Tag: maybe({ id, name: some('a', 'b', 'c', 'd'), hits: number }, 'name'),
  Seat: maybe({ line: id, place: id, guest: word, price: some<unknown>('1.50', '2', null) }, 'line', 'place'),
  Booking: maybe({ person: one('Person'), tag: one('Tag'), note: word }, 'person', 'tag'),
  Passport: maybe({ owner: one('Person'), country: word }, 'owner'),
  Animal: maybe({ id, name: word }),
  Dog: maybe({ id, name: word, breed: word }),
  Vehicle: maybe({ id, wheels: number }),
  Car: maybe({ id, wheels: number, doors: number }),
};
/** What past the unit of work is given: no entities. */
const ROW: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe(
    { id, name: some('a', 'b', 'c'), email, age: number, role: some('admin'), settings, born: date, boss: id, address },
    'name',
  ),
  Task: maybe({ id, title: some('x', 'y', 'done'), note: word, done: fc.boolean(), person: id }),
  Tag: maybe({ id, name: some('a', 'b', 'c', 'd'), hits: number }, 'name'),
  Seat: maybe({ line: id, place: id, guest: word, price: some<unknown>('1.50', null) }, 'line', 'place'),
  Booking: maybe({ person: id, tag: id, note: word }, 'person', 'tag'),
  Passport: maybe({ owner: id, country: word }, 'owner'),
  Animal: maybe({ id, name: word }),
  Dog: maybe({ id, name: word, breed: word }),
  Vehicle: maybe({ id, wheels: number }),
  Car: maybe({ id, wheels: number, doors: number }),
};
const VALUES: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: maybe({
    ...{ name: some('x', 'y'), email, born: date, settings, role: some('admin'), boss: id, address },
    age: fc.oneof(number, some<unknown>({ '@raw': 'age + 1' })),
    version: some(7),
    nothing: some(1),
  }),
  Task: maybe({ title: some('z', 'done'), note: word, done: fc.boolean(), person: id }),
  Tag: maybe({ name: some('a', 'z'), hits: fc.oneof(number, some<unknown>({ '@raw': 'hits + 1' })), id }),
  Seat: maybe({ guest: word, price: some<unknown>('3.25', null), place: id }),
  Booking: maybe({ note: word }),
  Passport: maybe({ country: word }),
  Animal: maybe({ name: word }),
  Dog: maybe({ name: word, breed: word }),
  Vehicle: maybe({ wheels: number }),
  Car: maybe({ wheels: number, doors: number }),
};
const common = some<unknown>({}, { id: [] }, { id: { $in: [1, 2] } }, { id: { $gt: 1 } }, { nothing: 1 }, [1, 2]);
const key = fc.oneof(id, fc.record({ id }));
const WHERE: Readonly<Record<Name, fc.Arbitrary<unknown>>> = {
  Person: fc.oneof(
    key,
    common,
    fc.record({ name: some('a', 'b') }),
    fc.record({ email }),
    fc.record({ boss: id }),
    some<unknown>(
      { $or: [{ id: 1 }, { name: 'b' }] },
      { $not: { id: 1 } },
      { name: { $like: '%' } },
      { age: { $gte: 2 }, name: 'a' },
      { tags: 1 },
      { tasks: { title: 'x' } },
      { boss: { name: 'a' } },
      { address: { city: 'Paris' } },
      { version: 1 },
      { settings: { theme: 'dark' } },
      { '@raw': '1 = 1' },
      null,
    ),
  ),
  Task: fc.oneof(key, common, fc.record({ person: id }), fc.record({ title: some('x', 'done') })),
  Tag: fc.oneof(key, common, fc.record({ name: some('a', 'b') }), some<unknown>({ people: 1 })),
  Seat: fc.oneof(
    fc.record({ line: id }),
    fc.record({ line: id, place: id }),
    some<unknown>({}, [1, 1], { guest: 'a' }, { $and: [{ line: 1 }, { place: 1 }] }),
  ),
  Booking: fc.oneof(fc.record({ person: id }), fc.record({ person: id, tag: id }), some<unknown>({}, [1, 1])),
  Passport: fc.oneof(fc.record({ owner: id }), fc.record({ owner: fc.record({ id }) }), some<unknown>({}, 1)),
  Animal: fc.oneof(key, common, fc.record({ name: some('a') })),
  Dog: fc.oneof(key, common, fc.record({ breed: some('a', 'b') }), fc.record({ name: some('a') })),
  Vehicle: fc.oneof(key, common, fc.record({ wheels: id })),
  Car: fc.oneof(key, common, fc.record({ doors: id }), fc.record({ wheels: id })),
};
const UNIQUE: Readonly<Partial<Record<Name, readonly string[]>>> = { Person: ['email'], Tag: ['name'] };
const ORDERS: Readonly<Partial<Record<Name, object>>> = {
  Seat: { line: 'asc', place: 'asc' },
  Booking: { person: 'asc', tag: 'asc' },
  Passport: { owner: 'asc' },
};
/** Populating all never ends where a person is its own boss. */
const POPULATE: Readonly<Partial<Record<Name, readonly string[]>>> = {
  Person: ['tasks', 'tags'],
  Task: ['person'],
  Tag: ['people'],
  Booking: ['person'],
};
const ORDER = (name: Name): object => ORDERS[name] ?? { id: 'asc' };

const names = Object.keys(NEW) as Name[];
const name = fc.oneof({ weight: 2, arbitrary: some<Name>('Person', 'Task', 'Tag') }, some(...names));
const classOf = (of: Name): object => ({ '@class': of });
/** In the EntityManager, which takes the class first, or in a repository of it. */
function onClass(make: (of: Name) => fc.Arbitrary<Call>): fc.Arbitrary<Step> {
  return name.chain((of) =>
    fc.tuple(make(of), fc.nat(3)).map(([call, where]): Step => {
      const [method, ...args] = call;
      return where === 0 ? { repository: of, call } : { call: [method, classOf(of), ...args] };
    }),
  );
}

const filters = some<unknown>(false, { open: false }, true);
const native = maybe({ filters, convertCustomTypes: some(true), schema: some(undefined), logging: some({}) });
const options = fc.oneof(
  { weight: 3, arbitrary: some<unknown[]>([]) },
  native.map((given): unknown[] => [given]),
);
const find = (of: Name): fc.Arbitrary<object> =>
  maybe(
    {
      orderBy: fc.constant(ORDER(of)),
      filters,
      refresh: some(true),
      disableIdentityMap: some(true),
      flushMode: some('commit', 'always'),
      limit: some(1),
      populate: some(POPULATE[of] ?? []),
      lockMode: some(4),
      fields: some(['*']),
    },
    'orderBy',
  );
const upsert = (of: Name): fc.Arbitrary<object> =>
  maybe({
    onConflictAction: some('ignore', 'merge'),
    onConflictFields: some(UNIQUE[of] ?? ['id'], ['id']),
    onConflictMergeFields: some(of === 'Person' ? ['name', 'age'] : ['id'], []),
    onConflictExcludeFields: some(of === 'Person' ? ['role'] : ['id']),
    disableIdentityMap: some(true),
    batchSize: some(1, 2),
  });
const perhaps = (given: fc.Arbitrary<object>): fc.Arbitrary<unknown[]> =>
  fc.oneof(
    { weight: 2, arbitrary: some<unknown[]>([]) },
    given.map((each): unknown[] => [each]),
  );

const relation = some<readonly [string, Name]>(['tasks', 'Task'], ['tags', 'Tag'], ['people', 'Person']);
const collection = relation.chain(([property, of]) =>
  fc.oneof(
    fc
      .tuple(
        some('add', 'add', 'remove', 'set', 'hydrate', 'contains'),
        fc.array(one(of), { minLength: 1, maxLength: 2 }),
      )
      .map(([method, items]): Call =>
        ['set', 'hydrate'].includes(method)
          ? ['collection', property, method, items]
          : ['collection', property, method, ...(method === 'contains' ? items.slice(0, 1) : items)],
      ),
    some<Call>(
      ...['removeAll', 'init', 'load', 'loadItems', 'loadCount', 'matching', 'getItems', 'toJSON', 'isEmpty'].map(
        (method): Call => ['collection', property, method],
      ),
      ['collection', property, 'loadCount', { refresh: true }],
      ['collection', property, 'init', { where: { id: 1 } }],
      ['collection', property, 'matching', { where: { id: { $gt: 1 } }, store: true }],
    ),
  ),
);
const change: fc.Arbitrary<Call> = name.chain((of) =>
  VALUES[of].chain((values) => {
    const entries = Object.entries(values);
    return entries.length === 0
      ? some<Call>(['set', 'name', 'n'])
      : some<Call>(...entries.map(([field, value]): Call => ['set', field, value]));
  }),
);
const onEntity: fc.Arbitrary<Call> = fc.oneof(
  { weight: 4, arbitrary: change },
  { weight: 3, arbitrary: collection },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        name.chain((of) => VALUES[of]),
        maybe({
          mergeObjectProperties: some(true),
          convertCustomTypes: some(true),
          updateNestedEntities: some(false),
          updateByPrimaryKey: some(false),
          ignoreUndefined: some(true),
        }),
      )
      .map(([values, given]): Call => ['assign', values, given]),
  },
  one('Person').map((person): Call => ['set', 'person', person]),
  one('Person').map((person): Call => ['set', 'boss', person]),
  one('Person').map((person): Call => ['set', 'owner', person]),
  one('Passport').map((passport): Call => ['set', 'passport', passport]),
  some<Call>(['in', 'settings', { theme: 'changed' }], ['in', 'address', { city: 'Oslo' }]),
  some<Call>(
    ['persist'],
    ['persist'],
    ['remove'],
    ['remove'],
    ['refresh'],
    ['refresh', { populate: ['tasks'] }],
    ['refreshOrFail'],
    ['lock', 1, { lockVersion: 1 }],
    ['lock', 1, 2],
    ['lock', 4],
    ['lock', 2],
    ['insert'],
    ['upsert'],
    ['clone', { email: null }],
    ['clone'],
    ['merge'],
    ['populate', ['tasks', 'boss']],
    ['populate', ['person']],
    ['wrapped', 'assign', { name: 'w', title: 'w' }],
    ['wrapped', 'init'],
    ['wrapped', 'populate', ['tags']],
    ['wrapped', 'serialize'],
    ['wrapped', 'toObject'],
  ),
);

const query = name.chain((of) =>
  fc
    .oneof(
      fc
        .tuple(
          ROW[of],
          some<Call[]>(
            [],
            [['onConflict', UNIQUE[of] ?? 'id'], ['ignore']],
            [['onConflict', UNIQUE[of] ?? 'id'], ['merge']],
            [['returning', '*']],
          ),
        )
        .map(([values, more]): Call[] => [['insert', values], ...more]),
      fc
        .tuple(
          VALUES[of],
          WHERE[of],
          some<Call[]>([], [['returning', '*']], [['andWhere', { id: 1 }]], [['orWhere', { id: 1 }]], [['limit', 1]]),
        )
        .map(([values, where, more]): Call[] => [['update', values], ['where', where], ...more]),
      fc
        .tuple(WHERE[of], some<Call[]>([], [['limit', 1]]))
        .map(([where, more]): Call[] => [['delete'], ['where', where], ...more]),
      some<Call[]>([['truncate']]),
    )
    .map((calls): Step => ({ query: of, calls })),
);

const rows = (of: Name): fc.Arbitrary<object[]> => fc.array(ROW[of], { maxLength: 3 });
const heldOnes = fc.array(
  held.map((index) => ({ '@held': index })),
  { minLength: 1, maxLength: 2 },
);

const OPTIONS = {
  propagation: some('required', 'nested', 'mandatory', 'never', 'supports', 'not_supported', 'requires_new'),
  clear: some(true),
  flushMode: some('commit', 'always'),
  ignoreNestedTransactions: some(true),
};
const transaction = (
  nested: fc.Arbitrary<Step[]>,
  options: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Step> =>
  fc.record({
    transaction: nested,
    how: some('transactional', 'transactional', 'by hand', 'connection'),
    options: maybe(options),
    end: some('commit', 'commit', 'throw'),
  });

const covers = (of: string, ...methods: readonly string[]): string[] => methods.map((method) => `${of}.${method}`);
const both = (...methods: readonly string[]): string[] => [
  ...covers('EntityManager', ...methods),
  ...covers('EntityRepository', ...methods),
];

export const mikroOrm: Subject<Step> = {
  orm: 'MikroORM',
  engines: ['sqlite', 'postgres', 'mariadb'],
  options: {},
  api: {
    EntityManager: EntityManager.prototype,
    SqlEntityManager: SqlEntityManager.prototype,
    EntityRepository: EntityRepository.prototype,
    SqlEntityRepository: SqlEntityRepository.prototype,
    Collection: Collection.prototype,
    QueryBuilder: QueryBuilder.prototype as object,
    Connection: AbstractSqlConnection.prototype,
  },
  leaf,
  entries: {
    create: {
      weight: 8,
      covers: both('create'),
      step: onClass((of) =>
        fc
          .tuple(NEW[of], perhaps(maybe({ persist: fc.boolean(), managed: some(true), partial: some(true) })))
          .map(([data, given]): Call => ['create', data, ...given]),
      ),
    },
    build: {
      weight: 2,
      covers: [],
      step: name.chain((of) => NEW[of].map((data): Step => ({ build: of, data }))),
    },
    flush: { weight: 6, covers: covers('EntityManager', 'flush'), step: some<Step>({ call: ['flush'] }) },
    entity: {
      weight: 10,
      covers: [
        ...covers('EntityManager', 'persist', 'remove', 'refresh', 'refreshOrFail', 'lock', 'merge'),
        ...both('assign', 'populate', 'merge').filter((each) => each !== 'EntityManager.merge'),
        ...covers(
          'Collection',
          'add',
          'remove',
          'set',
          'hydrate',
          'contains',
          'removeAll',
          'init',
          'load',
          'loadItems',
        ),
        ...covers('Collection', 'loadCount', 'matching', 'getItems', 'toJSON', 'isEmpty'),
      ],
      step: fc.record({ entity: held, calls: fc.array(onEntity, { minLength: 1, maxLength: 3 }) }),
    },
    many: {
      covers: [],
      step: fc.oneof(
        fc
          .tuple(some('persist', 'remove', 'insertMany', 'upsertMany'), heldOnes)
          .map(([method, ones]): Step => ({ call: [method, ones] })),
        onClass((of) => NEW[of].map((data): Call => ['merge', data])),
        onClass((of) => fc.tuple(heldOnes, VALUES[of]).map(([[first], values]): Call => ['assign', first, values])),
        onClass((of) => heldOnes.map((ones): Call => ['populate', ones, POPULATE[of] ?? []])),
      ),
    },
    find: {
      weight: 4,
      covers: both(
        'find',
        'findOne',
        'findOneOrFail',
        'findAll',
        'findAndCount',
        'count',
        'getReference',
        'stream',
        'findByCursor',
        'countBy',
      )
        .concat('SqlEntityManager.countBy')
        .filter((each) => each !== 'EntityManager.countBy'),
      step: onClass((of) =>
        fc.oneof(
          {
            weight: 4,
            arbitrary: fc
              .tuple(some('find', 'findOne', 'findOneOrFail', 'findAndCount'), WHERE[of], find(of))
              .map(([method, where, given]): Call => [method, where, given]),
          },
          fc.tuple(some('findAll', 'stream'), find(of)).map(([method, given]): Call => [method, given]),
          WHERE[of].map((where): Call => ['count', where]),
          id.map((at): Call => ['getReference', at]),
          some<Call>(['findByCursor', { first: 1, orderBy: ORDER(of) }], ['countBy', Object.keys(ORDER(of))[0]]),
        ),
      ),
    },
    insert: {
      weight: 3,
      covers: both('insert', 'insertMany'),
      step: onClass((of) =>
        fc.oneof(
          fc.tuple(ROW[of], options).map(([row, given]): Call => ['insert', row, ...given]),
          fc
            .tuple(rows(of), perhaps(maybe({ processCollections: fc.boolean(), filters })))
            .map(([some, given]): Call => ['insertMany', some, ...given]),
        ),
      ),
    },
    upsert: {
      weight: 4,
      covers: both('upsert', 'upsertMany'),
      step: onClass((of) =>
        fc.oneof(
          fc.tuple(ROW[of], perhaps(upsert(of))).map(([row, given]): Call => ['upsert', row, ...given]),
          fc.tuple(rows(of), perhaps(upsert(of))).map(([some, given]): Call => ['upsertMany', some, ...given]),
        ),
      ),
    },
    nativeUpdate: {
      weight: 4,
      covers: both('nativeUpdate'),
      step: onClass((of) =>
        fc
          .tuple(WHERE[of], VALUES[of], options)
          .map(([where, values, given]): Call => ['nativeUpdate', where, values, ...given]),
      ),
    },
    nativeDelete: {
      weight: 3,
      covers: both('nativeDelete'),
      step: onClass((of) =>
        fc.tuple(WHERE[of], options).map(([where, given]): Call => ['nativeDelete', where, ...given]),
      ),
    },
    clone: {
      covers: covers('EntityManager', 'clone'),
      step: name.chain((of) =>
        fc
          .tuple(WHERE[of], VALUES[of])
          .map(([where, values]): Step => ({ call: ['clone', classOf(of), where, values] })),
      ),
    },
    map: {
      covers: both('map'),
      step: onClass((of) => ROW[of].map((row): Call => ['map', row])),
    },
    query: {
      weight: 2,
      covers: [
        ...covers('SqlEntityManager', 'qb', 'createQueryBuilder'),
        ...covers(
          'QueryBuilder',
          'insert',
          'update',
          'delete',
          'truncate',
          'where',
          'andWhere',
          'orWhere',
          'limit',
          'onConflict',
          'ignore',
          'merge',
          'returning',
          'execute',
        ),
      ],
      step: query,
    },
    past: {
      covers: covers('SqlEntityManager', 'getKysely', 'execute').concat('Connection.execute'),
      step: fc.oneof(
        some<Step>(
          { kysely: 'Tag', call: ['insertInto', { name: 'k' }] },
          { kysely: 'Tag', call: ['updateTable', { hits: 3 }] },
          { kysely: 'Seat', call: ['deleteFrom'] },
          { call: ['execute', "insert into tags (name) values ('e')"] },
          { call: ['execute', 'update tags set hits = 1'] },
          { call: ['execute', 'select no_such_column'] },
        ),
      ),
    },
    settings: {
      covers: covers('EntityManager', 'clear', 'setFlushMode'),
      step: some<Step>({ call: ['clear'] }, { call: ['setFlushMode', 'commit'] }, { call: ['setFlushMode', 'always'] }),
    },
    session: {
      engines: ['postgres'],
      covers: covers('EntityManager', 'setSessionContext', 'mergeSessionContext', 'clearSessionContext'),
      step: some<Step>(
        { call: ['setSessionContext', { variables: { 'app.tenant': 1 } }] },
        { call: ['mergeSessionContext', { variables: { 'app.user': 2 } }] },
        { call: ['clearSessionContext'] },
      ),
    },
    fork: {
      covers: covers('EntityManager', 'fork'),
      step: (nested) =>
        fc.record({
          fork: nested,
          options: maybe({
            clear: some(false),
            keepTransactionContext: some(true),
            freshEventManager: some(true),
            cloneEventManager: some(true),
            disableTransactions: some(true),
            useContext: some(true),
            flushMode: some('commit', 'always'),
          }),
        }),
    },
    request: {
      covers: [],
      step: (nested) => fc.record({ request: nested, transactional: fc.boolean() }),
    },
    transaction: {
      weight: 4,
      covers: [
        ...covers('EntityManager', 'transactional', 'begin', 'commit', 'rollback', 'setTransactionContext'),
        ...covers('Connection', 'transactional', 'begin', 'commit', 'rollback'),
      ],
      step: (nested) => transaction(nested, OPTIONS),
    },
    // SQLite, where there is no such thing, keeps the connection for ever.
    isolated: {
      engines: ['postgres', 'mariadb'],
      covers: [],
      step: (nested) => transaction(nested, { ...OPTIONS, isolationLevel: some('serializable'), readOnly: some(true) }),
    },
  },
  excused,
  open: openMikroOrm,
};
