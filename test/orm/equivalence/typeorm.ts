/** TypeORM's write API, for the equivalence suite. A step is a chain of calls on an EntityManager, as data. */
import { inspect } from 'node:util';
import fc from 'fast-check';
import { EntityManager, In, IsNull, MoreThan, type QueryRunner, Repository } from 'typeorm';
import { depthOf } from '../../../src/orm/typeorm/transactions.ts';
import { settle, type Subject } from '../equivalence.ts';
import { classOf } from './snapshot.ts';
import { CLASSES, openTypeorm } from './typeorm-session.ts';

type Model = keyof typeof CLASSES;
/** A method and its arguments. */
export type Call = readonly [method: string, ...args: unknown[]];
export type Step =
  | { readonly calls: readonly Call[] }
  | { readonly load: Model; readonly change?: object; readonly then: 'save' | 'remove' | 'softRemove' | 'recover' }
  | { readonly transaction: readonly Step[]; readonly throws: boolean }
  | {
      readonly runner: readonly Step[];
      readonly savepoint: readonly Step[];
      readonly back: boolean;
      readonly end: string;
    };

/** Run a step on a manager. */
export async function perform(step: Step, manager: EntityManager): Promise<unknown> {
  if ('calls' in step) return play(manager, step.calls);
  if ('load' in step) {
    const found: object[] = await manager.find(step.load, { withDeleted: true, take: 2 });
    const changed = found.map((each) => Object.assign(each, valueOf(step.change ?? {})));
    return play(manager, [[step.then, changed]]);
  }
  const all = async (steps: readonly Step[], tx: EntityManager): Promise<unknown[]> => {
    const outcomes: unknown[] = [];
    for (const each of steps) outcomes.push(await settle(perform(each, tx)));
    return outcomes;
  };
  const outcomes: unknown[] = [];
  if ('transaction' in step) {
    const ended = manager.transaction(async (tx) => {
      outcomes.push(...(await all(step.transaction, tx)));
      if (step.throws) throw new RangeError('thrown in the transaction');
      return 'returned';
    });
    return [await settle(ended), outcomes];
  }
  const runner = manager.queryRunner ?? manager.dataSource.createQueryRunner();
  const depth = depthOf(runner);
  try {
    outcomes.push(await settle(runner.startTransaction()), await all(step.runner, runner.manager));
    outcomes.push(await settle(runner.startTransaction()), await all(step.savepoint, runner.manager));
    outcomes.push(await settle(step.back ? runner.rollbackTransaction() : runner.commitTransaction()));
    outcomes.push(await settle(step.end === 'commit' ? runner.commitTransaction() : runner.rollbackTransaction()));
  } finally {
    await rollBackTo(depth, runner);
    if (runner !== manager.queryRunner) {
      if (runner.isTransactionActive) await settle(runner.query('ROLLBACK'));
      await runner.release();
    }
  }
  return outcomes;
}

/**
 * A level whose end has failed stays open. `transaction()` ends one level only, so that its connection would go back
 * to the pool inside an aborted transaction, also without signals: no program after it could be compared.
 */
async function rollBackTo(depth: number, runner: QueryRunner): Promise<void> {
  while (depthOf(runner) > depth) {
    // In MariaDB, TRUNCATE commits, so that there are no savepoints any more.
    const outcome = await settle(runner.rollbackTransaction());
    if ('error' in (outcome as object)) return;
  }
}

async function play(on: EntityManager, calls: readonly Call[]): Promise<unknown> {
  const result: unknown = await calls.reduce<unknown>((target, [method, ...args]) => {
    // What is not there is a TypeError of both.
    const callee = (target as Record<string, unknown>)[method];
    return Reflect.apply(callee as () => unknown, target, args.map(valueOf));
  }, on);
  return result instanceof EntityManager || result instanceof Repository ? 'a handle' : result;
}

/**
 * What mysql2 answers to a write. One bit of its status says whether a transaction is open: where receivers listen, the
 * rows of one call are in one transaction, so that none stays when a receiver throws.
 */
function textOfHeader(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || classOf(value) !== 'ResultSetHeader < Object') return undefined;
  const { serverStatus, ...header } = value as { readonly serverStatus: number };
  return inspect({ ...header, serverStatus: serverStatus & ~SERVER_STATUS_IN_TRANS });
}

