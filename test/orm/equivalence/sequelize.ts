/** Sequelize's write API, for the equivalence suite. A step is a call on a model or on a row, as data. */
import fc from 'fast-check';
import { Association, Model, Op, Sequelize, Transaction } from 'sequelize';
import { settle, type Subject } from '../equivalence.ts';
import { savesEnded } from './sequelize-row.ts';
import { type Models, openSequelize, withoutUpdateDate } from './sequelize-session.ts';

type Name = keyof Models;
export type Call = readonly [method: string, ...args: unknown[]];
export type Step =
  | { readonly on: Name; readonly scope?: string | null; readonly call: Call; readonly tx?: boolean }
  | { readonly row: Name; readonly build?: object; readonly where?: object; readonly calls: readonly Call[] }
  | { readonly transaction: readonly Step[]; readonly savepoint: readonly Step[]; readonly end: string };

/** Run a step. */
export async function perform(
  step: Step,
  sequelize: Sequelize,
  models: Models,
  transaction?: Transaction,
): Promise<unknown> {
  const options = transaction === undefined ? undefined : { transaction };
  if ('on' in step) {
    const base = models[step.on];
    const model = step.scope === undefined ? base : step.scope === null ? base.unscoped() : base.scope(step.scope);
    return play(model, step.call, options);
  }
  if ('row' in step) {
    const model = models[step.row];
    const instance =
      step.build === undefined
        ? await model.unscoped().findOne({
            where: step.where as never,
            order: [['id', 'ASC']].slice(step.row === 'Seat' ? 1 : 0) as never,
            paranoid: false,
            hooks: false,
            ...options,
          } as object)
        : model.build(step.build as never);
    if (instance === null) return 'no such row';
    const outcomes: unknown[] = [];
    for (const call of step.calls) outcomes.push(await settle((async () => play(instance, call, options))()));
    return [outcomes, instance];
  }
  const all = async (steps: readonly Step[], inner: Transaction): Promise<unknown[]> => {
    const outcomes: unknown[] = [];
    for (const each of steps) outcomes.push(await settle(perform(each, sequelize, models, inner)));
    return outcomes;
  };
  const outcomes: unknown[] = [];
  const body = async (tx: Transaction): Promise<string> => {
    outcomes.push(...(await all(step.transaction, tx)));
    if (step.savepoint.length > 0 && transaction === undefined) {
      const saved = sequelize.transaction({ transaction: tx }, async (inner) => {
        outcomes.push(...(await all(step.savepoint, inner)));
        if (step.end === 'to the savepoint') throw new RangeError('thrown in the savepoint');
      });
      outcomes.push(await settle(saved));
    }
    if (step.end === 'throw') throw new RangeError('thrown in the transaction');
    return 'returned';
  };
  if (step.end !== 'by hand') return [await settle(sequelize.transaction(options ?? {}, body)), outcomes];
  const tx = await sequelize.transaction(options);
  outcomes.push(await settle(body(tx)), await settle(tx.commit()), await settle(tx.rollback()));
  return outcomes;
}

/** Run a step as `atomic` promises it: of a call that writes several rows and fails, none is left. */
export function atomically(step: Step, sequelize: Sequelize, models: Models): Promise<unknown> {
  const isOfSeveral = 'on' in step && ['create', 'bulkCreate'].includes(step.call[0]);
  if (!isOfSeveral) return perform(step, sequelize, models);
  return sequelize.transaction((transaction) => perform(step, sequelize, models, transaction));
}

/** Methods take their options last; what is given no options gets some in a transaction. */
const ARGUMENTS: Readonly<Record<string, number>> = {
  ...{ create: 1, bulkCreate: 1, upsert: 1, update: 1, increment: 1, decrement: 1 },
  ...{ createTask: 1, setTasks: 1, addTask: 1, removeTask: 1, setTags: 1, addTags: 1, removeTags: 1, createTag: 1 },
};

async function play(on: object, [method, ...args]: Call, options: object | undefined): Promise<unknown> {
  const given = args.map(valueOf);
  if (options !== undefined && !['set', 'setDataValue', 'changed', 'setAttributes'].includes(method)) {
    const at = ARGUMENTS[method] ?? 0;
    while (given.length < at) given.push(undefined);
    const last = given[at];
    if (last === undefined || (typeof last === 'object' && last !== null && !Array.isArray(last)))
      given[at] = { ...last, ...options };
  }
  try {
    // What is not there is a TypeError of both.
    const result: unknown = await Reflect.apply((on as Record<string, never>)[method] as never, on, given);
    return result === on ? 'itself' : result;
  } finally {
    await savesEnded();
  }
}

