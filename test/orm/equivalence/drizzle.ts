/** Drizzle's write API, for the equivalence suite. A step is the calls that make up a query, as data. */
import * as operators from 'drizzle-orm';
import { sql } from 'drizzle-orm';
import { npmVersion } from 'drizzle-orm/version';
import fc from 'fast-check';
import { type Entry, settle, type Subject } from '../equivalence.ts';
import { methodsOf } from './api.ts';
import { type Db, type Dialect, openDrizzle, openSession, type Tables } from './drizzle-session.ts';

/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return -- one interpreter for two dialects, see Db */

/** A method and its arguments: `{ $: 'people.age' }` is a table or a column, `{ eq: […] }` an operator. */
export type Call = readonly [method: string, ...args: unknown[]];
export type Step =
  | { readonly query: readonly Call[] }
  /** A data-modifying query in `$with()`, used by another. */
  | { readonly cte: readonly Call[]; readonly then: readonly Call[] }
  | { readonly prepared: readonly Call[]; readonly run: string; readonly values: object }
  | { readonly batch: readonly (readonly Call[])[] }
  | { readonly parallel: readonly (readonly Call[])[] }
  | { readonly transaction: readonly Step[]; readonly throws: boolean; readonly config?: object };

/** Run a step on a database. */
export async function perform(step: Step, db: Db, tables: Tables): Promise<unknown> {
  const play = (on: Db, calls: readonly Call[]): Db =>
    calls.reduce((target: Db, [method, ...args]) => {
      // what is not there is a TypeError of both
      const callee = target[method] as (...args: unknown[]) => unknown;
      return Reflect.apply(
        callee,
        target,
        args.map((each) => valueOf(each, tables, on)),
      );
    }, on);
  if ('query' in step) return comparable(await play(db, step.query), step.query);
  if ('cte' in step) {
    const written = db.$with('written').as(play(db, step.cte));
    const reading = step.then.map(([method, ...args]): Call => [
      method,
      ...args.map((each) => (each === 'written' ? written : each)),
    ]);
    return comparable(await play(db.with(written), reading), step.then);
  }
  if ('prepared' in step) {
    // A connection of PostgreSQL knows one statement by a name.
    const prepared = play(db, step.prepared).prepare(`p_${String(step.prepared[0]?.[0])}`);
    const run = async (): Promise<unknown> => comparable(await prepared[step.run](step.values), step.prepared);
    return [prepared.constructor.name, await settle(run())];
  }
  if ('batch' in step) {
    const results = await db.batch(step.batch.map((calls) => play(db, calls)));
    return results.map((result: unknown, index: number) => comparable(result, step.batch[index] as Call[]));
  }
  if ('parallel' in step) {
    const run = async (calls: readonly Call[]): Promise<unknown> => comparable(await play(db, calls), calls);
    return Promise.all(step.parallel.map((calls) => settle(run(calls))));
  }
  const outcomes: unknown[] = [];
  const ended = db.transaction(
    async (tx: Db) => {
      for (const each of step.transaction) outcomes.push(await settle(perform(each, tx, tables)));
      if (step.throws) throw new RangeError('thrown in the transaction');
      return 'returned';
    },
    ...(step.config === undefined ? [] : [step.config]),
  );
  return [await settle(ended), outcomes];
}

/** The last row that a connection has inserted, whichever of libsql's that was, is nothing that a write tells. */
function comparable(result: unknown, [[method] = ['']]: readonly Call[]): unknown {
  if (typeof result !== 'object' || result === null || !('lastInsertRowid' in result)) return result;
  const { rowsAffected } = result as unknown as { rowsAffected: number };
  return method === 'insert' && rowsAffected > 0 ? result : Object.assign(result, { lastInsertRowid: 'of another' });
}