const SERVER_STATUS_IN_TRANS = 1;

const OPERATORS = { In, MoreThan, IsNull };

function valueOf(argument: unknown): unknown {
  if (Array.isArray(argument)) return argument.map(valueOf);
  if (typeof argument !== 'object' || argument === null) return argument;
  if ('$undefined' in argument) return undefined;
  if ('$class' in argument) return CLASSES[argument.$class as Model];
  if ('$sql' in argument) return () => argument.$sql;
  if ('$op' in argument) {
    const [name, ...args] = argument.$op as [keyof typeof OPERATORS, ...unknown[]];
    return (OPERATORS[name] as (...args: unknown[]) => unknown)(...args);
  }
  // What a program has loaded is given as it is.
  if (![Object.prototype, null].includes(Object.getPrototypeOf(argument) as object | null)) return argument;
  const { $new, ...values } = argument as { readonly $new?: Model };
  const plain = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, valueOf(value)]));
  return $new === undefined ? plain : Object.assign(Object.create(CLASSES[$new].prototype as object) as object, plain);
}

const small = fc.integer({ min: 1, max: 4 });
const name = fc.constantFrom('ada', 'bob', 'cy');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<{ [K in keyof T]?: T[K] }> =>
  value.map(
    (values) => Object.fromEntries(Object.entries(values as object).filter(([, each]) => each !== undefined)) as never,
  );
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });

const rows: Record<Model, fc.Arbitrary<object>> = {
  Author: maybe(
    fc.record({
      id: fc.option(small, { nil: undefined, freq: 1 }),
      name: optional(name),
      code: optional(fc.constantFrom('x', 'y', null)),
      role: optional(fc.constantFrom('admin')),
    }),
  ),
  Post: maybe(
    fc.record({
      id: fc.option(small, { nil: undefined, freq: 1 }),
      title: optional(name),
      views: optional(small),
      authorId: optional(fc.constantFrom(1, 2, null)),
    }),
  ),
  Tag: maybe(fc.record({ id: optional(small), label: optional(name) })),
  Seat: maybe(fc.record({ line: optional(small), place: optional(small), guest: optional(name) })),
};
const model = fc.constantFrom<Model>('Author', 'Post', 'Post', 'Tag', 'Seat');
const withRelations = fc
  .tuple(rows.Post, rows.Author, fc.array(rows.Tag, { maxLength: 2 }))
  .chain(([post, author, tags]) =>
    fc.constantFrom<object>(
      { ...post, author: { ...author, $new: 'Author' }, tags: tags.map((tag) => ({ ...tag, $new: 'Tag' })) },
      { ...post, tags: [] },
      { ...post, author: null },
    ),
  );