function valueOf(argument: unknown): unknown {
  if (Array.isArray(argument)) return argument.map(valueOf);
  if (typeof argument !== 'object' || argument === null) return argument;
  const { literal, col, date, absent } = argument as Record<string, string | undefined>;
  if (literal !== undefined) return Sequelize.literal(literal);
  if (col !== undefined) return Sequelize.col(col);
  if (date !== undefined) return new Date(date);
  if (absent !== undefined) return undefined;
  return Object.fromEntries(
    Object.entries(argument).map(([key, value]) => [
      key.startsWith('$') ? (Op as unknown as Record<string, symbol>)[key.slice(1)] : key,
      valueOf(value),
    ]),
  );
}

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom<T[]>(...values);
const id: fc.Arbitrary<number> = fc.integer({ min: 1, max: 4 });
const name = some('a', 'b', 'c', 'a long name', null);
const email = some('a@x', 'b@x', null);
const age = fc.oneof(fc.integer({ min: 0, max: 3 }), some<unknown>(null, { literal: '1 + 1' }));
const person = fc.record(
  { id, name: some('a', 'b', 'c'), email, age: fc.integer({ min: 0, max: 3 }) },
  { requiredKeys: ['name'] },
);
const seat = fc.record({ line: id, place: id, guest: name }, { requiredKeys: ['line', 'place'] });
const data = some<unknown>({ a: 1 }, { a: { b: [1] } }, null);
const task = fc.record({ id, title: name, data, personId: id }, { requiredKeys: [] });
const ticket = fc.record(
  { code: name, state: some('open', 'shut'), price: some<unknown>(1, '2.50') },
  { requiredKeys: [] },
);
const MODELS: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: person,
  Seat: seat,
  Task: task,
  Ticket: ticket,
  Tag: fc.record({ name }, { requiredKeys: [] }),
};
const VALUES: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: fc.record({ name, email, age, role: some('admin') }, { requiredKeys: [] }),
  Seat: fc.record({ guest: name, place: id }, { requiredKeys: [] }),
  Task: fc.record({ title: name, data, personId: id, version: id }, { requiredKeys: [] }),
  Ticket: fc.record({ code: name, state: some('open', 'shut'), price: some<unknown>(1, '2.50') }, { requiredKeys: [] }),
  Tag: fc.record({ name, nothing: name }, { requiredKeys: [] }),
};
const FIELDS: Readonly<Record<Name, readonly string[]>> = {
  Person: ['name', 'age'],
  Seat: ['line', 'place', 'guest'],
  Task: ['title', 'data'],
  Ticket: ['code', 'price'],
  Tag: ['name'],
};
const WHERE: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: fc.oneof(
    fc.record({ id }),
    fc.record({ name }),
    some<object>(
      {},
      { age: { $gt: 1 } },
      { $or: [{ id: 1 }, { name: 'b' }] },
      { id: [1, 2] },
      { nothing: 1 },
      { id: [] },
    ),
  ),
  Seat: fc.oneof(fc.record({ line: id }), fc.record({ line: id, place: id }), fc.constant({})),
  Task: fc.oneof(fc.record({ id }), fc.record({ personId: id }), fc.constant({})),
  Ticket: fc.oneof(fc.record({ id }), fc.record({ code: some('A', 'b') }), fc.constant({})),
  Tag: fc.constant({}),
};
const model = some<Name>('Person', 'Person', 'Seat', 'Task', 'Ticket', 'Tag');
const scoped = { scope: some<string | null | undefined>(undefined, undefined, undefined, null, 'shut') };

function onModel(make: (model: Name) => fc.Arbitrary<Call>): fc.Arbitrary<Step> {
  return model.chain((on) =>
    fc.record({ on: fc.constant(on), call: make(on), ...(on === 'Ticket' ? scoped : {}) }),
  ) as fc.Arbitrary<Step>;
}

function options(
  more: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  always: readonly string[] = [],
): fc.Arbitrary<object> {
  const common = { hooks: some(false), individualHooks: some(true), validate: fc.boolean(), logging: some(false) };
  return fc.oneof(
    {
      arbitrary: fc.record(Object.fromEntries(always.map((key) => [key, more[key] as fc.Arbitrary<unknown>]))),
      weight: 2,
    },
    fc.record({ ...common, ...more }, { requiredKeys: always as never }) as fc.Arbitrary<object>,
  );
}

/** The rows of a call of which the hooks run at once have their ids given: they are inserted in any order. */
const rows = (on: Name): fc.Arbitrary<object[]> => fc.array(MODELS[on], { maxLength: 3 });
const numbered = (records: object[], given: object): object[] =>
  'individualHooks' in given && !records.some((record) => 'line' in record)
    ? records.map((record, index) => ({ ...record, id: index + 1, email: null }))
    : records;

