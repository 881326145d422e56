/** A database of Objection's, for the equivalence suite. */
import type { Knex } from 'knex';
import { Model, type QueryContext } from 'objection';
import { type SignalsOptions, withSignals } from '../../../src/objection.ts';
import type { Engine } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { objectionDatabase } from '../objection-database.ts';
import { perform, type Step } from './objection.ts';

export type Models = Readonly<Record<'Person' | 'Pet' | 'Tag' | 'Seat', typeof Model>>;

const ROWS: Readonly<Record<string, readonly object[]>> = {
  people: [
    { id: 1, name: 'ada', age: 1, meta: '{"a":1}' },
    { id: 2, name: 'bob', age: 2, meta: null },
    { id: 3, name: 'eve', age: 2, meta: null },
  ],
  pets: [
    { id: 1, name: 'ant', ownerId: 1 },
    { id: 2, name: 'bee', ownerId: 1 },
    { id: 3, name: 'cat', ownerId: 2 },
    { id: 4, name: 'dog', ownerId: null },
  ],
  tags: [
    { id: 1, label: 'one' },
    { id: 2, label: 'two' },
  ],
  people_tags: [
    { personId: 1, tagId: 1, note: 'a' },
    { personId: 1, tagId: 2, note: 'b' },
  ],
  seats: [
    { row: 1, place: 1, guest: 'ada' },
    { row: 1, place: 2, guest: 'bob' },
    { row: 2, place: 1, guest: 'eve' },
  ],
};
const KEYS: Readonly<Record<string, readonly string[]>> = {
  people_tags: ['personId', 'tagId'],
  seats: ['row', 'place'],
};

export async function openObjection(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await objectionDatabase(engine, name, 3);
  const { knex } = database;
  const hooks: string[] = [];
  const statements: string[] = [];
  await createTables(knex);
  knex.on('query', ({ sql, bindings }: { sql: string; bindings: unknown }) =>
    // The names of savepoints are counted up in the process.
    statements.push(`${sql.replace(/trx\d+/g, 'trx')} -- ${JSON.stringify(bindings)}`),
  );
  // The mixin is in the chain of classes.
  const bare = define(class Mixed extends Model {}, knex, hooks);
  let models = bare;
  let isAtomic = false;
  return {
    async reset() {
      for (const [table, rows] of Object.entries(ROWS)) {
        await knex(table).truncate();
        for (const row of rows) await knex(table).insert(row);
        if (engine === 'postgres' && !(table in KEYS))
          await knex.raw(`select setval('${table}_id_seq', ${String(rows.length)})`);
      }
      hooks.length = statements.length = 0;
    },
    attach(options) {
      models = define(withSignals(Model, options), knex, hooks);
    },
    detach() {
      models = bare;
    },
    imitate(options) {
      isAtomic = (options as SignalsOptions).atomic === true;
    },
    perform: (step) =>
      isAtomic && 'start' in step
        ? atomically(knex, (trx) => perform(step, models, knex, trx))
        : perform(step, models, knex),
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const table of Object.keys(ROWS))
        rows[table] = await knex(table).orderBy((KEYS[table] ?? ['id']) as string[]);
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    close: () => database.close(),
  };
}

/** What the option `atomic` is for: a call is one transaction, also if an `onError()` gives a result for it. */
async function atomically(knex: Knex, call: (trx: Knex.Transaction) => Promise<unknown>): Promise<unknown> {
  try {
    return await knex.transaction(async (trx) => {
      const value = await call(trx);
      if (typeof value === 'object' && value !== null && 'recovered' in value) throw new Undo(value);
      return value;
    });
  } catch (error) {
    if (error instanceof Undo) return error.value;
    throw error;
  }
}

class Undo extends Error {
  readonly value: object;

  constructor(value: object) {
    super();
    this.value = value;
  }
}

async function createTables(knex: Knex): Promise<void> {
  await knex.schema
    .createTable('people', (table) => {
      table.increments('id');
      table.string('name').notNullable().unique();
      table.integer('age').defaultTo(7);
      table.json('meta');
    })
    .createTable('pets', (table) => {
      table.increments('id');
      table.string('name');
      table.integer('ownerId');
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
    .createTable('seats', (table) => {
      table.integer('row');
      table.integer('place');
      table.string('guest');
      table.primary(['row', 'place']);
    });
}

function define(base: typeof Model, knex: Knex, hooks: string[]): Models {
  const note = (model: Model, hook: string, context: QueryContext): void => {
    hooks.push(`${model.constructor.name} ${hook} ${String(context.by)}`);
  };
  class Base extends base {
    // What is written at a time has no order that could be compared.
    static concurrency = 1;
  }
  class Hooked extends Base {
    override $beforeInsert(context: QueryContext): void {
      note(this, '$beforeInsert', context);
    }
    override $afterInsert(context: QueryContext): void {
      note(this, '$afterInsert', context);
    }
    override $beforeUpdate(_options: unknown, context: QueryContext): void {
      note(this, '$beforeUpdate', context);
    }
    override $afterUpdate(_options: unknown, context: QueryContext): void {
      note(this, '$afterUpdate', context);
    }
    override $beforeDelete(context: QueryContext): void {
      note(this, '$beforeDelete', context);
    }
    override $afterDelete(context: QueryContext): void {
      note(this, '$afterDelete', context);
    }
  }
  class Pet extends Base {
    static override tableName = 'pets';
    static override relationMappings = () => ({
      owner: {
        relation: Model.BelongsToOneRelation,
        modelClass: Person,
        join: { from: 'pets.ownerId', to: 'people.id' },
      },
    });
  }
  class PersonTag extends Base {
    static override tableName = 'people_tags';
    static override idColumn = ['personId', 'tagId'];
  }
  class Tag extends Hooked {
    static override tableName = 'tags';
  }
  class Seat extends Hooked {
    static override tableName = 'seats';
    static override idColumn = ['row', 'place'];
  }
  class Person extends Hooked {
    static override tableName = 'people';
    static override jsonSchema = {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, age: { type: ['integer', 'null'] }, meta: { type: ['object', 'null'] } },
    };
    static override relationMappings = () => ({
      pets: { relation: Model.HasManyRelation, modelClass: Pet, join: { from: 'people.id', to: 'pets.ownerId' } },
      tags: {
        relation: Model.ManyToManyRelation,
        modelClass: Tag,
        join: {
          from: 'people.id',
          through: { modelClass: PersonTag, from: 'people_tags.personId', to: 'people_tags.tagId', extra: ['note'] },
          to: 'tags.id',
        },
      },
    });
  }
  Base.knex(knex);
  return { Person, Pet, Tag, Seat };
}
