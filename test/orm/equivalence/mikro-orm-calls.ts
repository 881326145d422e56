/** The calls of MikroORM's equivalence programs, with their options. */
import fc from 'fast-check';
import type { Name } from './mikro-orm-entities.ts';
import type { Call, Step } from './mikro-orm-steps.ts';
import { some, maybe, held, one, NEW, ROW, VALUES, WHERE, UNIQUE, POPULATE, ORDER } from './mikro-orm-values.ts';

const names = Object.keys(NEW) as Name[];
export const name = fc.oneof({ weight: 2, arbitrary: some<Name>('Person', 'Task', 'Tag') }, some(...names));
export const classOf = (of: Name): object => ({ '@class': of });
/** In the EntityManager, which takes the class first, or in a repository of it. */
export function onClass(make: (of: Name) => fc.Arbitrary<Call>): fc.Arbitrary<Step> {
  return name.chain((of) =>
    fc.tuple(make(of), fc.nat(3)).map(([call, where]): Step => {
      const [method, ...args] = call;
      return where === 0 ? { repository: of, call } : { call: [method, classOf(of), ...args] };
    }),
  );
}

export const filters = some<unknown>(false, { open: false }, true);
const native = maybe({ filters, convertCustomTypes: some(true), schema: some(undefined), logging: some({}) });
export const options = fc.oneof(
  { weight: 3, arbitrary: some<unknown[]>([]) },
  native.map((given): unknown[] => [given]),
);
export const find = (of: Name): fc.Arbitrary<object> =>
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
export const upsert = (of: Name): fc.Arbitrary<object> =>
  maybe({
    onConflictAction: some('ignore', 'merge'),
    onConflictFields: some(UNIQUE[of] ?? ['id'], ['id']),
    onConflictMergeFields: some(of === 'Person' ? ['name', 'age'] : ['id'], []),
    onConflictExcludeFields: some(of === 'Person' ? ['role'] : ['id']),
    disableIdentityMap: some(true),
    batchSize: some(1, 2),
  });
export const perhaps = (given: fc.Arbitrary<object>): fc.Arbitrary<unknown[]> =>
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
export const onEntity: fc.Arbitrary<Call> = fc.oneof(
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

export const query = name.chain((of) =>
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
            [['clone']],
          ),
        )
        .map(([values, more]): Call[] => [['insert', values], ...more]),
      fc
        .tuple(
          VALUES[of],
          WHERE[of],
          some<Call[]>(
            [],
            [['returning', '*']],
            [['andWhere', { id: 1 }]],
            [['orWhere', { id: 1 }]],
            [['limit', 1]],
            [['clone']],
          ),
        )
        .map(([values, where, more]): Call[] => [['update', values], ['where', where], ...more]),
      fc
        .tuple(WHERE[of], some<Call[]>([], [['limit', 1]], [['clone']]))
        .map(([where, more]): Call[] => [['delete'], ['where', where], ...more]),
      some<Call[]>([['truncate']]),
    )
    .map((calls): Step => ({ query: of, calls })),
);

export const rows = (of: Name): fc.Arbitrary<object[]> => fc.array(ROW[of], { maxLength: 3 });
export const heldOnes = fc.array(
  held.map((index) => ({ '@held': index })),
  { minLength: 1, maxLength: 2 },
);

export const OPTIONS = {
  propagation: some('required', 'nested', 'mandatory', 'never', 'supports', 'not_supported', 'requires_new'),
  clear: some(true),
  flushMode: some('commit', 'always'),
  ignoreNestedTransactions: some(true),
};
export const transaction = (
  nested: fc.Arbitrary<Step[]>,
  options: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Step> =>
  fc.record({
    transaction: nested,
    how: some('transactional', 'transactional', 'by hand', 'connection'),
    options: maybe(options),
    end: some('commit', 'commit', 'throw'),
  });