const related = fc.tuple(rows.Author, fc.array(rows.Post, { maxLength: 2 })).map(([author, posts]) => ({
  $new: 'Author',
  ...author,
  posts: posts.map((post) => ({ ...post, $new: 'Post' })),
}));
const saveOptions = maybe(
  fc.record({
    chunk: optional(fc.constantFrom(1, 2)),
    reload: optional(fc.boolean()),
    transaction: optional(fc.boolean()),
    listeners: optional(fc.boolean()),
  }),
);
const criteria = fc.oneof(
  small,
  fc.array(small, { maxLength: 2 }),
  fc.constantFrom<unknown>(
    {},
    [],
    '',
    null,
    { $undefined: true },
    { name: 'ada' },
    { title: 'ada' },
    { id: { $op: ['In', [1, 2]] } },
    { id: { $op: ['MoreThan', 1] } },
    { id: { $undefined: true } },
    { title: null },
    { authorId: { $op: ['IsNull'] } },
    { author: { id: 1 } },
    { line: 1 },
    { line: 1, place: 2 },
    [{ id: 1 }, { id: 2 }],
    [{ title: 'ada' }, { views: 1 }],
    [{}],
    [1, { id: 2 }],
    { nothing: 1 },
  ),
);
const values = fc.oneof(
  rows.Author,
  rows.Post,
  fc.constantFrom<object>(
    {},
    { role: 'admin' },
    { views: { $sql: 'views + 1' } },
    { author: { id: 1 } },
    { nothing: 1 },
  ),
  fc.constantFrom<object>({ title: 'new' }, { guest: 'new' }, { label: 'new' }, { name: 'new', role: 'admin' }),
);
/** Called on the manager with the model, and on its repository without. */
const method = (names: readonly string[], ...args: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<Step> =>
  fc
    .tuple(fc.constantFrom(...names), model, fc.boolean(), fc.tuple(...args))
    .map(([called, of, onRepository, given]) => ({
      calls: onRepository
        ? [
            ['getRepository', of],
            [called, ...given],
          ]
        : [[called, of, ...given]],
    }));
const covers = (names: readonly string[]): string[] =>
  names.flatMap((each) => [`EntityManager.${each}`, `Repository.${each}`]);
const rowsOf = (of: Model): fc.Arbitrary<object[]> => fc.array(rows[of], { minLength: 1, maxLength: 3 });
const givenRows = model.chain((of) => fc.oneof(rows[of], rowsOf(of)));
const columns = fc.constantFrom(['title'], ['id', 'title'], 'title', '*', ['name']);

const builder = (first: fc.Arbitrary<readonly Call[]>, ...steps: readonly fc.Arbitrary<Call>[]): fc.Arbitrary<Step> =>
  fc.tuple(first, fc.array(fc.oneof(...steps), { maxLength: 3 })).map(([begin, then]) => ({
    calls: [['createQueryBuilder'], ...begin, ...then, ['execute']],
  }));
const call = (called: string, ...args: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<Call> =>
  fc.tuple(...args).map((given) => [called, ...given] as const);
const where = call('where', fc.constantFrom<unknown>('id > 1', 'id = 1', { id: 1 }, { title: 'ada' }, { line: 1 }));
const common = [
  where,
  call('returning', columns),
  call('useTransaction', fc.boolean()),
  call('callListeners', fc.boolean()),
  call('updateEntity', fc.boolean()),
  call('whereInIds', fc.constantFrom<unknown>(1, [1, 2], [])),
  call('andWhere', fc.constant('1 = 1')),
  call('orWhere', fc.constant('id = 2')),
];

const READS = ['find*', 'count*', 'exists*', 'sum', 'average', 'minimum', 'maximum'];

export const typeorm: Subject<Step> = {
  orm: 'TypeORM',
  engines: ['sqlite', 'postgres', 'mariadb'],
  api: { EntityManager: EntityManager.prototype, Repository: Repository.prototype },
  options: {},
  leaf: (value) => (value instanceof Date ? 'a time' : textOfHeader(value)),
  entries: {
    save: {
      covers: covers(['save']),
      weight: 4,
      step: fc.oneof(
        method(['save'], givenRows, saveOptions),
        fc
          .tuple(withRelations, saveOptions)
          .map(([row, options]) => ({ calls: [['save', 'Post', row, options]] as Call[] })),
        fc.tuple(fc.array(related, { minLength: 1, maxLength: 2 }), saveOptions).map(([given, options]) => ({
          calls: [['save', given, options]] as Call[],
        })),
        fc.constantFrom<Step>({ calls: [['save', null]] }, { calls: [['save', {}]] }, { calls: [['save', []]] }),
      ),
    },
    removals: {
      covers: covers(['remove', 'softRemove', 'recover']),
      weight: 2,
      step: fc.oneof(
        method(['remove', 'softRemove', 'recover'], givenRows, saveOptions),
        maybe(
          fc.record({
            load: model,
            change: optional(values),
            then: fc.constantFrom<'save' | 'remove'>(
              'save',
              'save',
              'remove',
              'softRemove' as never,
              'recover' as never,
            ),
          }),
        ) as fc.Arbitrary<Step>,
      ),
    },
    insert: {
      covers: covers(['insert', 'upsert']),
      weight: 4,
      step: fc.oneof(
        method(['insert'], givenRows),
        method(
          ['upsert'],
          givenRows,
          fc.constantFrom<unknown>(['id'], ['code'], { conflictPaths: ['id'], skipUpdateIfNoValuesChanged: true }),
        ),
        fc.tuple(rowsOf('Post'), fc.boolean()).map(([given, asInstances]) => ({
          calls: [
            ['insert', { $class: 'Post' }, asInstances ? given.map((each) => ({ ...each, $new: 'Post' })) : given],
          ] as Call[],
        })),
        builder(
          fc
            .tuple(model, givenRows, fc.constantFrom([], [['title']]))
            .map(([of, given, into]) => [['insert'], ['into', of, ...into], ['values', given]]),
          call('returning', columns),
          call('orIgnore'),
          call('orUpdate', fc.constant(['title']), fc.constant(['id'])),
          call('useTransaction', fc.boolean()),
          call('callListeners', fc.boolean()),
          call('updateEntity', fc.boolean()),
        ),
      ),
    },
    update: {
      covers: covers(['update', 'updateAll', 'increment', 'decrement']),
      weight: 4,
      step: fc.oneof(
        method(['update'], criteria, values),
        method(['update'], criteria, values, fc.constantFrom({ returning: ['id'] }, { returning: '*' }, {})),
        method(['updateAll'], values),
        method(
          ['increment', 'decrement'],
          criteria,
          fc.constantFrom('views', 'id', 'nothing'),
          fc.constantFrom(1, 'x'),
        ),
        builder(
          fc.tuple(model, values).map(([of, set]) => [
            ['update', of],
            ['set', set],
          ]),
          ...common,
          call('limit', small),
          call('orderBy', fc.constant('id')),
        ),
      ),
    },
    delete: {
      covers: covers(['delete', 'deleteAll', 'softDelete', 'restore']),
      weight: 3,
      step: fc.oneof(
        method(['delete', 'softDelete', 'restore'], criteria),
        method(['deleteAll']),
        builder(
          fc
            .tuple(fc.constantFrom<Call>(['delete'], ['softDelete'], ['restore']), model)
            .map(([first, of]) => [first, ['from', of]]),
          ...common,
          call('limit', small),
        ),
      ),
    },
    relation: {
      covers: covers(['createQueryBuilder']),
      step: fc
        .tuple(
          fc.constantFrom(['Post', 'tags'], ['Author', 'posts'], ['Post', 'author'], ['Tag', 'posts']),
          small,
          fc.constantFrom<Call>(
            ['add', 1],
            ['add', [1, 2]],
            ['remove', 1],
            ['set', 1],
            ['set', null],
            ['addAndRemove', [2], [1]],
          ),
        )
        .map(([relation, of, change]) => ({
          calls: [['createQueryBuilder'], ['relation', ...relation], ['of', of], change],
        })),
    },
    clear: { covers: covers(['clear']), step: method(['clear']) },
    transaction: {
      covers: ['EntityManager.transaction'],
      step: (nested) => fc.record({ transaction: nested, throws: fc.boolean() }),
    },
    runner: {
      covers: [],
      step: (nested) =>
        fc.record({
          runner: nested,
          savepoint: nested,
          back: fc.boolean(),
          end: fc.constantFrom('commit', 'rollback'),
        }),
    },
  },
  excused: {
    ...Object.fromEntries(
      ['EntityManager', 'Repository'].flatMap((on): [string, string][] => [
        ...READS.map((each): [string, string] => [`${on}.${each}`, 'reads']),
        ...['hasId', 'getId', 'create', 'merge', 'preload'].map((each): [string, string] => [
          `${on}.${each}`,
          'writes nothing',
        ]),
        ...['query', 'sql'].map((each): [string, string] => [`${on}.${each}`, 'raw SQL, which is not seen']),
      ]),
    ),
    'EntityManager.normalizeAndValidateWhereCriteria': 'private',
    'EntityManager.callAggregateFun': 'private',
    'EntityManager.incrementOrDecrementBy': 'private',
    'EntityManager.getRepository': 'covered by all that are called on repositories',
    'EntityManager.getTreeRepository': 'hands out a repository',
    'EntityManager.getMongoRepository': 'MongoDB is refused',
    'EntityManager.withRepository': 'hands out a repository',
    'EntityManager.release': 'the runner step releases',
    'Repository.extend': 'hands out a repository',
  },
  open: openTypeorm,
};