function valueOf(argument: unknown, tables: Tables, db: Db): unknown {
  if (Array.isArray(argument)) return argument.map((each) => valueOf(each, tables, db));
  if (
    typeof argument !== 'object' ||
    argument === null ||
    ![Object.prototype, null].includes(Object.getPrototypeOf(argument) as null)
  )
    return argument;
  const [[key, value] = ['', undefined], ...more] = Object.entries(argument);
  if (more.length === 0) {
    const [table = '', column] = typeof value === 'string' ? value.split('.') : [];
    if (key === '$') {
      const found = (tables as unknown as Record<string, Record<string, unknown>>)[table];
      return column === undefined ? found : found?.[column];
    }
    if (key === 'sql') return sql.raw(value as string);
    if (key === 'plus') return sql`${valueOf({ $: value }, tables, db)} + 1`;
    if (key === 'placeholder') return sql.placeholder(value as string);
    if (key === 'select') return db.select({ name: tables.people.name }).from(tables.people);
    if (Array.isArray(value) && key in operators) {
      const operator = (operators as unknown as Record<string, (...args: unknown[]) => unknown>)[key];
      return operator?.(...value.map((each) => valueOf(each, tables, db)));
    }
  }
  return Object.fromEntries(Object.entries(argument).map(([name, each]) => [name, valueOf(each, tables, db)]));
}