const rowCall = (on: Name): fc.Arbitrary<Call> =>
  fc.oneof(
    { weight: 3, arbitrary: VALUES[on].map((values): Call => ['set', values]) },
    {
      weight: 3,
      arbitrary: options({ fields: fc.subarray([...FIELDS[on]]), silent: some(true), omitNull: some(true) }).map(
        (given): Call => ['save', given],
      ),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(VALUES[on], options({ fields: fc.subarray([...FIELDS[on]]) }))
        .map(([values, given]): Call => ['update', values, given]),
    },
    some<Call>(
      ['save'],
      ['destroy'],
      ['destroy', { force: true }],
      ['destroy', { hooks: false }],
      ['restore'],
      ['reload'],
      ['increment', 'age'],
      ['increment', ['age'], { by: 2 }],
      ['decrement', { age: 1 }],
      ['validate'],
      ['save', { hooks: false }],
      ['save', {}, {}],
      ['changed', 'name', true],
      ['setDataValue', 'title', 'z'],
    ),
  );

const associated = some<Call>(
  ['createTask', { title: 't' }],
  ['setTasks', []],
  ['addTask', 1],
  ['removeTask', 1],
  ['createTag', { name: 't' }],
  ['setTags', [1, 2]],
  ['addTags', [1, 2]],
  ['removeTags', [1]],
  ['setTags', []],
);

function excuse(reason: string, of: string, ...methods: readonly string[]): Record<string, string> {
  return Object.fromEntries(methods.map((method) => [`${of}.${method}`, reason]));
}

