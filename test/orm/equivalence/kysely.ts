/** Kysely's write API, for the equivalence suite. A step is the calls that make up a query, as data. */
import fc from 'fast-check';
import {
  CamelCasePlugin,
  type CompiledQuery,
  DeleteQueryBuilder,
  InsertQueryBuilder,
  InsertResult,
  Kysely,
  QueryCreator,
  sql,
  Transaction,
  UpdateQueryBuilder,
} from 'kysely';
import { type Entry, settle, type Subject } from '../equivalence.ts';
import { openKysely } from './kysely-session.ts';

/** A method and its arguments. A callback is written `{ '=>': Call[] }`: the calls made on what it is given. */
export type Call = readonly [method: string, ...args: unknown[]];
export type Step =
  | { readonly query: readonly Call[] }
  | { readonly compiled: readonly Call[] }
  | { readonly transaction: readonly Step[]; readonly throws: boolean }
  | {
      readonly begin: readonly Step[];
      readonly savepoint: readonly Step[];
      readonly back: boolean;
      readonly end: string;
    };

/** Run a step on a Kysely. */
export async function perform(step: Step, db: Kysely<never>): Promise<unknown> {
  if ('query' in step) {
    const result: unknown = await play(db, step.query);
    if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result) return collect(result);
    for (const each of [result].flat())
      if (each instanceof InsertResult) forgetEarlier(each, each.numInsertedOrUpdatedRows);
    return result;
  }
  if ('compiled' in step) {
    const compiled = play(db, step.compiled) as CompiledQuery;
    const result = await db.executeQuery(compiled);
    forgetEarlier(result, compiled.query.kind === 'InsertQueryNode' ? result.numAffectedRows : 0n);
    return result;
  }
  const all = async (steps: readonly Step[], tx: Kysely<never>): Promise<unknown[]> => {
    const outcomes: unknown[] = [];
    for (const each of steps) outcomes.push(await settle(perform(each, tx)));
    return outcomes;
  };
  const outcomes: unknown[] = [];
  if ('transaction' in step) {
    const ended = db.transaction().execute(async (tx) => {
      outcomes.push(...(await all(step.transaction, tx)));
      if (step.throws) throw new RangeError('thrown in the transaction');
      return 'returned';
    });
    return [await settle(ended), outcomes];
  }
  const tx = await db.startTransaction().execute();
  outcomes.push(await all(step.begin, tx));
  outcomes.push(
    await settle(
      (async () => {
        const inner = await tx.savepoint('a').execute();
        const within = await all(step.savepoint, inner);
        const after = await inner[step.back ? 'rollbackToSavepoint' : 'releaseSavepoint']('a').execute();
        return [within, inner.constructor.name, after.constructor.name];
      })(),
    ),
  );
  const ended = (step.end === 'commit' ? tx.commit() : tx.rollback()).execute();
  outcomes.push(await settle(ended), tx.isCommitted, tx.isRolledBack);
  if (!tx.isCommitted && !tx.isRolledBack) await tx.rollback().execute();
  return outcomes;
}

/**
 * SQLite tells the id of the last insert of the connection, also after a query that has inserted nothing. That may be
 * of one that has failed at its end, if it was to return rows.
 */
function forgetEarlier(result: { insertId?: unknown }, inserted: bigint | undefined): void {
  if (inserted === 0n && result.insertId !== undefined) result.insertId = 'of an earlier insert';
}

async function collect(stream: object): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of stream as AsyncIterable<unknown>) rows.push(row);
  return rows;
}

function play(on: unknown, calls: readonly Call[]): unknown {
  return calls.reduce((target, [method, ...args]) => {
    // what is not there is a TypeError of both
    const callee = method === '()' ? target : (target as Record<string, unknown>)[method];
    return Reflect.apply(callee as () => unknown, target, args.map(valueOf));
  }, on);
}

