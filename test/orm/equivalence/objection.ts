/** Objection's write API, for the equivalence suite. A step is the calls that make up a query, as data. */
import fc from 'fast-check';
import type { Knex } from 'knex';
import { Model, QueryBuilder, raw, ref } from 'objection';
import { type Entry, settle, type Subject } from '../equivalence.ts';
import { type Models, openObjection } from './objection-session.ts';

export type Call = readonly [method: string, ...args: unknown[]];
/** Where a query begins: at the class, at an instance that was found, or at a relation of one. */
interface Start {
  readonly of: keyof Models;
  readonly id?: unknown;
  readonly relation?: string;
}
export type Step =
  | { readonly start: Start; readonly calls: readonly Call[] }
  | {
      readonly transaction: readonly Step[];
      readonly how: 'managed' | 'manual' | 'savepoint';
      readonly fails: boolean;
    };

/** Run a step on models, in a transaction if one is given. */
export async function perform(step: Step, models: Models, knex: Knex, trx?: Knex.Transaction): Promise<unknown> {
  if ('start' in step) {
    const { of, id, relation } = step.start;
    const query = (await begin(models[of], id, relation, trx)) as { query: unknown };
    return step.calls.reduce((target, [method, ...args]) => {
      // what is not there is a TypeError of both
      const callee = (target as Record<string, unknown>)[method];
      return Reflect.apply(callee as () => unknown, target, args.map(valueOf));
    }, query.query);
  }
  const outcomes: unknown[] = [];
  const play = async (inner: Knex.Transaction): Promise<string> => {
    for (const each of step.transaction) outcomes.push(await settle(perform(each, models, knex, inner)));
    if (step.fails) throw new RangeError('thrown in the transaction');
    return 'returned';
  };
  let running: Promise<unknown> = Promise.resolve();
  const run = (inner: Knex.Transaction): Promise<string> => {
    const played = play(inner);
    running = settle(played);
    return played;
  };
  const outer = trx ?? knex;
  if (step.how !== 'manual') {
    const ended = await settle(Promise.resolve(outer.transaction(run)).catch(unnumbered));
    // A savepoint that cannot be set ends it at once.
    await running;
    return [ended, outcomes];
  }
  const manual = await outer.transaction().catch(unnumbered);
  const ended = settle(run(manual));
  const { error } = (await ended) as { error?: unknown };
  await (error === undefined ? manual.commit() : manual.rollback());
  return [outcomes, manual.isCompleted()];
}

/** knex counts savepoints, those of both databases together. */
function unnumbered(error: unknown): never {
  if (error instanceof Error) error.message = error.message.replace(/\btrx\d+/, 'trx');
  throw error;
}

/** In a box, for a query is thenable. */
async function begin(
  model: typeof Model,
  id: unknown,
  relation: string | undefined,
  trx?: Knex.Transaction,
): Promise<object> {
  if (id === undefined) return { query: model.query(trx) };
  if (Array.isArray(id) && relation !== undefined)
    return { query: model.relatedQuery(relation, trx).for(id as number[]) };
  const instance = await model.query(trx).findById(id as number);
  if (instance === undefined) throw new RangeError('there is no such instance');
  return { query: relation === undefined ? instance.$query(trx) : instance.$relatedQuery(relation, trx) };
}

function valueOf(argument: unknown): unknown {
  if (Array.isArray(argument)) return argument.map(valueOf);
  if (typeof argument !== 'object' || argument === null) return argument;
  const given = argument as { raw?: string; ref?: string; fn?: string };
  if (given.raw !== undefined) return raw(given.raw);
  if (given.ref !== undefined) return ref(given.ref);
  if (given.fn !== undefined) return FUNCTIONS[given.fn];
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, valueOf(value)]));
}

const FUNCTIONS: Readonly<Record<string, (...args: never[]) => unknown>> = {
  box: (result: unknown) => ({ boxed: result }),
  // What is refused must be seen to be.
  recover: (error: Error) => ({ recovered: isRefused(error) ? error.message : error.name }),
  fail: (given?: unknown) => {
    throw isRefused(given) ? given : new RangeError('thrown in the query');
  },
  older: (query: QueryBuilder<Model>) => void query.where('id', '>', 1),
  nothing: () => undefined,
  grouped: (query: QueryBuilder<Model>) => void query.where('id', 1).orWhere('id', 2),
};

