import knexOf, { type Knex } from 'knex';
import { Model, type ModelClass, QueryBuilder, raw, UniqueViolationError } from 'objection';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
  withSignals,
} from '../../src/objection.ts';
import { knexOnSqlite } from '../support/knex-sqlite.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness, type ModelName, type Rows } from './contract.ts';

const postgres = await startPostgres();
afterAll(() => postgres.close());

const onSqlite = (): Knex => knexOnSqlite(':memory:');
const onPostgres = (): Knex =>
  knexOf({ client: 'pg', connection: postgres.url, pool: { min: 0, max: postgres.connections } });

function harness(connect: () => Knex, atomic: boolean, concurrent: boolean): Harness<Knex.Transaction> {
  let knex: Knex;
  let models: Record<ModelName, ModelClass<Model>>;
  const define = (base: ModelClass<Model>): Record<ModelName, ModelClass<Model>> => {
    class Base extends base {}
    Base.knex(knex);
    return {
      User: class User extends Base {
        static override tableName = 'contract_users';
      },
      Profile: class Profile extends Base {
        static override tableName = 'contract_profiles';
      },
    };
  };
  return {
    get senders() {
      return models;
    },
    wrapsWrites: atomic,
    savepoints: true,
    concurrent,
    describeWhere: (where) =>
      (/'a'|'b'/.exec((where as QueryBuilder<Model>).toKnexQuery().toQuery()) ?? []).map((each) => ({
        name: each.replaceAll("'", ''),
      })),
    async open() {
      knex = connect();
      await knex.schema.dropTableIfExists('contract_users').dropTableIfExists('contract_profiles');
      await knex.schema.createTable('contract_users', (table) => {
        table.increments('id');
        table.text('name');
        table.text('email');
      });
      await knex.schema.createTable('contract_profiles', (table) => {
        table.increments('id');
        table.integer('userId');
        table.text('bio');
      });
      await this.attach();
    },
    close: async () => knex.destroy(),
    attach(options) {
      models = define(withSignals(Model, { atomic, ...options }));
    },
    detach() {
      models = define(Model);
    },
    insert: async (model, values, tx) => (await models[model].query(tx).insert(values)) as never,
    saveUnchanged: async (_model, instance) =>
      (instance as unknown as Model).$query().patch({ name: (instance as { name?: string }).name } as never),
    unchanged: ['preSave', 'postSave'],
    insertLazily: (model, values, tx) => models[model].query(tx).insert(values),
    insertMany: async (model, values, tx) => (await models[model].query(tx).insertGraph(values as object[])) as never,
    update: async (_model, instance, values, tx) => (instance as unknown as Model).$query(tx).patch(values),
    remove: async (_model, instance, tx) => (instance as unknown as Model).$query(tx).delete(),
    all: async <M extends ModelName>(model: M, tx?: Knex.Transaction) =>
      (await models[model].query(tx).orderBy('id')) as unknown as Rows[M][],
    transaction: (run, tx) => (tx ?? knex).transaction(run),
    bulkUpdate: async (model, where, values) => models[model].query().patch(values).where(where),
    bulkDelete: async (model, where) => models[model].query().delete().where(where),
  };
}

contract('Objection 3, SQLite, atomic', harness(onSqlite, true, false), harness(onSqlite, true, false));
contract('Objection 3, PostgreSQL', harness(onPostgres, false, postgres.connections > 1));
contract('Objection 3, PostgreSQL, atomic', harness(onPostgres, true, postgres.connections > 1));