function valueOf(argument: unknown): unknown {
  if (Array.isArray(argument)) return argument.map(valueOf);
  if (typeof argument !== 'object' || argument === null) return argument;
  const given = argument as { camel?: true; '=>'?: Call[]; sql?: string; as?: string; aborted?: true; error?: string };
  if (given['=>'] !== undefined) return (target: unknown) => play(target, given['=>'] ?? []);
  if (given.sql !== undefined) return given.as === undefined ? sql.raw(given.sql) : sql.raw(given.sql).as(given.as);
  if (given.camel === true) return new CamelCasePlugin();
  if (given.aborted === true) return { signal: AbortSignal.abort(new RangeError('aborted')) };
  if (given.error !== undefined) return () => new RangeError(given.error);
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, valueOf(value)]));
}

const id = fc.integer({ min: 1, max: 4 });
const name = fc.constantFrom('a', 'b', 'c');
const age = fc.option(fc.integer({ min: 0, max: 3 }), { nil: null });
const person = fc.record({ id, name, age }, { requiredKeys: ['name'] });
const seat = fc.record({ row_number: id, place: id, guest: name }, { requiredKeys: ['row_number', 'place'] });
const fn = (...calls: Call[]): object => ({ '=>': calls });
const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const calls = (...each: readonly fc.Arbitrary<readonly Call[]>[]): fc.Arbitrary<Step> =>
  fc.tuple(...each).map((parts) => ({ query: parts.flat() }));