const people = { $: 'people' };
const id = fc.integer({ min: 1, max: 4 });
const age = fc.constantFrom(1, 2, 3, null);
const name = fc.constantFrom('Ada', 'Grace', 'Alan');
const email = fc.constantFrom('a@b.c', 'd@e.f');
const person = fc.record(
  { name, id, email, age, born: fc.constant(new Date(0)), tags: fc.constant({ a: [1] }) },
  { requiredKeys: ['name'] },
);
/** What the database, or Drizzle, refuses. */
const badPerson = fc.constantFrom({ name: null }, { name: 'x', age: 'x' }, { name: 'x', born: 'never' }, {});
const set = fc.oneof(
  { weight: 4, arbitrary: fc.record({ name, age, email }, { requiredKeys: ['age'] }) },
  fc.constantFrom({ age: { plus: 'people.age' } }, { id: 2 }, { name: null }, { name: undefined }, {}, { tags: null }),
);
const byId = id.map((each) => ({ eq: [{ $: 'people.id' }, each] }));
const condition = fc.oneof(
  { weight: 4, arbitrary: byId },
  email.map((each) => ({ eq: [{ $: 'people.email' }, each] })),
  fc.tuple(byId, name).map(([one, each]) => ({ and: [one, { eq: [{ $: 'people.name' }, each] }] })),
  fc.tuple(byId, byId).map((both) => ({ or: both })),
  age.map((each) => ({ eq: [{ $: 'people.age' }, each] })),
  fc.constantFrom(
    { gt: [{ $: 'people.age' }, 1] },
    { inArray: [{ $: 'people.id' }, [1, 2]] },
    { isNull: [{ $: 'people.age' }] },
    { sql: 'age = (select max(age) from people)' },
    { eq: [{ $: 'people.id' }, 'x'] },
    undefined,
  ),
);
const fields = fc.constantFrom(
  undefined,
  { id: { $: 'people.id' } },
  { who: { $: 'people.name' }, up: { sql: 'upper(name)' }, count: { $: 'people.age' } },
  { born: { $: 'people.born' }, nested: { mail: { $: 'people.email' } } },
);
const returning = fields.map((each): Call[] => [each === undefined ? ['returning'] : ['returning', each]]);
const maybe = <T>(some: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> => fc.oneof(fc.constant<T[]>([]), some);

function querySteps(isSqlite: boolean) {
  const ran = fc.constantFrom<Call[]>(
    [],
    [['execute']],
    ...(isSqlite ? ([[['run']], [['all']], [['get']], [['values']]] as Call[][]) : []),
  );
  const tail = fc
    .tuple(maybe(returning), fc.constantFrom<Call[]>([], [], [['$dynamic']]), ran)
    .map((parts) => parts.flat());
  const rows = fc.oneof({ weight: 5, arbitrary: person }, fc.array(person, { maxLength: 3 }), badPerson);
  const conflict = fc.constantFrom<Call[]>(
    [['onConflictDoNothing']],
    [['onConflictDoNothing', { target: { $: 'people.id' } }]],
    [['onConflictDoUpdate', { target: { $: 'people.id' }, set: { name: 'conflict' } }]],
    [['onConflictDoUpdate', { target: { $: 'people.email' }, set: { age: { plus: 'people.age' } } }]],
  );
  const query = (calls: fc.Arbitrary<Call[]>) => calls.map((all): Step => ({ query: all }));
  const insert = fc
    .tuple(rows, tail)
    .map(([values, rest]): Call[] => [['insert', people], ['values', values], ...rest]);
  const update = fc
    .tuple(set, maybe(condition.map((each): Call[] => [['where', each]])), tail)
    .map(([values, where, rest]): Call[] => [['update', people], ['set', values], ...where, ...rest]);
  const remove = fc
    .tuple(maybe(condition.map((each): Call[] => [['where', each]])), tail)
    .map(([where, rest]): Call[] => [['delete', people], ...where, ...rest]);
  const upsert = fc
    .tuple(rows, conflict, tail)
    .map(([values, on, rest]): Call[] => [['insert', people], ['values', values], ...on, ...rest]);
  const seat = fc.record({ row: id, place: id, guest: name });
  const bySeat = fc.tuple(id, id).map(([row, place]) => ({
    and: [{ eq: [{ $: 'seats.row' }, row] }, { eq: [{ $: 'seats.place' }, place] }],
  }));
  const seats = fc.oneof(
    fc.tuple(seat, ran).map(([values, rest]): Call[] => [['insert', { $: 'seats' }], ['values', values], ...rest]),
    fc.tuple(seat, bySeat).map(([values, where]): Call[] => [
      ['update', { $: 'seats' }],
      ['set', values],
      ['where', where],
    ]),
    bySeat.map((where): Call[] => [['delete', { $: 'seats' }], ['where', where], ['returning']]),
    fc.constant<Call[]>([
      ['update', { $: 'seats' }],
      ['set', { guest: 'all' }],
    ]),
  );
  const notes = fc.constantFrom<Call[]>(
    [
      ['insert', { $: 'notes' }],
      ['values', [{ name: 'a' }, { name: 'b' }]],
    ],
    [
      ['insert', { $: 'notes' }],
      ['select', { select: true }],
    ],
    [
      ['update', { $: 'notes' }],
      ['set', { name: 'c' }],
    ],
    [['delete', { $: 'notes' }]],
  );
  return { query, insert, update, remove, upsert, seats, notes };
}

/** Without the call that runs it. */
function unrun(calls: readonly Call[]): readonly Call[] {
  const [method = '', ...args] = calls.at(-1) ?? [];
  const isRun = args.length === 0 && ['execute', 'run', 'all', 'get', 'values'].includes(method);
  return isRun ? calls.slice(0, -1) : calls;
}

type Steps = ReturnType<typeof querySteps>;

function entriesOf(isSqlite: boolean): Record<string, Entry<Step>> {
  const { query, insert, update, remove, upsert, seats, notes }: Steps = querySteps(isSqlite);
  const writes = fc.oneof(insert, update, remove, upsert, seats);
  const transaction = (nested: fc.Arbitrary<Step[]>): fc.Arbitrary<Step> =>
    fc.record({ transaction: nested, throws: fc.boolean() });
  return {
    insert: {
      covers: ['insert', 'values', 'returning', 'execute', 'run', 'all', 'get'],
      step: query(insert),
      weight: 4,
    },
    update: { covers: ['update', 'set', 'where', '$dynamic'], step: query(update), weight: 4 },
    delete: { covers: ['delete'], step: query(remove), weight: 2 },
    upsert: { covers: ['onConflictDoNothing', 'onConflictDoUpdate'], step: query(upsert) },
    seats: { covers: [], step: query(seats), weight: 2 },
    notes: { covers: ['select'], step: query(notes) },
    ofOthers: {
      covers: [
        'from',
        'leftJoin',
        'rightJoin',
        'innerJoin',
        'fullJoin',
        'orderBy',
        'limit',
        'overridingSystemValue',
        'comment',
      ],
      step: query(
        fc.constantFrom<Call[]>(
          [
            ['update', people],
            ['set', { age: 9 }],
            ['from', { $: 'seats' }],
            ['where', { eq: [{ $: 'people.id' }, { $: 'seats.row' }] }],
            ['returning'],
          ],
          ...['leftJoin', 'rightJoin', 'innerJoin', 'fullJoin'].map((join): Call[] => [
            ['update', people],
            ['set', { age: 9 }],
            ['from', { $: 'seats' }],
            [join, { $: 'notes' }, { eq: [{ $: 'notes.name' }, { $: 'seats.guest' }] }],
            ['where', { eq: [{ $: 'people.id' }, { $: 'seats.row' }] }],
          ]),
          [
            ['update', people],
            ['set', { age: 9 }],
            ['where', { eq: [{ $: 'people.id' }, 1] }],
            ['orderBy', { $: 'people.id' }],
            ['limit', 1],
          ],
          [
            ['delete', people],
            ['limit', 1],
          ],
          [
            ['delete', people],
            ['where', { eq: [{ $: 'people.id' }, 1] }],
            ['comment', 'why'],
          ],
          [['insert', people], ['overridingSystemValue'], ['values', { name: 'Ada' }]],
        ),
      ),
    },
    sql: {
      covers: ['toSQL'],
      step: query(
        fc.constantFrom<Call[]>(
          [['insert', people], ['values', { name: 'a', token: 't', touched: 't' }], ['returning'], ['toSQL']],
          [['update', people], ['set', { age: 1 }], ['where', { eq: [{ $: 'people.id' }, 1] }], ['toSQL']],
          [['delete', people], ['toSQL']],
        ),
      ),
    },
    reads: {
      covers: ['$count', 'selectDistinct'],
      step: query(
        fc.constantFrom<Call[]>(
          [['$count', people]],
          [['select'], ['from', people], ['orderBy', { $: 'people.id' }]],
          [['selectDistinct'], ['from', { $: 'notes' }], ['orderBy', { $: 'notes.name' }]],
        ),
      ),
    },
    prepared: {
      covers: ['prepare'],
      step: fc.record({
        prepared: fc.constantFrom<Call[]>(
          [['insert', people], ['values', { name: { placeholder: 'name' } }], ['returning']],
          [
            ['update', people],
            ['set', { age: 5 }],
            ['where', { eq: [{ $: 'people.id' }, { placeholder: 'id' }] }],
          ],
          [
            ['delete', people],
            ['where', { eq: [{ $: 'people.id' }, 1] }],
          ],
        ),
        run: fc.constantFrom('execute', ...(isSqlite ? ['run', 'all', 'get', 'values'] : [])),
        values: fc.record({ name, id }),
      }),
    },
    with: {
      covers: ['with', '$with'],
      step: fc.constantFrom<Step>(
        {
          cte: [
            ['select', { id: { $: 'people.id' } }],
            ['from', people],
          ],
          then: [
            ['update', people],
            ['set', { age: 8 }],
            ['where', { sql: 'id in (select id from written)' }],
          ],
        },
        {
          cte: [
            ['insert', people],
            ['values', { name: 'cte' }],
            ['returning', { id: { $: 'people.id' } }],
          ],
          then: [['select'], ['from', 'written']],
        },
        {
          cte: [
            ['delete', people],
            ['where', { eq: [{ $: 'people.id' }, 1] }],
            ['returning', { id: { $: 'people.id' } }],
          ],
          then: [
            ['insert', { $: 'notes' }],
            ['values', { name: 'after' }],
          ],
        },
      ),
    },
    parallel: {
      covers: [],
      // Of different tables: what is written at once may be written in any order. In a transaction of PostgreSQL one
      // that fails decides over those after it.
      step: fc.tuple(seats, update).map((parallel): Step => ({ parallel: isSqlite ? parallel : parallel.slice(0, 1) })),
    },
    transaction: { covers: ['transaction'], step: transaction, weight: 2 },
    configured: {
      covers: [],
      step: fc.tuple(query(insert)).map((steps): Step => ({
        transaction: steps,
        throws: false,
        config: isSqlite ? { behavior: 'immediate' } : { isolationLevel: 'serializable', accessMode: 'read only' },
      })),
    },
    ...(isSqlite && {
      batch: {
        covers: ['batch'],
        step: fc.array(writes.map(unrun), { minLength: 1, maxLength: 3 }).map((batch): Step => ({ batch })),
      },
    }),
  };
}

const EXCUSED: Readonly<Record<string, string>> = {
  _prepare: 'internal',
  getSQL: 'for subqueries; toSQL() shows it',
  then: 'what awaiting calls',
  catch: 'calls then()',
  finally: 'calls then()',
  setToken: 'internal',
  getSelectedFields: 'internal, for subqueries',
  getTableLikeFields: 'internal',
  createJoin: 'internal',
  withoutSelectionCastCodecs: 'internal',
  refreshMaterializedView: 'not seen, and not touched',
  selectDistinctOn: 'reads',
  execute: 'SQL: not seen, and not touched',
  rollback: 'throws',
};

/** The subject of a driver; its API is asked of the objects that it gives. */
export async function drizzle(dialect: Dialect): Promise<Subject<Step>> {
  const { db, tables, close } = await openDrizzle(
    dialect,
    `drizzle_${npmVersion.charAt(0)}_api_${dialect.replace('-', '')}`,
  );
  const insert = db.insert(tables.people);
  const holders: Record<string, object[]> = {
    Database: chainOf(db),
    Insert: [...chainOf(insert), ...chainOf(insert.values({ name: 'x' }))],
    Update: [...chainOf(db.update(tables.people)), ...chainOf(db.update(tables.people).set({ age: 1 }))],
    Delete: chainOf(db.delete(tables.people)),
  };
  await close();
  const api = Object.fromEntries(
    Object.entries(holders).map(([each, objects]) => [each, Object.assign({}, ...objects.map(functionsOf).reverse())]),
  ) as Record<string, object>;
  const methods = methodsOf(api);
  /** The tables below name a method once for all objects that have it. */
  const spread = (names: readonly string[]): string[] =>
    methods.filter((method) => names.includes(method.split('.')[1] as string));
  const entries = entriesOf(dialect === 'libsql');
  const covered = Object.values(entries).flatMap(({ covers }) => covers);
  return {
    // The suite runs on two releases at once, each on databases of its own.
    orm: `Drizzle ${npmVersion.charAt(0)}, ${dialect}`,
    engines: [dialect === 'node-postgres' ? 'postgres' : 'sqlite'],
    api,
    entries: Object.fromEntries(
      Object.entries(entries).map(([each, entry]) => [each, { ...entry, covers: spread(entry.covers) }]),
    ),
    excused: Object.fromEntries(
      methods.flatMap((method) => {
        const own = method.split('.')[1] as string;
        const reason = covered.includes(own) ? undefined : EXCUSED[own];
        return reason === undefined ? [] : [[method, reason]];
      }),
    ),
    options: { atomic: [false], beforeImage: [false] },
    open: (_engine, each) => openSession(dialect, each),
  };
}

/** An object and its prototypes. */
function chainOf(object: object): object[] {
  const chain: object[] = [];
  for (let each: object | null = object; each !== null && each !== Object.prototype;) {
    chain.push(each);
    each = Object.getPrototypeOf(each) as object | null;
  }
  return chain;
}

function functionsOf(object: object): Record<string, unknown> {
  const names = Object.getOwnPropertyNames(object).filter((each) => each !== 'constructor' && each !== 'builder');
  return Object.fromEntries(
    names.flatMap((each) => {
      const value: unknown = Object.getOwnPropertyDescriptor(object, each)?.value;
      return typeof value === 'function' ? [[each, value]] : [];
    }),
  );
}
