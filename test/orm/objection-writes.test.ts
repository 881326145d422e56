import type { Knex } from 'knex';
import { Model, type QueryBuilder, raw, type QueryContext } from 'objection';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers, onError } from '../../src/index.ts';
import {
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
  withSignals,
} from '../../src/objection.ts';
import { availableEngines } from '../support/databases.ts';
import { type ObjectionDatabase, objectionDatabase } from './objection-database.ts';

describe.each(availableEngines('sqlite', 'postgres', 'mariadb'))('Objection', (engine) => {
  let database: ObjectionDatabase;
  let knex: Knex;
  let log: string[] = [];
  let owner = {};

  beforeAll(async () => {
    database = await objectionDatabase(engine, 'writes');
    ({ knex } = database);
    await knex.schema
      .createTable('people', (table) => {
        table.increments('id');
        table.string('name');
        table.boolean('active');
        table.dateTime('born');
        table.bigInteger('score');
        table.json('meta');
      })
      .createTable('pets', (table) => {
        table.increments('id');
        table.string('name');
        table.integer('ownerId');
        table.integer('age');
      })
      .createTable('tags', (table) => {
        table.increments('id');
        table.string('label');
      })
      .createTable('people_tags', (table) => {
        table.integer('personId');
        table.integer('tagId');
        table.string('note');
      })
      .createTable('notes', (table) => {
        table.string('tenant', 20);
        table.integer('id');
        table.string('text');
        table.primary(['tenant', 'id']);
      });
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    log = [];
    owner = {};
    for (const table of ['people', 'pets', 'tags', 'people_tags', 'notes']) await knex(table).truncate();
  });
  afterEach(() => disconnectReceivers(owner));

  const define = (options?: SignalsOptions) => {
    class Base extends withSignals(Model, options) {}
    class Pet extends Base {
      static override tableName = 'pets';
      declare id: number;
      declare name: string;
      declare ownerId: number | null;
      declare age: number | null;
    }
    class PersonTag extends Base {
      static override tableName = 'people_tags';
      static override idColumn = ['personId', 'tagId'];
    }
    class Tag extends Base {
      static override tableName = 'tags';
      declare id: number;
      declare label: string;
    }
    class Person extends Base {
      static override tableName = 'people';
      static override jsonAttributes = ['meta'];
      static override relationMappings = () => ({
        pets: { relation: Model.HasManyRelation, modelClass: Pet, join: { from: 'people.id', to: 'pets.ownerId' } },
        tags: {
          relation: Model.ManyToManyRelation,
          modelClass: Tag,
          join: {
            from: 'people.id',
            through: {
              modelClass: PersonTag,
              from: 'people_tags.personId',
              to: 'people_tags.tagId',
              extra: ['note'],
            },
            to: 'tags.id',
          },
        },
      });
      declare id: number;
      declare name: string;
      declare active: boolean;
      declare born: Date;
      declare score: number | string;
      declare meta: { a?: number } | null;
      declare pets?: Pet[];
      declare tags?: Tag[];
    }
    class Note extends Base {
      static override tableName = 'notes';
      static override idColumn = ['tenant', 'id'];
      declare text: string;
    }
    Base.knex(knex);
    return { Person, Pet, Tag, PersonTag, Note };
  };
  const listen = (signal: AnySignal, receiver: (args: never, sender: unknown) => unknown, sender: object): void => {
    signal.connect((from: unknown, args: never) => receiver(args, from), { sender, owner });
  };
  const logAll = (sender: object): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as AnySignal[])
      listen(
        signal,
        ({ instance, operation, count }: { instance?: { name?: string }; operation?: string; count?: number }) =>
          log.push(
            `${signal.name} ${operation === undefined ? String(instance?.name) : `${operation} ${String(count)}`}`,
          ),
        sender,
      );
  };
  const capitalise = (sender: object): void =>
    listen(
      preSave as AnySignal,
      ({ instance }: { instance: { name?: string } }) => {
        instance.name &&= instance.name.toUpperCase();
      },
      sender,
    );
  const namesOf = async (table: string): Promise<string[]> =>
    (await knex(table).select('name').orderBy('id')).map(({ name }: { name: string }) => name);

  describe(engine, () => {
    describe('a write of many rows is a bulk write, and what preSave made of one row reaches no other', () => {
      const animals = [
        { id: 1, name: 'ant', ownerId: 1 },
        { id: 2, name: 'bee', ownerId: 1 },
        { id: 3, name: 'cat', ownerId: 1 },
      ];
      test.each([
        ['unrelate()', (person: Model) => person.$relatedQuery('pets').unrelate()],
        ['relate([…])', (person: Model) => person.$relatedQuery('pets').relate([1, 2, 3])],
        [
          'upsertGraph({ unrelate: true })',
          (person: Model) =>
            (person.constructor as typeof Model).query().upsertGraph({ id: 1, pets: [] } as never, { unrelate: true }),
        ],
        ['$relatedQuery().patch()', (person: Model) => person.$relatedQuery('pets').patch({ age: 1 } as never)],
        [
          'childQueryOf().patch().where()',
          (person: Model, Pet: typeof Model) =>
            (Pet.query() as unknown as { childQueryOf(query: unknown): QueryBuilder<Model> })
              .childQueryOf((person.constructor as typeof Model).query())
              .patch({ age: 1 } as never)
              .where('ownerId', 1),
        ],
        [
          'findById().orWhere()',
          (_person: Model, Pet: typeof Model) =>
            Pet.query()
              .findById(1)
              .orWhere('ownerId', 1)
              .patch({ age: 1 } as never),
        ],
        [
          '$query().orWhere()',
          async (_person: Model, Pet: typeof Model) => {
            const pet = Pet.fromJson({ id: 1 });
            await pet
              .$query()
              .patch({ age: 1 } as never)
              .orWhere('ownerId', 1);
          },
        ],
        [
          'where("id", "in a list")',
          (_person: Model, Pet: typeof Model) =>
            Pet.query()
              .patch({ age: 1 } as never)
              .whereIn('id', [1, 2, 3]),
        ],
      ] as [string, (person: Model, Pet: typeof Model) => PromiseLike<unknown>][])('%s', async (_name, write) => {
        const { Person, Pet } = define({ bulk: 'signal' });
        await knex('people').insert({ id: 1, name: 'Ada' });
        await knex('pets').insert(animals);
        const person = (await Person.query().findById(1)) as Model;
        capitalise(Pet);
        logAll(Pet);
        await write(person, Pet);
        expect(await namesOf('pets')).toEqual(['ant', 'bee', 'cat']);
        expect(log).toEqual(['postBulk update 3']);
      });

      test('a key that is none in the database: as many rows as it finds', async () => {
        const { Pet } = define({ bulk: 'signal' });
        class Wrong extends Pet {
          static override idColumn = 'ownerId';
        }
        await knex('pets').insert(animals);
        capitalise(Wrong);
        logAll(Wrong);
        await Wrong.query()
          .findById(1)
          .patch({ age: 1 } as never);
        expect(await namesOf('pets')).toEqual(['ant', 'bee', 'cat']);
        expect(log).toEqual(['postBulk update 3']);
      });
    });

    test('one row: a relation that relates one, a composite key, conditions beside the key', async () => {
      const { Person, Pet, Note } = define();
      const person = await Person.query().insert({ name: 'Ada' });
      await knex('pets').insert([{ id: 1, name: 'ant' }]);
      logAll(Pet);
      await person.$relatedQuery('pets').relate(1);
      await Pet.query().findById(1).where('name', 'bee').patch({ age: 1 });
      await person.$relatedQuery('pets').findById(1).patch({ age: 1 });
      expect(log).toEqual(['preSave ant', 'postSave ant', 'preSave ant', 'postSave ant']);
      await knex('notes').insert([
        { tenant: 'a', id: 1, text: 'a1' },
        { tenant: 'b', id: 1, text: 'b1' },
      ]);
      listen(
        preSave as AnySignal,
        ({ instance }: { instance: { text: string } }) => (instance.text = instance.text.toUpperCase()),
        Note,
      );
      await Note.query().findById(['a', 1]).patch({ text: 'new' });
      expect(await knex('notes').orderBy('tenant')).toMatchObject([{ text: 'NEW' }, { text: 'b1' }]);
    });

    test('the owner of a relation that belongs to one row is one row', async () => {
      const { Pet, Person } = define();
      class Owned extends Pet {
        static override relationMappings = () => ({
          owner: {
            relation: Model.BelongsToOneRelation,
            modelClass: Person,
            join: { from: 'pets.ownerId', to: 'people.id' },
          },
        });
      }
      const pet = await Owned.query().insert({ name: 'ant' });
      const { id } = await Person.query().insert({ name: 'Ada' });
      logAll(Owned);
      capitalise(Owned);
      await pet.$relatedQuery('owner').relate(id);
      await pet.$relatedQuery('owner').unrelate();
      await pet.$relatedQuery('owner').insert({ name: 'Bob' } as never);
      expect(log).toEqual([
        'preSave ant',
        'postSave ANT',
        'preSave ANT',
        'postSave ANT',
        'preSave ANT',
        'postSave ANT',
      ]);
      expect(await knex('pets')).toMatchObject([{ name: 'ANT', ownerId: id + 1 }]);
    });

    test('many-to-many: related rows are written and unrelated as without signals', async () => {
      const { Person, Tag, PersonTag } = define({ bulk: 'signal' });
      const person = await Person.query().insertGraph({
        name: 'Ada',
        // MariaDB inserts them at a time, on two connections: of which the id is 1 would be chance.
        tags: [
          { id: 1, label: 'one', note: 'first' },
          { id: 2, label: 'two', note: 'second' },
        ],
      } as never);
      expect(await knex('people_tags').orderBy('tagId')).toMatchObject([{ note: 'first' }, { note: 'second' }]);
      for (const each of [Tag, PersonTag]) logAll(each);
      const changes: unknown[] = [];
      listen(postSave as AnySignal, ({ instance }: { instance: object }) => changes.push({ ...instance }), Tag);
      await person
        .$relatedQuery('tags')
        .findById(1)
        .patch({ label: 'eins', note: 'neu' } as never);
      expect(changes).toEqual([{ id: 1, label: 'eins' }]);
      expect(await knex('tags').orderBy('id')).toMatchObject([{ label: 'eins' }, { label: 'two' }]);
      expect(await knex('people_tags').orderBy('tagId')).toMatchObject([{ note: 'neu' }, { note: 'second' }]);
      log = [];
      expect(await person.$relatedQuery('tags').unrelate().where('tags.id', 1)).toBe(1);
      await Person.query().upsertGraph({ id: person.id, tags: [] } as never, { unrelate: true });
      expect(await knex('people_tags')).toEqual([]);
      expect(log.filter((each) => each.startsWith('postBulk'))).toEqual(['postBulk delete 1', 'postBulk delete 1']);
    });

    test('many-to-many: what is refused because it writes the join table, too, is refused before it writes', async () => {
      const { Person, Tag } = define({ bulk: 'throw' });
      const person = await Person.query().insertGraph({
        name: 'Ada',
        tags: [{ id: 1, label: 'one', note: 'first' }],
      } as never);
      logAll(Tag);
      const patch = (values: object) =>
        person
          .$relatedQuery('tags')
          .findById(1)
          .patch(values as never);
      await expect(patch({ label: 'eins', note: 'neu' })).rejects.toThrow(/bulk update of PersonTag .*refused/);
      await expect(patch({ note: 'neu' })).rejects.toThrow(/bulk update of PersonTag .*refused/);
      expect([await knex('tags'), await knex('people_tags')]).toMatchObject([[{ label: 'one' }], [{ note: 'first' }]]);
      await patch({ label: 'eins' });
      expect(log).toEqual(['preSave undefined', 'postSave undefined']);
    });

    test('a class without a knex, and one bound to a stub, stay what they are', () => {
      const { Person } = define();
      class Unbound extends Person {}
      Unbound.knex(null as never);
      expect(Unbound.knex()).toBeNull();
      const stub = (() => undefined) as unknown as Knex;
      expect(Person.bindKnex(stub).knex()).toBe(stub);
    });

    test('a graph is compared as without signals: nothing is validated or written that has not changed', async () => {
      const { Person, Pet } = define();
      await knex('people').insert({ id: 1, name: 'Ada' });
      await knex('pets').insert([
        { id: 1, name: 'ant', ownerId: 1, age: 1 },
        { id: 2, name: 'bee', ownerId: 1, age: 1 },
      ]);
      logAll(Pet);
      capitalise(Pet);
      await Person.query().upsertGraph({
        id: 1,
        pets: [
          { id: 1, name: 'ant', age: 2 },
          { id: 2, name: 'bee', age: 1 },
        ],
      } as never);
      expect(log).toEqual(['preSave ant', 'postSave ANT']);
      expect(await namesOf('pets')).toEqual(['ANT', 'bee']);
      expect(Pet.beforeUpdate).toBe(Model.beforeUpdate);
    });

    test('values are compared as what they mean, however the database keeps them', async () => {
      const { Person } = define({ atomic: true });
      const values = () => ({ active: true, born: new Date(86_400_000), score: 5, meta: { a: 1 } });
      const { id } = await Person.query().insert({ name: 'a', ...values() });
      const seen: unknown[] = [];
      listen(postSave as AnySignal, ({ changes }: { changes: unknown }) => seen.push(changes), Person);
      await Person.query()
        .patch({ name: 'b', ...values() })
        .findById(id);
      await Person.query()
        .patch({ active: false, born: new Date(0) })
        .findById(id);
      expect(seen).toEqual([
        { name: { from: 'a', to: 'b' } },
        { active: { from: true, to: false }, born: { from: new Date(86_400_000), to: new Date(0) } },
      ]);
    });

    test('what preSave changes inside a JSON value is written, and `changes` tell what it was', async () => {
      const { Person } = define();
      const { id } = await Person.query().insert({ name: 'a', meta: { a: 1 } });
      const seen: unknown[] = [];
      listen(preSave as AnySignal, ({ instance }: { instance: { meta: { a: number } } }) => instance.meta.a++, Person);
      listen(postSave as AnySignal, ({ changes }: { changes: unknown }) => seen.push(changes), Person);
      await Person.query().patch({ name: 'b' }).findById(id);
      expect(await Person.query().findById(id)).toMatchObject({ name: 'b', meta: { a: 2 } });
      expect(seen).toEqual([{ name: { from: 'a', to: 'b' }, meta: { from: { a: 1 }, to: { a: 2 } } }]);
    });

    test('what a class sets by itself is no column of the row', async () => {
      const { Person } = define();
      class Cached extends Person {
        cache = { made: 1 };
        get shout() {
          return `${this.name}!`;
        }
        static override get virtualAttributes() {
          return ['shout'];
        }
        override $formatDatabaseJson(json: never) {
          const { cache: _cache, ...row } = super.$formatDatabaseJson(json) as { cache?: unknown };
          return row;
        }
      }
      const { id } = await Cached.query().insert({ name: 'a' });
      const seen: unknown[] = [];
      listen(postSave as AnySignal, ({ changes }: { changes: object }) => seen.push(Object.keys(changes)), Cached);
      await Cached.query().patch({ name: 'b' }).where({ id });
      expect(seen).toEqual([['name']]);
    });

    test('the hooks of the models run once and in their order, with the context of the query', async () => {
      for (const options of [{}, { atomic: true }, { bulk: 'individual' }] as SignalsOptions[]) {
        const { Pet } = define(options);
        class Hooked extends Pet {
          override $beforeInsert(context: QueryContext) {
            log.push(`$beforeInsert ${String(context.by)}`);
          }
          override $afterInsert(context: QueryContext) {
            log.push(`$afterInsert ${String(context.by)}`);
          }
          override $beforeUpdate(_options: unknown, context: QueryContext) {
            log.push(`$beforeUpdate ${String(context.by)}`);
            this.name = `${this.name}#`;
          }
          override $afterUpdate(_options: unknown, context: QueryContext) {
            log.push(`$afterUpdate ${String(context.by)}`);
          }
          static override async beforeUpdate(args: Parameters<typeof Model.beforeUpdate>[0]) {
            await super.beforeUpdate(args);
            log.push('beforeUpdate');
          }
        }
        await knex('pets').truncate();
        for (const signal of [preSave, postSave, preDelete, postDelete] as AnySignal[])
          listen(signal, () => undefined, Hooked);
        log = [];
        const query = Hooked.query().context({ by: 'me' }).insert({ name: 'a' });
        await query;
        expect((query.context() as { by?: string }).by).toBe('me');
        await Hooked.query()
          .context({ by: 'me' })
          .patch({ name: 'b' })
          .where('name', 'a')
          .runBefore(() => void log.push('runBefore'))
          .runAfter((result) => {
            log.push('runAfter');
            return result;
          });
        expect(log).toEqual([
          '$beforeInsert me',
          '$afterInsert me',
          'runBefore',
          '$beforeUpdate me',
          'beforeUpdate',
          '$afterUpdate me',
          'runAfter',
        ]);
        expect(await namesOf('pets')).toEqual(['b#']);
      }
    });

    test('a write that a hook of the app cancels sends nothing after it', async () => {
      const { Pet } = define();
      class Soft extends Pet {
        static override async beforeDelete(args: Parameters<typeof Model.beforeDelete>[0]) {
          await super.beforeDelete(args);
          const found = args.asFindQuery() as unknown as QueryBuilder<Model>;
          const count = await found.patch({ age: -1 } as never);
          args.cancelQuery(count);
        }
      }
      const pet = await Soft.query().insert({ name: 'a' });
      logAll(Soft);
      expect(await Soft.query().deleteById(pet.id)).toBe(1);
      expect(log.filter((each) => /Delete|delete/.test(each))).toEqual([]);
      expect(await knex('pets')).toHaveLength(1);
    });

    describe('individual', () => {
      const rows = [
        { id: 1, name: 'a', age: 1 },
        { id: 2, name: 'b', age: 1 },
        { id: 3, name: 'c', age: 2 },
      ];

      test('writes what each row was made by its receivers, in one transaction, and answers as the statement', async () => {
        const { Pet } = define({ bulk: 'individual' });
        await knex('pets').insert(rows);
        listen(
          preSave as AnySignal,
          ({ instance }: { instance: { name: string } }) => (instance.name = instance.name.toUpperCase()),
          Pet,
        );
        logAll(Pet);
        expect(await Pet.query().where('age', 1).patch({ ownerId: 7 })).toBe(2);
        expect(await knex('pets').orderBy('id')).toMatchObject([
          { name: 'A', ownerId: 7 },
          { name: 'B', ownerId: 7 },
          { name: 'c', ownerId: null },
        ]);
        expect(log).toEqual(['preSave A', 'preSave B', 'postSave A', 'postSave B']);
        const error = await Pet.query()
          .where('age', 1)
          .patch({ ownerId: 'none', noSuchColumn: 1 } as never)
          .catch((each: unknown) => each);
        expect(error).toBeInstanceOf(Error);
        expect(await knex('pets').where('ownerId', 7)).toHaveLength(2);
      });

      test.each([
        [
          'expressions',
          (Pet: typeof Model) =>
            Pet.query()
              .where('age', 1)
              .patch({ age: raw('age + 1') } as never),
        ],
        ['increment()', (Pet: typeof Model) => Pet.query().where('age', 1).increment('age', 1)],
        [
          'orWhere()',
          (Pet: typeof Model) =>
            Pet.query()
              .where('age', 1)
              .orWhere('id', 2)
              .patch({ age: 2 } as never),
        ],
        [
          'conditions about expressions',
          (Pet: typeof Model) =>
            Pet.query()
              .whereIn(raw('(select count(*) from pets p where p.age = 1)') as never, [2])
              .where('age', 1)
              .patch({ age: 2 } as never),
        ],
        [
          'subqueries',
          (Pet: typeof Model) =>
            Pet.query()
              .where('age', '>=', knex.raw('(select 1)'))
              .where('age', '<', 2)
              .patch({ age: 2 } as never),
        ],
      ] as [string, (Pet: typeof Model) => QueryBuilder<Model, number>][])(
        'leaves %s a bulk write',
        async (_name, write) => {
          const { Pet } = define({ bulk: 'individual' });
          await knex('pets').insert(rows);
          logAll(Pet);
          expect(await write(Pet)).toBe(2);
          expect(log).toEqual(['postBulk update 2']);
          expect(await knex('pets').where('age', 2)).toHaveLength(3);
        },
      );
    });

    test('what is written through a transaction that has ended is refused in the words of knex', async () => {
      const { Pet } = define();
      logAll(Pet);
      const transaction = await knex.transaction();
      await transaction.rollback();
      await expect(Pet.query(transaction).insert({ name: 'a' })).rejects.toThrow(/Transaction query already complete/);
      expect(log).toEqual([]);
    });

    test('an update that finds no transaction to work in fails as without signals', async () => {
      const failure = (model: typeof Model): Promise<unknown> =>
        knex
          .transaction(async (transaction) => {
            await transaction.raw('select * from nothing').catch(() => undefined);
            return model.query(transaction).patch({ meta: null, active: true } as never);
          })
          .then(
            () => 'written',
            (error: unknown) => (error as Error).message,
          );
      class Bare extends Model {
        static override tableName = 'people';
        static override jsonAttributes = ['meta'];
      }
      for (const options of [{}, { bulk: 'individual' }] as SignalsOptions[]) {
        const attached = define(options).Person;
        listen(preSave as AnySignal, () => undefined, attached);
        expect(await failure(attached)).toBe(await failure(Bare));
      }
    });

    test('an onError() of the query gets the error, and its result is the result', async () => {
      const { Pet } = define({ atomic: true });
      listen(postSave as AnySignal, () => undefined, Pet);
      await knex('pets').insert({ id: 1, name: 'a' });
      const result = await Pet.query()
        .insert({ id: 1, name: 'b' })
        .onError((error) => [error instanceof Error]);
      expect(result).toEqual([true]);
      expect(await namesOf('pets')).toEqual(['a']);
    });

    test('a clone, and a query that is executed twice, send as well', async () => {
      const { Pet } = define({ atomic: true });
      await knex('pets').insert({ id: 1, name: 'a' });
      logAll(Pet);
      const query = Pet.query().findById(1).patch({ name: 'b' });
      await query.clone();
      await Promise.all([query, query]);
      expect(log).toEqual(['preSave b', 'postSave b', 'preSave b', 'postSave b', 'preSave b', 'postSave b']);
    });

    test('a receiver that writes outside its transaction is told so, and refused when no connection is left', async () => {
      const reported: unknown[] = [];
      using handler = onError((error) => reported.push(error));
      expect(handler).toBeDefined();
      const { Person, Pet } = define({ atomic: true, bulk: 'signal' });
      const warned: string[] = [];
      const warn = (warning: Error & { code?: string }): void =>
        void (warning.code === 'TOCSIN_OUTSIDE' && warned.push(warning.message));
      process.on('warning', warn);
      listen(
        postSave as AnySignal,
        async function logIt() {
          await Pet.query().insert({ name: 'log' });
        },
        Person,
      );
      const outcome = await Person.query()
        .insert({ name: 'Ada' })
        .then(
          () => 'written',
          (error: unknown) => (error as Error).message,
        );
      await new Promise((resolve) => setTimeout(resolve, 5));
      process.off('warning', warn);
      if (engine === 'sqlite') {
        expect(outcome).toMatch(/It is refused, for every connection of the pool is taken/);
        expect(await knex('people')).toEqual([]);
      } else {
        expect(outcome).toBe('written');
        expect(warned).toEqual([
          expect.stringMatching(/writes outside the transaction .*insert\(\) of Pet.*objection-writes\.test\.ts:\d+/),
        ]);
      }
    });
  });
});