const call = (method: string, ...args: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<readonly Call[]> =>
  fc.tuple(...args).map((values) => [[method, ...values]]);
const maybe = (part: fc.Arbitrary<readonly Call[]>): fc.Arbitrary<readonly Call[]> =>
  fc.oneof({ arbitrary: fc.constant([]), weight: 3 }, part);

/** What gives another Kysely, before a query. */
const handle = maybe(
  some<readonly Call[]>(
    [['withoutPlugins']],
    [['withTables']],
    [['$extendTables']],
    [['with', 'other', fn(['selectFrom', 'people'], ['select', 'id'])]],
    [['withRecursive', 'other(id)', fn(['selectFrom', 'people'], ['select', 'id'])]],
  ),
);

const run = some<readonly Call[]>(
  [['execute']],
  [['execute']],
  [['execute']],
  [['executeTakeFirst']],
  [['executeTakeFirstOrThrow']],
  [['executeTakeFirstOrThrow', { error: 'none' }]],
  [['execute', { aborted: true }]],
  [['compile']],
  [['toOperationNode']],
  [['stream']],
);

const returning = fc.oneof(
  { arbitrary: fc.constant([]), weight: 2 },
  some<readonly Call[]>(
    [['returningAll']],
    [['returning', 'name']],
    [['returning', ['id', 'name as who']]],
    [['returning', ['name as id']]],
    [['returning', [{ sql: 'upper(name)', as: 'name' }]]],
    [['returning', fn(['ref', 'age'])]],
    [['returningAll'], ['clearReturning']],
    [['returning', 'nothing']],
    [['output', 'inserted.id']],
    [['outputAll', 'inserted']],
  ),
);

/** What changes types only, or nothing. */
const decoration = maybe(
  some<readonly Call[]>(
    [['$if', true, fn(['$narrowType'])]],
    [['$if', false, fn(['clearReturning'])]],
    [['$call', fn(['$castTo'])]],
    [['$assertType']],
    [['modifyEnd', { sql: '/* end */' }]],
    [['top', 1]],
  ),
);

const condition = fc.oneof(
  { arbitrary: id.map((each): readonly Call[] => [['where', 'id', '=', each]]), weight: 4 },
  id.map((each): readonly Call[] => [['where', 'people.id', '=', each]]),
  id.map((each): readonly Call[] => [['where', 'id', '>', each]]),
  name.map((each): readonly Call[] => [['where', 'name', '=', each]]),
  id.map((each): readonly Call[] => [['where', fn(['or', [fn(['()', 'id', '=', each])]])]]),
  fc.tuple(id, name).map(([one, two]): readonly Call[] => [['where', fn(['and', { id: one, name: two }])]]),
  id.map((each): readonly Call[] => [
    ['where', 'id', '=', each],
    ['whereRef', 'id', '=', 'id'],
  ]),
  id.map((each): readonly Call[] => [['where', 'id', '=', each], ['clearWhere']]),
  some<readonly Call[]>(
    [],
    [['where', 'id', 'in', [1, 2]]],
    [['where', 'id', 'is', null]],
    [['whereRef', 'id', '<', 'age']],
    [['where', 'id', 'in', fn(['selectFrom', 'people'], ['select', 'id'])]],
  ),
);

const setting = fc.oneof(
  person.map((each): readonly Call[] => [['set', each]]),
  fc.record({ name, age }, { requiredKeys: [] }).map((each): readonly Call[] => [['set', each]]),
  age.map((each): readonly Call[] => [['set', 'age', each]]),
  age.map((each): readonly Call[] => [['set', fn(['ref', 'age']), each]]),
  some<readonly Call[]>(
    [['set', 'age', fn(['()', 'age', '+', 1])]],
    [['set', { age: fn(['()', 'age', '+', 1]) }]],
    [['set', fn(['lit', 1])]],
    [
      ['set', { name: 'd' }],
      ['set', 'age', 7],
    ],
    [['set', { age: fn(['selectFrom', 'people as other'], ['select', 'other.age'], ['limit', 1]) }]],
    [['set', { name: null }]],
    [['set', { nothing: 1 }]],
    [['set', {}]],
    [],
  ),
);

const onBuilder = (builder: string, ...methods: string[]): string[] => methods.map((each) => `${builder}.${each}`);
const common = (builder: string): string[] =>
  onBuilder(
    builder,
    ...['execute', 'executeTakeFirst', 'executeTakeFirstOrThrow', 'stream', 'compile', 'toOperationNode'],
    ...['returning', 'returningAll', 'clearReturning', 'output', 'outputAll', 'modifyEnd', 'top'],
    ...['$if', '$call', '$castTo', '$narrowType', '$assertType'],
  );

const entries: Readonly<Record<string, Entry<Step>>> = {
  insert: {
    weight: 4,
    covers: [
      'QueryCreator.insertInto',
      'InsertQueryBuilder.values',
      ...common('InsertQueryBuilder'),
      ...onBuilder('QueryCreator', 'with', 'withRecursive', 'withoutPlugins'),
      ...onBuilder('Kysely', 'withoutPlugins', 'withTables', '$extendTables'),
    ],
    step: calls(
      handle,
      call('insertInto', some('people', 'people as p')),
      call('values', fc.oneof(person, person, fc.array(person, { maxLength: 3 }))),
      decoration,
      returning,
      run,
    ),
  },
  'insert into a table with a composite key': {
    covers: [],
    step: calls(
      call('insertInto', some('seats')),
      call('values', fc.oneof(seat, fc.array(seat, { maxLength: 3 }))),
      some<readonly Call[]>([], [['returningAll']], [['returning', 'guest as place']]),
      run,
    ),
  },
  'insert of defaults': {
    covers: onBuilder('InsertQueryBuilder', 'defaultValues'),
    step: calls(
      call('insertInto', some('jobs')),
      call('defaultValues'),
      some<readonly Call[]>([], [['returningAll']]),
      run,
    ),
  },
  'insert of expressions': {
    covers: onBuilder('InsertQueryBuilder', 'columns', 'expression'),
    step: calls(
      call('insertInto', some('people')),
      some<readonly Call[]>(
        [['values', { name: { sql: "'x' || 'y'" }, age: fn(['val', 3]) }]],
        [['values', { name: 'x', age: { sql: '1 + 1' } }]],
        [['values', [{ name: 'x' }, { name: 'y', age: { sql: '1 + 1' } }]]],
        [
          ['columns', ['name']],
          ['expression', fn(['selectFrom', 'people'], ['select', 'name'])],
        ],
        [
          ['columns', ['name', 'age']],
          ['expression', fn(['selectFrom', 'people'], ['select', ['name', 'age']], ['limit', 1])],
        ],
      ),
      returning,
      run,
    ),
  },
  'insert or something else': {
    covers: [
      'QueryCreator.replaceInto',
      ...onBuilder('InsertQueryBuilder', 'onConflict', 'onDuplicateKeyUpdate'),
      ...onBuilder('InsertQueryBuilder', 'ignore', 'orIgnore', 'orAbort', 'orFail', 'orReplace', 'orRollback'),
    ],
    step: calls(
      call('insertInto', some('people')),
      call('values', fc.oneof(person, fc.array(person, { minLength: 1, maxLength: 3 }))),
      some<readonly Call[]>(
        [['onConflict', fn(['column', 'id'], ['doNothing'])]],
        [['onConflict', fn(['column', 'id'], ['doUpdateSet', { name: 'z' }])]],
        [['onConflict', fn(['column', 'id'], ['doUpdateSet', { name: 'z' }], ['where', 'people.age', 'is', null])]],
        [['onDuplicateKeyUpdate', { name: 'z' }]],
        ...['ignore', 'orIgnore', 'orAbort', 'orFail', 'orReplace', 'orRollback'].map((each): readonly Call[] => [
          [each],
        ]),
      ),
      returning,
      run,
    ),
  },
  'writes of a table with two keys, of one with none, of one that refers to itself': {
    weight: 3,
    covers: [],
    step: fc.oneof(
      calls(
        call('insertInto', some('items')),
        call(
          'values',
          fc.record(
            { tenant: some('A', 'B'), id, code: some('x', 'y', 'z', null) },
            { requiredKeys: ['tenant', 'id'] },
          ),
        ),
        run,
      ),
      calls(call('insertInto', some('notes')), call('values', fc.record({ id, text: name })), returning, run),
      calls(
        call('insertInto', some('nodes')),
        call('values', fc.array(fc.record({ id, parent: fc.option(id), other: fc.option(id) }), { maxLength: 3 })),
        run,
      ),
      calls(
        fc.oneof(
          call('deleteFrom', some('items', 'notes', 'nodes')),
          some<readonly Call[]>(
            [
              ['updateTable', 'items'],
              ['set', { label: 'l' }],
            ],
            [
              ['updateTable', 'items'],
              ['set', { code: 'x' }],
            ],
            [
              ['updateTable', 'notes'],
              ['set', { text: 't' }],
            ],
            [
              ['updateTable', 'nodes'],
              ['set', { parent: 1 }],
            ],
            [
              ['updateTable', 'nodes'],
              ['set', { id: 4 }],
            ],
          ),
        ),
        some<readonly Call[]>(
          [],
          [['where', 'id', '=', 1]],
          [['where', 'tenant', '=', 'A']],
          [
            ['where', 'tenant', '=', 'A'],
            ['where', 'id', '=', 1],
          ],
          [['where', 'code', '=', 'x']],
          [['where', 'id', 'in', [1, 2]]],
          [['where', 'parent', '=', 1]],
        ),
        some<readonly Call[]>([], [], [['returningAll']]),
        run,
      ),
    ),
  },
  'through a plugin that changes names': {
    covers: onBuilder('QueryCreator', 'withPlugin').concat(
      onBuilder('Kysely', 'withPlugin', 'withSchema'),
      ...['Insert', 'Update', 'Delete'].map((each) => `${each}QueryBuilder.withPlugin`),
    ),
    step: calls(
      some<readonly Call[]>(
        [['withPlugin', { camel: true }]],
        [
          ['with', 'o', fn(['selectFrom', 'people'], ['selectAll'])],
          ['withPlugin', { camel: true }],
        ],
      ),
      fc
        .oneof(
          calls(
            call('insertInto', some('seats')),
            call(
              'values',
              fc.array(fc.record({ rowNumber: id, place: id, guest: name }), { minLength: 1, maxLength: 2 }),
            ),
          ),
          calls(
            call('updateTable', some('seats')),
            call('set', fc.record({ guest: name })),
            call('where', some('rowNumber'), some('='), id),
            maybe(call('where', some('place'), some('='), id)),
          ),
          calls(call('deleteFrom', some('seats')), maybe(call('where', some('rowNumber'), some('='), id))),
        )
        .map((step) => (step as { query: Call[] }).query),
      some<readonly Call[]>(
        [],
        [['returning', ['rowNumber', 'guest as someGuest']]],
        [['returningAll']],
        [
          ['withPlugin', { camel: true }],
          ['returning', 'row_number'],
        ],
      ),
      run,
    ),
  },
  'a query that is compiled before': {
    covers: onBuilder('Kysely', 'executeQuery'),
    step: fc
      .oneof(
        calls(call('insertInto', some('people')), call('values', person), returning),
        calls(call('updateTable', some('people')), setting, condition, returning),
        calls(call('deleteFrom', some('people')), condition, returning),
      )
      .map((step) => ({ compiled: [...(step as { query: Call[] }).query, ['compile']] })),
  },
  replace: {
    covers: [],
    step: calls(call('replaceInto', some('people')), call('values', person), returning, run),
  },
  update: {
    weight: 4,
    covers: [
      'QueryCreator.updateTable',
      ...common('UpdateQueryBuilder'),
      ...onBuilder('UpdateQueryBuilder', 'set', 'where', 'whereRef', 'clearWhere'),
    ],
    step: calls(
      handle,
      call('updateTable', some('people', 'people', 'people as people')),
      setting,
      condition,
      decoration,
      returning,
      run,
    ),
  },
  'update of a table with a composite key': {
    covers: [],
    step: calls(
      call('updateTable', some('seats')),
      call('set', fc.record({ guest: name })),
      call('where', some('row_number'), some('='), id),
      maybe(call('where', some('place'), some('='), id)),
      some<readonly Call[]>([], [['returningAll']]),
      run,
    ),
  },
  'update with more than its table': {
    covers: onBuilder(
      'UpdateQueryBuilder',
      ...['from', 'innerJoin', 'leftJoin', 'rightJoin', 'fullJoin', 'orderBy', 'clearOrderBy', 'limit'],
    ),
    step: calls(
      call('updateTable', some('people')),
      call('set', fc.record({ age })),
      some<readonly Call[]>(
        [
          ['from', 'seats'],
          ['whereRef', 'seats.place', '=', 'people.id'],
        ],
        [
          ['from', 'seats'],
          ['where', 'people.id', '=', 1],
        ],
        [['limit', 1]],
        [
          ['orderBy', 'id'],
          ['limit', 1],
        ],
        [['orderBy', 'id'], ['clearOrderBy'], ['where', 'id', '=', 1]],
        ...['innerJoin', 'leftJoin', 'rightJoin', 'fullJoin'].map((each): readonly Call[] => [
          ['from', 'people as other'],
          [each, 'seats', 'seats.place', 'other.id'],
          ['whereRef', 'other.id', '=', 'people.id'],
        ]),
      ),
      some<readonly Call[]>([], [['returning', ['people.id', 'people.age']]], [['returningAll', 'people']]),
      run,
    ),
  },
  delete: {
    weight: 2,
    covers: [
      'QueryCreator.deleteFrom',
      ...common('DeleteQueryBuilder'),
      ...onBuilder('DeleteQueryBuilder', 'where', 'whereRef', 'clearWhere'),
    ],
    step: calls(handle, call('deleteFrom', some('people')), condition, decoration, returning, run),
  },
  'delete with more than its table': {
    covers: onBuilder(
      'DeleteQueryBuilder',
      ...['using', 'innerJoin', 'leftJoin', 'rightJoin', 'fullJoin', 'orderBy', 'clearOrderBy', 'limit', 'clearLimit'],
    ),
    step: calls(
      call('deleteFrom', some('people')),
      some<readonly Call[]>(
        [
          ['using', 'seats'],
          ['whereRef', 'seats.place', '=', 'people.id'],
        ],
        [['limit', 1]],
        [['limit', 1], ['clearLimit'], ['where', 'id', '=', 1]],
        [
          ['orderBy', 'id'],
          ['limit', 1],
        ],
        [['orderBy', 'id'], ['clearOrderBy'], ['where', 'id', '=', 1]],
        ...['innerJoin', 'leftJoin', 'rightJoin', 'fullJoin'].map((each): readonly Call[] => [
          ['using', 'people'],
          [each, 'seats', 'seats.place', 'people.id'],
          ['where', 'people.id', '=', 1],
        ]),
      ),
      some<readonly Call[]>([], [['returning', ['people.id']]], [['returningAll', 'people']]),
      run,
    ),
  },
  merge: {
    covers: ['QueryCreator.mergeInto'],
    step: calls(
      call('mergeInto', some('people')),
      some<readonly Call[]>([
        ['using', 'seats', 'seats.place', 'people.id'],
        ['whenMatched'],
        ['thenUpdateSet', { age: 9 }],
        ['whenNotMatched'],
        ['thenDoNothing'],
      ]),
      run,
    ),
  },
  'writes in common table expressions': {
    covers: onBuilder('QueryCreator', 'selectFrom'),
    step: calls(
      call(
        'with',
        some('n'),
        some(
          fn(['insertInto', 'people'], ['values', { name: 'n' }], ['returningAll']),
          fn(['updateTable', 'people'], ['set', { age: 5 }], ['where', 'id', '=', 1], ['returningAll']),
          fn(['deleteFrom', 'people'], ['where', 'id', '=', 1], ['returningAll']),
        ),
      ),
      some<readonly Call[]>(
        [['selectFrom', 'n'], ['selectAll']],
        [
          ['insertInto', 'people'],
          ['columns', ['name']],
          ['expression', fn(['selectFrom', 'n'], ['select', 'n.name'])],
        ],
        [
          ['updateTable', 'people'],
          ['set', { age: 6 }],
          ['where', 'id', '=', 2],
        ],
        [
          ['deleteFrom', 'people'],
          ['where', 'id', '=', 2],
        ],
      ),
      run,
    ),
  },
  'through other handles': {
    covers: onBuilder('Kysely', 'connection', '$omitTables', '$pickTables').concat(
      onBuilder('QueryCreator', 'withSchema', 'selectNoFrom'),
    ),
    step: calls(
      fc.oneof(
        fc
          .tuple(some('$omitTables', '$pickTables', 'withoutPlugins'), person)
          .map(([each, values]): readonly Call[] => [
            [each],
            ['insertInto', 'people'],
            ['values', values],
            ['execute'],
          ]),
        some<readonly Call[]>(
          [
            ['withSchema', 'nowhere'],
            ['updateTable', 'people'],
            ['set', { age: 4 }],
            ['where', 'id', '=', 1],
            ['execute'],
          ],
          [
            ['connection'],
            ['execute', fn(['updateTable', 'people'], ['set', { age: 4 }], ['where', 'id', '=', 1], ['execute'])],
          ],
          [['selectNoFrom', fn(['lit', 1], ['as', 'one'])], ['execute']],
        ),
      ),
    ),
  },
  'managed transaction': {
    covers: ['Kysely.transaction'],
    step: (nested) => fc.record({ transaction: nested, throws: some(false, false, true) }),
  },
  'controlled transaction': {
    covers: ['Kysely.startTransaction'],
    step: (nested) =>
      fc.record({
        begin: nested,
        savepoint: nested,
        back: fc.boolean(),
        end: some('commit', 'commit', 'rollback'),
      }),
  },
};

export const kysely: Subject<Step> = {
  orm: 'Kysely',
  engines: ['sqlite', 'postgres', 'mariadb'],
  api: {
    QueryCreator: QueryCreator.prototype,
    Kysely: Kysely.prototype,
    Transaction: Transaction.prototype,
    InsertQueryBuilder: InsertQueryBuilder.prototype,
    UpdateQueryBuilder: UpdateQueryBuilder.prototype,
    DeleteQueryBuilder: DeleteQueryBuilder.prototype,
  },
  entries,
  excused: {
    'Kysely.case': 'makes an expression, writes nothing',
    'Kysely.destroy': 'ends the session',
    'Kysely.getExecutor': 'what everything else goes through',
    'Transaction.*': 'what Kysely has, in a transaction: steps within a transaction call it',
    'InsertQueryBuilder.explain': 'writes nothing, and answers with estimates',
    'UpdateQueryBuilder.explain': 'writes nothing, and answers with estimates',
    'DeleteQueryBuilder.explain': 'writes nothing, and answers with estimates',
  },
  options: { atomic: [false], beforeImage: [false] },
  // every query has an id, which is random
  leaf: (value) =>
    typeof value === 'object' && value !== null && 'queryId' in value && Object.keys(value).length === 1
      ? 'id'
      : undefined,
  open: openKysely,
};
