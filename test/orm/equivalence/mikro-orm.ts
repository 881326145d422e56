/** MikroORM's write API, for the equivalence suite. */
import { Collection, EntityManager, EntityRepository } from '@mikro-orm/core';
import { AbstractSqlConnection, QueryBuilder, SqlEntityManager, SqlEntityRepository } from '@mikro-orm/postgresql';
import fc from 'fast-check';
import type { Subject } from '../equivalence.ts';
import {
  name,
  classOf,
  onClass,
  filters,
  options,
  find,
  upsert,
  perhaps,
  onEntity,
  query,
  rows,
  heldOnes,
  OPTIONS,
  transaction,
} from './mikro-orm-calls.ts';
import { excused } from './mikro-orm-excused.ts';

import { openMikroOrm } from './mikro-orm-session.ts';
import type { Call, Step } from './mikro-orm-steps.ts';
import { leaf } from './mikro-orm-text.ts';
import { some, maybe, id, held, NEW, ROW, VALUES, WHERE, POPULATE, ORDER } from './mikro-orm-values.ts';

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
          'clone',
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