export const sequelize: Subject<Step> = {
  orm: 'Sequelize',
  engines: ['sqlite', 'postgres', 'mariadb'],
  options: { atomic: [true, false] },
  api: {
    Model: Model,
    'Model.prototype': Model.prototype as object,
    Transaction: Transaction.prototype,
  },
  leaf(value) {
    if (value instanceof Sequelize) return '[Sequelize]';
    if (value instanceof Transaction) return '[Transaction]';
    if (value instanceof Association) return '[Association]';
    if (value instanceof Date) return '[a time]';
    if (value instanceof Set) return `[Set of ${withoutUpdateDate(value)}]`;
    return undefined;
  },
  entries: {
    create: {
      weight: 4,
      covers: ['Model.create'],
      step: onModel((on) =>
        fc
          .tuple(
            MODELS[on],
            options({
              fields: fc.subarray([...FIELDS[on]], { minLength: 1 }),
              raw: some(true),
              returning: fc.boolean(),
              ignoreDuplicates: some(true),
              silent: some(true),
            }),
          )
          .map(([values, given]): Call => ['create', values, given]),
      ),
    },
    included: {
      covers: [],
      step: fc
        .record({
          tasks: fc.array(
            task.map(({ id: _id, ...rest }) => rest),
            { maxLength: 1 },
          ),
          tags: fc.array(fc.record({ name }), { maxLength: 1 }),
        })
        .chain((parts) =>
          some<Step>(
            { on: 'Person', call: ['create', { name: 'a', ...parts }, { include: ['tasks', 'tags'] }] },
            {
              on: 'Person',
              call: ['bulkCreate', [{ name: 'a', tasks: parts.tasks }, { name: 'b' }], { include: ['tasks'] }],
            },
          ),
        ),
    },
    bulkCreate: {
      weight: 4,
      covers: ['Model.bulkCreate'],
      step: onModel((on) =>
        fc
          .tuple(
            rows(on),
            options({
              fields: fc.subarray([...FIELDS[on]], { minLength: 1 }),
              updateOnDuplicate: some(FIELDS[on], ['name']),
              ignoreDuplicates: some(true),
              returning: some<unknown>(true, false, ['id']),
            }),
          )
          .map(([records, given]): Call => ['bulkCreate', numbered(records, given), given]),
      ),
    },
    update: {
      weight: 4,
      covers: ['Model.update'],
      step: onModel((on) =>
        fc
          .tuple(
            VALUES[on],
            options(
              {
                where: WHERE[on],
                fields: fc.subarray([...FIELDS[on]]),
                limit: some(1),
                returning: fc.boolean(),
                paranoid: some(false),
                sideEffects: some(false),
                silent: some(true),
              },
              ['where'],
            ),
          )
          .map(([values, given]): Call => ['update', values, given]),
      ),
    },
    destroy: {
      weight: 3,
      covers: ['Model.destroy', 'Model.truncate'],
      step: fc.oneof(
        {
          weight: 4,
          arbitrary: onModel((on) =>
            options({ where: WHERE[on], limit: some(1), force: some(true) }, ['where']).map((given): Call => [
              'destroy',
              given,
            ]),
          ),
        },
        onModel(() =>
          some<Call>(
            ['destroy'],
            ['destroy', {}],
            ['truncate'],
            ['destroy', { truncate: true }],
            ['destroy', { where: null }],
          ),
        ),
      ),
    },
    restore: {
      covers: ['Model.restore'],
      step: onModel((on) => options({ where: WHERE[on], limit: some(1) }).map((given): Call => ['restore', given])),
    },
    upsert: {
      weight: 2,
      covers: ['Model.upsert'],
      step: onModel((on) =>
        fc
          .tuple(
            MODELS[on],
            options({ fields: fc.subarray([...FIELDS[on]], { minLength: 1 }), returning: fc.boolean() }),
          )
          .map(([values, given]): Call => ['upsert', values, given]),
      ),
    },
    getOrCreate: {
      weight: 2,
      covers: ['Model.findOrCreate', 'Model.findCreateFind', 'Model.findOrBuild'],
      step: fc
        .tuple(
          some('findOrCreate', 'findOrCreate', 'findCreateFind', 'findOrBuild'),
          some('a', 'b'),
          some<unknown>({}, { name: 'a', age: 2 }, { name: 'a long name' }),
          some<object>({}, { fields: ['name', 'email'] }, { hooks: false }),
        )
        .map(([method, at, defaults, more]): Step => ({
          on: 'Person',
          call: [method, { where: { email: at }, defaults, ...more }],
        })),
    },
    increment: {
      covers: ['Model.increment', 'Model.decrement'],
      step: fc
        .tuple(
          some('increment', 'decrement'),
          some<unknown>('age', ['age'], { age: 2 }),
          WHERE.Person,
          some<object>({}, { by: 3 }, { silent: true }),
        )
        .map(([method, what, where, more]): Step => ({ on: 'Person', call: [method, what, { where, ...more }] })),
    },
    row: {
      weight: 8,
      covers: [
        'set',
        'save',
        'update',
        'destroy',
        'restore',
        'increment',
        'decrement',
        'reload',
        'validate',
        'changed',
        'setDataValue',
      ].map((method) => `Model.prototype.${method}`),
      step: model.chain((row) =>
        fc.record({
          row: fc.constant(row),
          where: fc.oneof(WHERE[row], fc.constant({})),
          calls: fc.array(
            row === 'Person' ? fc.oneof({ weight: 3, arbitrary: rowCall(row) }, associated) : rowCall(row),
            { minLength: 1, maxLength: 4 },
          ),
        }),
      ),
    },
    build: {
      weight: 3,
      covers: ['Model.build'],
      step: model.chain((row) =>
        fc.record({
          row: fc.constant(row),
          build: MODELS[row],
          calls: fc.array(rowCall(row), { minLength: 1, maxLength: 3 }),
        }),
      ),
    },
    transaction: {
      weight: 2,
      covers: ['Transaction.commit', 'Transaction.rollback'],
      step: (nested) =>
        fc.record({
          transaction: nested,
          savepoint: nested,
          end: some('commit', 'throw', 'by hand', 'to the savepoint'),
        }),
    },
  },
  excused: {
    'Model._*': 'private',
    ...excuse('reads', 'Model', 'get*', 'findAll', 'findByPk', 'findOne', 'findAndCountAll', 'aggregate', 'count'),
    ...excuse('reads', 'Model', 'max', 'min', 'sum', 'has*', 'describe', 'warnOnInvalidOptions'),
    ...excuse('defines models and tables', 'Model', 'init', 'refreshAttributes', 'removeAttribute', 'sync', 'drop*'),
    ...excuse('defines models and tables', 'Model', 'schema', 'addScope', 'hasMany', 'belongsTo*', 'hasOne'),
    ...excuse('the model that it returns is used', 'Model', 'scope', 'unscoped'),
    ...excuse('makes instances only; bulkCreate() uses it', 'Model', 'bulkBuild'),
    ...excuse('registers or runs hooks, which are compared', 'Model', 'before*', 'after*', 'validationFailed'),
    ...excuse('registers or runs hooks, which are compared', 'Model', 'runHooks', 'addHook', 'removeHook'),
    ...excuse('private, or about hooks', 'Model.prototype', '_*', 'runHooks', 'addHook', 'removeHook', 'hasHook*'),
    ...excuse(
      'reads',
      'Model.prototype',
      'where',
      'toString',
      'get*',
      'previous',
      'isSoftDeleted',
      'equals*',
      'toJSON',
    ),
    ...excuse('set() does the same', 'Model.prototype', 'setAttributes'),
    ...excuse('about validators', 'Model.prototype', 'setValidators'),
    ...excuse('transaction() calls it', 'Transaction', 'prepareEnvironment', 'setDeferrable', 'begin'),
    ...excuse('commit() and rollback() call it', 'Transaction', 'cleanup', 'forceCleanup', '_clearCls'),
    ...excuse("a hook of the app's", 'Transaction', 'afterCommit'),
  },
  open: openSequelize,
};
