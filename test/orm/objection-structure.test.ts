/** A model class with signals, and what it gives, has what one without has. */
import { Model } from 'objection';
import { expect, test } from 'vitest';
import { withSignals } from '../../src/objection.ts';
import { knexOnSqlite } from '../support/knex-sqlite.ts';
import { structureOf } from './structure.ts';

/** What a class has of its own and of those that it extends. */
function staticsOf(model: object): Record<string, unknown> {
  const chain: object[] = [];
  for (let each = model; each !== Function.prototype; each = Object.getPrototypeOf(each) as object) chain.unshift(each);
  // What begins with $$ is what Objection keeps there meanwhile.
  const isPublic = (name: PropertyKey): boolean => typeof name === 'string' && !name.startsWith('$$');
  const names = new Set(chain.flatMap((each) => Reflect.ownKeys(each)).filter(isPublic)) as Set<string>;
  return Object.fromEntries([...names].map((name) => [name, (model as unknown as Record<string, unknown>)[name]]));
}

test('classes, instances, queries and results look like those without signals', async () => {
  const knex = knexOnSqlite(':memory:');
  await knex.schema
    .createTable('people', (table) => {
      table.increments('id');
      table.string('name');
    })
    .createTable('pets', (table) => {
      table.increments('id');
      table.string('name');
      table.integer('ownerId');
    });
  await knex('people').insert({ id: 1, name: 'ada' });

  const define = (base: typeof Model) => {
    class Pet extends base {
      static override tableName = 'pets';
    }
    class Person extends base {
      static override tableName = 'people';
      static override relationMappings = {
        pets: { relation: Model.HasManyRelation, modelClass: Pet, join: { from: 'people.id', to: 'pets.ownerId' } },
      };
    }
    for (const each of [Pet, Person]) each.knex(knex);
    return Person;
  };
  const handles: Record<string, (Person: typeof Model) => unknown> = {
    class: (Person) => staticsOf(Person),
    'class bound to a transaction': (Person) =>
      knex.transaction((trx) => Promise.resolve(staticsOf(Person.bindTransaction(trx)))),
    instance: (Person) => Person.fromJson({ name: 'a' }),
    'query()': (Person) => ({ query: Person.query() }),
    'insert()': (Person) => ({ query: Person.query().insert({ name: 'a' } as never) }),
    'patch()': (Person) => ({
      query: Person.query()
        .findById(1)
        .patch({ name: 'a' } as never),
    }),
    '$query()': async (Person) => ({ query: (await Person.query().findById(1).throwIfNotFound()).$query().delete() }),
    'relatedQuery()': (Person) => ({ query: Person.relatedQuery('pets').for(1).relate(1) }),
    'result of insert()': (Person) => Person.query().insert({ name: 'b' } as never),
    'result of insertGraph()': (Person) => Person.query().insertGraph({ name: 'c', pets: [{ name: 'ant' }] } as never),
    'result of patch()': (Person) => Person.query().patch({ name: 'd' } as never),
  };
  const [bare, attached] = [define(class Mixed extends Model {}), define(withSignals(Model))];
  for (const [name, handle] of Object.entries(handles)) {
    const [wrapped, expected] = [await handle(attached), await handle(bare)];
    expect(structureOf(wrapped, { depth: 2 }), name).toEqual(structureOf(expected, { depth: 2 }));
  }
  await knex.destroy();
});