function isRefused(given: unknown): boolean {
  return given instanceof Error && given.message.includes("refused (bulk: 'throw')");
}

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const id = fc.integer({ min: 1, max: 4 });
const age = some<unknown>(1, 2, null, { raw: 'age + 1' }, { ref: 'people.id' });
const name = some('ada', 'bob', 'new', 'other');
const person = fc.record(
  { id: some(7, 8), name, age: some(1, 2, null), meta: some(null, { a: 2 }) },
  { requiredKeys: ['name'] },
);
const personPatch = fc.record({ name, age, meta: some<unknown>(null, { a: 1 }, { a: 2 }) }, { requiredKeys: [] });
const pet = fc.record({ id, name: some('ant', 'cow'), ownerId: some(1, 2, null) }, { requiredKeys: [] });
const call = (method: string, ...args: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<readonly Call[]> =>
  fc.tuple(...args).map((values) => [[method, ...values]]);
const maybe = (part: fc.Arbitrary<readonly Call[]>): fc.Arbitrary<readonly Call[]> =>
  fc.oneof({ arbitrary: fc.constant<readonly Call[]>([]), weight: 3 }, part);
const queries = (start: fc.Arbitrary<Start>, ...parts: readonly fc.Arbitrary<readonly Call[]>[]): fc.Arbitrary<Step> =>
  fc.tuple(start, ...parts).map(([of, ...calls]) => ({ start: of, calls: calls.flat() }));

/** What every query may have beside. */
const extras = fc
  .tuple(
    ...(
      [
        call('context', some({ by: 'me' })),
        call('returning', some<unknown>('*', 'id', ['id', 'name'])),
        call('runBefore', some({ fn: 'nothing' }, { fn: 'fail' })),
        call('runAfter', some({ fn: 'box' }, { fn: 'nothing' }, { fn: 'fail' })),
        call('onError', some({ fn: 'recover' }, { fn: 'fail' })),
        call('onBuild', some({ fn: 'older' }, { fn: 'nothing' }, { fn: 'fail' })),
        call('onBuildKnex', some({ fn: 'nothing' })),
        call('throwIfNotFound', some({ message: 'none' })),
        call('first'),
        call('timeout', some(5_000)),
        call('castTo', some(null)),
        call('clone'),
        call('withGraphFetched', some('pets', 'nothing')),
        call('skipUndefined'),
        call('resolve', some('resolved')),
        call('reject', some('rejected')),
      ] as const
    ).map((each) => fc.oneof({ arbitrary: fc.constant<readonly Call[]>([]), weight: 20 }, each)),
  )
  .map((parts) => parts.flat());
const end = some<readonly Call[]>([], [], [], [], [['execute']], [['resultSize']], [['toString']]);

const condition = fc.oneof(
  call('findById', id),
  call('findById', id),
  call('findByIds', fc.array(id, { maxLength: 3 })),
  call('findOne', some('age'), id),
  call('where', some('id', 'people.id'), id),
  call('where', some({ name: 'ada' }, { age: 2 }, { id: 1, age: 1 })),
  call('where', some({ fn: 'grouped' })),
  call('whereIn', some('id'), fc.array(id, { maxLength: 3 })),
  call('whereNot', some('id'), id),
  call('whereRaw', some('id = 1', '1 = 1')),
  call('orWhere', some('id'), id),
  call('whereNull', some('age')),
  call('limit', some(1)),
  call('orderBy', some('id')),
  call('join', some('pets'), some('pets.ownerId'), some('people.id')),
);
const conditions = fc.array(condition, { maxLength: 2 }).map((parts) => parts.flat());
const from = (of: keyof Models): fc.Arbitrary<Start> => fc.constant({ of });
const instance = fc.record({ of: some<'Person'>('Person'), id });
const seat = fc.record({ of: some<'Seat'>('Seat'), id: some([1, 1], [2, 1]) });
const related = (relation: string): fc.Arbitrary<Start> =>
  fc.record({
    of: some<'Person'>('Person'),
    id: fc.oneof<fc.Arbitrary<unknown>[]>(id, some([1], [1, 2])),
    relation: some(relation),
  });

const graph = fc.record(
  {
    id: some(1, 2, 9),
    name,
    age: some(1, 2),
    pets: fc.array(fc.record({ id: some(1, 2, 4), name: some('ant', 'cow') }, { requiredKeys: [] }), { maxLength: 2 }),
    tags: fc.array(
      fc.record({ id: some(1, 2), label: some('one', 'neu'), note: some('a', 'c') }, { requiredKeys: [] }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['name'] },
);
const graphOptions = fc.record(
  {
    relate: fc.boolean(),
    unrelate: fc.boolean(),
    insertMissing: fc.boolean(),
    noDelete: fc.boolean(),
    noUpdate: fc.boolean(),
    update: fc.boolean(),
  },
  { requiredKeys: [] },
);

const entries: Record<string, Entry<Step>> = {
  insert: {
    covers: ['QueryBuilder.insert', 'QueryBuilder.insertAndFetch'].concat(covering('extras')),
    weight: 2,
    step: queries(
      from('Person'),
      call('insert', fc.oneof(person, fc.array(person, { maxLength: 2 }))).chain((calls) =>
        some(
          calls,
          calls,
          calls.map(([, ...args]): Call => ['insertAndFetch', ...args]),
        ),
      ),
      maybe(some<readonly Call[]>([['onConflict', 'name'], ['merge']], [['onConflict', 'name'], ['ignore']])),
      extras,
      end,
    ),
  },
  update: {
    covers: ['update', 'patch', 'increment', 'decrement', 'delete', 'del']
      .map((each) => `QueryBuilder.${each}`)
      .concat(covering('conditions')),
    weight: 6,
    step: queries(
      from('Person'),
      fc.oneof(
        call('patch', personPatch),
        call('patch', personPatch),
        call('update', person),
        call('increment', some('age'), some(1)),
        call('decrement', some('age'), some(1)),
        call('delete'),
        call('del'),
      ),
      conditions,
      extras,
      end,
    ),
  },
  byId: {
    covers: ['patchAndFetchById', 'updateAndFetchById', 'deleteById'].map((each) => `QueryBuilder.${each}`),
    weight: 2,
    step: queries(
      from('Person'),
      fc.oneof(
        call('patchAndFetchById', id, personPatch),
        call('updateAndFetchById', id, person),
        call('deleteById', id),
      ),
      extras,
      end,
    ),
  },
  instance: {
    covers: ['patchAndFetch', 'updateAndFetch'].map((each) => `QueryBuilder.${each}`),
    weight: 3,
    step: queries(
      instance,
      fc.oneof(
        call('patch', personPatch),
        call('patch', some({ guest: 'new' })),
        call('patchAndFetch', personPatch),
        call('updateAndFetch', person),
        call('delete'),
      ),
      maybe(condition),
      extras,
      end,
    ),
  },
  instanceOfCompositeKey: {
    covers: [],
    step: queries(
      seat,
      fc.oneof(
        call('patch', some<unknown>({ guest: 'new' }, { row: 3 }, { nothing: 1 })),
        call('patchAndFetch', some({ guest: 'new' })),
        call('delete'),
      ),
      maybe(fc.oneof(call('where', some('guest'), some('ada')), call('whereIn', some('row'), some([1, 2])))),
      extras,
      end,
    ),
  },
  hasMany: {
    covers: ['relate', 'unrelate', 'for'].map((each) => `QueryBuilder.${each}`),
    weight: 3,
    step: queries(
      related('pets'),
      fc.oneof(
        call('insert', pet),
        call('relate', fc.oneof<fc.Arbitrary<unknown>[]>(id, fc.array(id, { minLength: 1, maxLength: 2 }))),
        call('unrelate'),
        call('patch', pet),
        call('delete'),
      ),
      maybe(
        fc.oneof(
          call('where', some('pets.id'), id),
          call('findById', id),
          call('whereIn', some('pets.id'), some([1, 2])),
        ),
      ),
      extras,
    ),
  },
  manyToMany: {
    covers: [],
    weight: 3,
    step: queries(
      related('tags'),
      fc.oneof(
        call('insert', fc.record({ label: some('neu'), note: some('c') }, { requiredKeys: ['label'] })),
        call('relate', id),
        call('unrelate'),
        call('patch', fc.record({ label: some('neu'), note: some('c') }, { requiredKeys: [] })),
        call('delete'),
      ),
      maybe(fc.oneof(call('where', some('tags.id'), id), call('findById', id))),
      extras,
    ),
  },
  belongsTo: {
    covers: [],
    step: queries(
      fc.record({ of: some<'Pet'>('Pet'), id, relation: some('owner') }),
      fc.oneof(
        call('insert', person),
        call('relate', id),
        call('unrelate'),
        call('patch', personPatch),
        call('delete'),
      ),
      extras,
    ),
  },
  graphs: {
    covers: ['insertGraph', 'insertGraphAndFetch', 'upsertGraph', 'upsertGraphAndFetch', 'allowGraph'].map(
      (each) => `QueryBuilder.${each}`,
    ),
    weight: 4,
    step: queries(
      from('Person'),
      fc.oneof(
        call('insertGraph', graph, graphOptions),
        call('insertGraphAndFetch', graph, graphOptions),
        call('upsertGraph', graph, graphOptions),
        call('upsertGraphAndFetch', graph, graphOptions),
        call('upsertGraph', fc.array(graph, { maxLength: 2 }), graphOptions),
      ),
      maybe(call('allowGraph', some('pets', '[pets, tags]'))),
      extras,
    ),
  },
  composite: {
    covers: [],
    step: queries(
      from('Seat'),
      fc.oneof(
        call('patch', some({ guest: 'new' }, { row: 3 })),
        call('delete'),
        call('insert', some({ row: 1, place: 1, guest: 'x' }, { row: 4, place: 4, guest: 'x' })),
      ),
      maybe(
        fc.oneof(
          call('findById', some([1, 1], [9, 9])),
          call(
            'findByIds',
            some([
              [1, 1],
              [1, 2],
            ]),
          ),
          call('where', some('row'), id),
        ),
      ),
      extras,
    ),
  },
  transactions: {
    covers: ['execute', 'then', 'catch', 'resultSize', 'toString', 'reject', 'resolve'].map(
      (each) => `QueryBuilder.${each}`,
    ),
    weight: 2,
    step: (nested) =>
      fc.record({
        transaction: nested,
        how: some<'managed' | 'manual' | 'savepoint'>('managed', 'manual', 'savepoint'),
        fails: fc.boolean(),
      }),
  },
};

function covering(of: 'extras' | 'conditions'): string[] {
  const own = {
    extras: 'runBefore runAfter onError onBuild onBuildKnex throwIfNotFound first castTo clone withGraphFetched',
    conditions: 'findById findByIds findOne',
  };
  const base = {
    extras: 'returning timeout onConflict ignore merge',
    conditions: 'where whereIn whereNot whereRaw orWhere whereNull limit orderBy join',
  };
  return [
    ...own[of].split(' ').map((each) => `QueryBuilder.${each}`),
    ...base[of].split(' ').map((each) => `QueryBuilderBase.${each}`),
  ];
}

/** Excuses for many methods, which have a reason in common. */
const excuse = (of: string, methods: string, reason: string): Record<string, string> =>
  Object.fromEntries(methods.split(' ').map((each) => [`${of}.${each}`, reason]));

const base = Object.getPrototypeOf(QueryBuilder.prototype) as QueryBuilder<Model>;

export const objection: Subject<Step> = {
  orm: 'Objection',
  engines: ['sqlite', 'postgres', 'mariadb'],
  // What is exported inherits from Objection's own.
  api: { QueryBuilder: base, QueryBuilderBase: Object.getPrototypeOf(base) as object },
  entries,
  excused: {
    ...excuse(
      'QueryBuilder',
      'tableName* tableRef alias* fullIdColumn* resultModelClass is* has* find* graph* allowedGraphExpression clear* emptyInstance toKnexQuery columnInfo',
      'tells of the query, or changes what it is made of',
    ),
    ...excuse(
      'QueryBuilder',
      'insertOperationFactory updateOperationFactory patchOperationFactory deleteOperationFactory relateOperationFactory unrelateOperationFactory',
      'for relations, which are covered',
    ),
    ...excuse(
      'QueryBuilder',
      'modifiers modify modifyGraph _withGraph withGraphJoined traverse page range joinRelated innerJoinRelated outerJoinRelated fullOuterJoinRelated leftJoinRelated leftOuterJoinRelated rightJoinRelated rightOuterJoinRelated from table withSchema',
      'as the conditions that are covered, or for reading only',
    ),
    'QueryBuilder.debug': 'prints',
    ...excuse('QueryBuilderBase', 'insert update delete del modify', 'of builders that Objection has for itself'),
    'QueryBuilderBase.transacting': 'what query(trx) does',
    'QueryBuilderBase.truncate': 'cannot be seen',
    ...excuse(
      'QueryBuilderBase',
      'and* or* whereWrapped whereExists whereNot* whereBetween whereLike whereILike whereComposite whereInComposite whereJson* whereColumn having* off group* clear*',
      'as the conditions that are covered',
    ),
    ...excuse(
      'QueryBuilderBase',
      'for* skipLocked noWait as columns column from* into withSchema table distinct* select joinRaw inner* left* right* outer* full* cross* union* intersect except offset count* min max sum* avg* debug connection options columnInfo with* json*',
      'parts of a select, or parts with which a write is a bulk write',
    ),
  },
  options: { atomic: [true], beforeImage: [false] },
  // Objection writes a graph query by query, and finds out meanwhile which.
  inParts: (step) => 'start' in step && step.calls.some(([method]) => method.includes('Graph')),
  leaf: (value) => (typeof value === 'function' && 'raw' in value ? '[knex]' : undefined),
  open: openObjection,
};