describe('Objection', () => {
  const owner = {};
  let log: string[] = [];
  let queries: string[] = [];
  let knex: Knex;

  const open = async (options?: SignalsOptions) => {
    knex = onSqlite();
    await knex.schema.createTable('people', (table) => {
      table.increments('id');
      table.text('name').unique();
      table.integer('age');
      table.integer('parentId').references('people.id');
    });
    await knex.schema.createTable('seats', (table) => {
      table.integer('row');
      table.integer('place');
      table.text('guest');
      table.primary(['row', 'place']);
    });
    class Base extends withSignals(Model, options) {}
    class Person extends Base {
      static override tableName = 'people';
      static override relationMappings = () => ({
        children: {
          relation: Model.HasManyRelation,
          modelClass: Person,
          join: { from: 'people.id', to: 'people.parentId' },
        },
      });
      declare id: number;
      declare name: string;
      declare age: number | null;
      declare children?: Person[];
    }
    class Seat extends Base {
      static override tableName = 'seats';
      static override idColumn = ['row', 'place'];
      declare guest: string;
    }
    Base.knex(knex);
    queries = [];
    knex.on('query', ({ sql }: { sql: string }) =>
      queries.push(sql.split(' ')[0]?.toLowerCase().replace(';', '') ?? ''),
    );
    return { Person, Seat };
  };
  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    await knex.destroy();
  });
  const logAll = (sender: object): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as AnySignal[]) {
      signal.connect(
        (
          _sender: unknown,
          {
            instance,
            created,
            operation,
            count,
          }: { instance?: { name: string }; created?: boolean; operation?: string; count?: number },
        ) => {
          log.push(
            `${signal.name} ${operation === undefined ? String(instance?.name) : `${operation} ${String(count)}`}${created === true ? ' created' : ''}`,
          );
        },
        { sender, owner },
      );
    }
  };

  test('instance and tx are typed by the model', async () => {
    const { Person, Seat } = await open({ atomic: true });
    postSave.connect(
      async (_sender, { instance, tx }) => {
        const name: string = instance.name;
        // @ts-expect-error there is no such column
        void instance.nmae;
        await Seat.query(tx).insert({ guest: name });
        // @ts-expect-error not in every save
        void tx.commit;
      },
      { sender: Person, owner },
    );
    await Person.query().insert({ name: 'Ada' });
    expect(await Seat.query()).toMatchObject([{ guest: 'Ada' }]);
  });

  test('every way to write one row is a save or a delete of it', async () => {
    const { Person, Seat } = await open({ bulk: 'signal' });
    logAll(Person);
    logAll(Seat);
    const ada = await Person.query().insertAndFetch({ name: 'a', age: 1 });
    await ada.$query().patch({ name: 'b' });
    expect(ada.name).toBe('b');
    await ada.$query().patchAndFetch({ name: 'c' });
    await Person.query().patchAndFetchById(ada.id, { name: 'd' });
    await Person.query().findById(ada.id).patch({ name: 'e' });
    await Person.query().patch({ name: 'f' }).where('people.id', ada.id);
    await Person.query().update({ name: 'g' }).where({ id: ada.id, age: 1 });
    await Person.query().findById(ada.id).increment('age', 1);
    await Person.query().deleteById(ada.id);
    await Person.query().findById(99).patch({ name: 'nobody' });
    await Person.query().deleteById(99);
    await Seat.query().insert({ row: 1, place: 2, guest: 'a' } as never);
    await Seat.query().findById([1, 2]).patch({ guest: 'b' });
    expect(log.filter((each) => each.startsWith('p'))).toEqual([
      'preSave a created',
      'postSave a created',
      ...['b', 'c', 'd', 'e', 'f', 'g', 'g'].flatMap((name) => [`preSave ${name}`, `postSave ${name}`]),
      'preDelete g',
      'postDelete g',
      'preSave undefined created',
      'postSave undefined created',
      'preSave undefined',
      'postSave undefined',
    ]);
  });

  test('changes tell what was written: what $beforeUpdate and the database change, too', async () => {
    const { Person } = await open();
    class Dated extends Person {
      override $beforeUpdate() {
        this.age = 50;
      }
    }
    const person = await Dated.query().insert({ name: 'a', age: 1 });
    postSave.connect(
      (_sender, { updateFields, changes }) =>
        log.push(`${[...(updateFields ?? [])].sort().join()} ${JSON.stringify(changes)}`),
      { sender: Dated, owner },
    );
    await person.$query().patch({ name: 'b' });
    await person.$query().patch({ name: 'b' });
    await person.$query().patch({ name: raw("'c'") as never });
    expect(log).toEqual([
      'age,name {"name":{"from":"a","to":"b"},"age":{"from":1,"to":50}}',
      ' {}',
      'name {"name":{"from":"b","to":"c"}}',
    ]);
  });

  test('graphs send the signals of each instance that they write', async () => {
    const { Person } = await open({ atomic: true });
    logAll(Person);
    const parent = (await Person.query().insertGraph({
      name: 'parent',
      children: [{ name: 'one' }, { name: 'two' }],
    } as never)) as unknown as { id: number; children: { id: number }[] };
    expect(log.sort()).toEqual(
      ['parent', 'one', 'two'].flatMap((name) => [`postSave ${name} created`, `preSave ${name} created`]).sort(),
    );
    log = [];
    await Person.query().upsertGraph({
      id: parent.id,
      children: [{ id: parent.children[0]?.id, name: 'first' }, { name: 'three' }],
    } as never);
    expect(log.sort()).toEqual([
      'postDelete two',
      'postSave first',
      'postSave three created',
      'preDelete two',
      'preSave first',
      'preSave three created',
    ]);
  });

  test('relations: what they insert and patch; other writes of many rows are bulk writes', async () => {
    const { Person } = await open({ bulk: 'signal' });
    const parent = await Person.query().insert({ name: 'parent' });
    logAll(Person);
    await parent.$relatedQuery('children').insert({ name: 'child' });
    await parent.$relatedQuery('children').patch({ age: 2 });
    await Person.query().increment('age', 1);
    await Person.query().insert({ name: 'child', age: 9 }).onConflict('name').merge();
    await Person.query().delete().where('name', 'child').orWhere('id', 99);
    expect(log).toEqual([
      'preSave child created',
      'postSave child created',
      'postBulk update 1',
      'postBulk update 2',
      'postBulk upsert undefined',
      'postBulk delete 1',
    ]);
  });

  test('a table without receivers costs no query and no transaction; with receivers one read', async () => {
    const { Person, Seat } = await open({ atomic: true });
    postSave.connect(() => undefined, { sender: Seat, owner });
    const person = await Person.query().insert({ name: 'a' });
    await person.$query().patch({ age: 1 });
    await Person.query().patch({ age: 1 });
    await person.$query().delete();
    expect(queries.filter((each) => each !== 'begin' && each !== 'commit')).toEqual([
      'insert',
      'update',
      'update',
      'delete',
    ]);
    const other = await Person.query().insert({ name: 'b' });
    postSave.connect(() => undefined, { sender: Person, owner });
    postDelete.connect(() => undefined, { sender: Person, owner });
    queries = [];
    await other.$query().patch({ age: 1 });
    await other.$query().delete();
    await Person.query().deleteById(other.id);
    expect(queries.join()).toBe('begin,select,update,commit,begin,delete,commit,begin,select,delete,commit');
  });

  test('without beforeImage nothing is read', async () => {
    const { Person } = await open({ beforeImage: false });
    const person = await Person.query().insert({ name: 'a', age: 1 });
    preSave.connect(
      (_sender, { instance, changes }) => {
        log.push(`${JSON.stringify(instance)} ${JSON.stringify(changes)}`);
        instance.name = 'z';
      },
      { sender: Person, owner },
    );
    queries = [];
    await person.$query().patch({ age: 2 });
    await Person.query().findById(1).patch({ age: 3 });
    expect(queries).toEqual(['update', 'update']);
    expect(log).toEqual(['{"name":"a","age":2,"id":1} null', '{"age":3} null']);
    expect(await Person.query()).toMatchObject([{ name: 'z', age: 3 }]);
  });

  test('transactions of any make: bound models, ended by hand, begun before the models were bound', async () => {
    const { Person } = await open();
    postSave.connect(
      (_sender, { instance, tx, onCommit }) => {
        expect(tx?.isTransaction).toBe(true);
        onCommit(() => log.push(instance.name));
      },
      { sender: Person, owner },
    );
    await Person.transaction(async (tx) => {
      await Person.bindTransaction(tx).query().insert({ name: 'bound' });
      expect(log).toEqual([]);
    });
    expect(log).toEqual(['bound']);

    const byHand = await Person.startTransaction();
    await Person.query(byHand).insert({ name: 'by hand' });
    await byHand.commit();
    expect(log).toEqual(['bound', 'by hand']);

    const rolledBack = await knex.transaction();
    await Person.query(rolledBack).insert({ name: 'rolled back' });
    await rolledBack.rollback();
    await knex
      .transaction(async (tx) => {
        await Person.query(tx).insert({ name: 'rolled back' });
        await tx.rollback();
      })
      .catch(() => undefined);
    expect(log).toEqual(['bound', 'by hand']);

    class Late extends withSignals(Model) {
      static override tableName = 'people';
      declare name: string;
    }
    const other = onSqlite();
    await other.schema.createTable('people', (table) => {
      table.increments('id');
      table.text('name');
    });
    postSave.connect(
      (_sender, { instance, onCommit }) => {
        onCommit(() => log.push(instance.name));
      },
      { sender: Late, owner },
    );
    await other.transaction(async (tx) => {
      await tx.transaction(async (inner) => Late.query(inner).insert({ name: 'late' }));
      await Late.query(tx).insert({ name: 'later' });
      expect(log).toHaveLength(2);
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log.slice(2).sort()).toEqual(['late', 'later']);
    await other.destroy();
  });

  test("hooks and query builders of one's own go on working, and errors are Objection's", async () => {
    const { Person } = await open({ atomic: true });
    class Query extends QueryBuilder<Model> {
      named(name: string): this {
        return this.where('name', name);
      }
    }
    class Custom extends Person {
      static override QueryBuilder = Query as never;
      static override async beforeUpdate(args: never): Promise<void> {
        await super.beforeUpdate(args);
        log.push('beforeUpdate');
      }
    }
    preSave.connect(() => void log.push('preSave'), { sender: Custom, owner });
    const custom = await Custom.query().insert({ name: 'a' });
    await custom.$query().patch({ age: 2 });
    expect(log).toEqual(['preSave', 'beforeUpdate', 'preSave']);
    expect(await (Custom.query() as unknown as Query).named('a')).toHaveLength(1);
    await expect(Custom.query().insert({ name: 'a' })).rejects.toThrow(/UNIQUE/i);
    expect(UniqueViolationError).toBeDefined();
  });

  test('refuses what is no model, wrong options, and a second time', async () => {
    const { Person } = await open();
    expect(() => withSignals({} as never)).toThrow(
      /takes the Model class of Objection, or one that extends it, not \{/,
    );
    expect(() => withSignals(Model, { atomc: true } as never)).toThrow(
      /Unknown option "atomc" of withSignals\(\); it takes bulk, outside, using, atomic, beforeImage/,
    );
    expect(() => withSignals(Person as never)).toThrow(/has signals already/);
  });
});
