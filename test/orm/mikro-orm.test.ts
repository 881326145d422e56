import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cascade, Collection, EntityManager, EntitySchema, MikroORM, type Options } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { MikroORM as PostgresOrm } from '@mikro-orm/postgresql';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import {
  attachSignals,
  postBulk,
  postDelete,
  postSave,
  preDelete,
  preSave,
  type SignalsOptions,
} from '../../src/mikro-orm.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness, type ModelName, type Rows } from './contract.ts';

const postgres = await startPostgres();
const folder = mkdtempSync(join(tmpdir(), 'tocsin-mikro-orm-'));
let files = 0;
afterAll(async () => {
  await postgres.close();
  rmSync(folder, { recursive: true });
});

class User {
  id!: number;
  name!: string;
  email!: string;
}
class Profile {
  id!: number;
  userId!: number;
  bio!: string;
}
const entities = [
  new EntitySchema({
    class: User,
    tableName: 'contract_users',
    properties: {
      id: { type: 'integer', primary: true },
      name: { type: 'string' },
      email: { type: 'string', nullable: true },
    },
  }),
  new EntitySchema({
    class: Profile,
    tableName: 'contract_profiles',
    properties: { id: { type: 'integer', primary: true }, userId: { type: 'integer' }, bio: { type: 'string' } },
  }),
];
const classes = { User, Profile };

function harness(connect: () => Promise<MikroORM>, concurrent: boolean): Harness<EntityManager> {
  let orm: MikroORM;
  let attached: Disposable | undefined;
  const fork = () => orm.em.fork();
  return {
    senders: classes,
    wrapsWrites: true,
    savepoints: true,
    concurrent,
    sameTransaction: (one, other) => one.getTransactionContext() === other.getTransactionContext(),
    async open() {
      orm = await connect();
      await orm.schema.refresh();
      await this.attach();
    },
    async close() {
      this.detach();
      await orm.close();
    },
    attach(options) {
      attached = attachSignals(orm, options);
    },
    detach() {
      attached?.[Symbol.dispose]();
    },
    async insert(model, values, em = fork()) {
      const entity = em.create(classes[model] as typeof User, values as never);
      await em.persist(entity).flush();
      return entity as never;
    },
    async saveUnchanged(model, { id }) {
      const em = fork();
      const entity = await em.findOneOrFail(classes[model], id as number);
      await em.persist(entity).flush();
    },
    unchanged: [],
    async insertMany(model, values, em = fork()) {
      const created = values.map((each) => em.create(classes[model] as typeof User, each as never));
      await em.persist(created).flush();
      return created as never;
    },
    async update(model, { id }, values, em = fork()) {
      const entity = await em.findOneOrFail(classes[model] as typeof User, id as number);
      em.assign(entity, values as never);
      await em.flush();
    },
    async remove(model, { id }, em = fork()) {
      await em.remove(await em.findOneOrFail(classes[model] as typeof User, id as number)).flush();
    },
    all: async <M extends ModelName>(model: M, em = fork()): Promise<Rows[M][]> =>
      (await em.find(classes[model] as typeof User, {}, { orderBy: { id: 'asc' }, disableIdentityMap: true })) as never,
    transaction: (run, em = fork()) => em.transactional((tx) => run(tx)),
    bulkUpdate: (model, where, values) =>
      fork().nativeUpdate(classes[model] as typeof User, where as never, values as never),
    bulkDelete: (model, where) => fork().nativeDelete(classes[model] as typeof User, where as never),
  };
}

/** Each with a `contextName` of its own: without, MikroORM takes the transaction of one ORM for that of another. */
const libsql = (
  of: readonly EntitySchema[] = entities,
  options: Partial<Pick<Options, 'debug' | 'logger'>> = {},
): Promise<MikroORM> =>
  LibsqlOrm.init({
    ...options,
    entities: [...of],
    dbName: join(folder, `${String(files)}.db`),
    contextName: String(files++),
  }) as Promise<unknown> as Promise<MikroORM>;
contract(
  'MikroORM 7, SQLite',
  harness(() => libsql(), false),
  harness(() => libsql(), false),
);
contract(
  'MikroORM 7, PostgreSQL',
  harness(
    () =>
      PostgresOrm.init({
        entities,
        clientUrl: postgres.url,
        pool: { min: 0, max: postgres.connections },
      }) as Promise<MikroORM>,
    postgres.connections > 1,
  ),
);

describe('MikroORM', () => {
  class Author {
    id!: number;
    name!: string;
    born?: Date | null;
    address?: { city: string };
    books = new Collection<Book>(this);
  }
  class Book {
    id!: number;
    title!: string;
    author?: Author | null;
    tags = new Collection<Tag>(this);
  }
  class Novel extends Book {}
  class Tag {
    id!: number;
    name!: string;
  }
  class Address {
    city!: string;
  }
  const library = [
    new EntitySchema({ class: Address, embeddable: true, properties: { city: { type: 'string' } } }),
    new EntitySchema({
      class: Author,
      properties: {
        id: { type: 'integer', primary: true },
        name: { type: 'string' },
        born: { type: 'datetime', nullable: true },
        address: { kind: 'embedded', entity: () => Address, nullable: true },
        books: { kind: '1:m', entity: () => Book, mappedBy: 'author', cascade: [Cascade.ALL], orphanRemoval: true },
      },
    }),
    new EntitySchema({
      class: Book,
      discriminatorColumn: 'kind',
      discriminatorMap: { book: 'Book', novel: 'Novel' } as never,
      properties: {
        id: { type: 'integer', primary: true },
        title: { type: 'string' },
        author: { kind: 'm:1', entity: () => Author, nullable: true },
        tags: { kind: 'm:n', entity: () => Tag },
      },
    }),
    new EntitySchema({ class: Novel, extends: 'Book', properties: {} } as never),
    new EntitySchema({ class: Tag, properties: { id: { type: 'integer', primary: true }, name: { type: 'string' } } }),
  ];
  const owner = {};
  let log: string[] = [];
  let orm: MikroORM;
  let attached: Disposable;

  const open = async (options?: SignalsOptions): Promise<EntityManager> => {
    orm = await libsql(library as never);
    await orm.schema.refresh();
    attached = attachSignals(orm, options);
    return orm.em.fork();
  };
  beforeEach(() => {
    log = [];
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    attached[Symbol.dispose]();
    await orm.close();
  });
  const logAll = (...senders: object[]): void => {
    for (const signal of [preSave, postSave, preDelete, postDelete, postBulk] as AnySignal[]) {
      for (const sender of senders) {
        signal.connect(
          (
            from: { name: string },
            { instance, operation, count }: { instance?: Book & Author; operation?: string; count?: number },
          ) => {
            log.push(
              `${signal.name} ${from.name} ${operation === undefined ? (instance?.title ?? instance?.name ?? '') : `${operation} ${String(count)}`}`,
            );
          },
          { sender, owner },
        );
      }
    }
  };

  test('cascades send what they write, in the order of the writes; subclasses are senders of their own', async () => {
    const em = await open();
    logAll(Author, Book, Novel);
    const ada = em.create(Author, { name: 'Ada' });
    ada.books.add(em.create(Book, { title: 'Notes' }), em.create(Novel, { title: 'Tale' }));
    await em.persist(ada).flush();
    expect(log).toEqual([
      'preSave Author Ada',
      'postSave Author Ada',
      'preSave Book Notes',
      'preSave Novel Tale',
      'postSave Book Notes',
      'postSave Novel Tale',
    ]);
    log = [];
    await em.flush();
    expect(log).toEqual([]);
    ada.books.remove(ada.books[0] as Book);
    await em.flush();
    expect(log).toEqual(['preDelete Book Notes', 'postDelete Book Notes']);
    log = [];
    await em.remove(ada).flush();
    expect(log).toEqual([
      'preDelete Novel Tale',
      'postDelete Novel Tale',
      'preDelete Author Ada',
      'postDelete Author Ada',
    ]);
  });

  test('a receiver may point a new entity at the one that is being saved', async () => {
    const em = await open();
    postSave.connect(
      async (_sender, { instance, created, tx }) => {
        if (!created) return;
        const book = tx.create(Book, {
          title: `of ${instance.name}`,
          author: tx.getReference(Author, instance.id),
        } as never);
        await tx.persist(book).flush();
      },
      { sender: Author, owner },
    );
    logAll(Book);
    await em.persist(em.create(Author, { name: 'Ada' })).flush();
    expect(log).toEqual(['preSave Book of Ada', 'postSave Book of Ada']);
    expect(await orm.em.fork().find(Book, {}, { populate: ['author'] as never })).toMatchObject([
      { author: { name: 'Ada' } },
    ]);
    await em.flush();
    expect(log).toHaveLength(2);
  });

  test('changes: dates, embedded objects by column, relations by key', async () => {
    const em = await open();
    const author = em.create(Author, { name: 'Ada', born: new Date(0), address: { city: 'Paris' } });
    const book = em.create(Book, { title: 'Notes', author } as never);
    await em.persist([author, book]).flush();
    for (const sender of [Author, Book]) {
      postSave.connect(
        (_sender, { updateFields, changes }) =>
          void log.push([...(updateFields ?? [])].join(), JSON.stringify(changes)),
        { sender, owner },
      );
    }
    author.born = new Date(1000);
    (author.address as { city: string }).city = 'London';
    book.author = null;
    await em.flush();
    expect(log.map((each) => each.replaceAll('"', ''))).toEqual([
      'born,address_city',
      '{born:{from:0,to:1000},address_city:{from:Paris,to:London}}',
      'author',
      '{author:{from:1,to:null}}',
    ]);
  });

  test('begin(), commit() and rollback() by hand', async () => {
    const em = await open();
    postSave.connect(
      (_sender, { instance, onCommit }) => {
        onCommit(() => log.push(instance.name));
      },
      { sender: Author, owner },
    );
    await em.begin();
    await em.persist(em.create(Author, { name: 'kept' })).flush();
    expect(log).toEqual([]);
    await em.commit();
    expect(log).toEqual(['kept']);
    await em.begin();
    await em.persist(em.create(Author, { name: 'dropped' })).flush();
    await em.rollback();
    expect(log).toEqual(['kept']);
  });

  test('what passes the unit of work by sends postBulk', async () => {
    const em = await open({ bulk: 'signal' });
    logAll(Tag);
    await em.insert(Tag, { name: 'a' });
    await em.insertMany(Tag, [{ name: 'b' }, { name: 'c' }]);
    await em.insert(em.create(Tag, { name: 'd' }, { managed: false }));
    await em.upsert(Tag, { id: 1, name: 'e' });
    await em.upsertMany(Tag, [{ id: 1, name: 'f' }]);
    await em.nativeUpdate(Tag, { name: 'b' }, { name: 'g' });
    await em.nativeDelete(Tag, { id: { $gt: 1 } });
    expect(log).toEqual(
      ['insert 1', 'insert 2', 'insert 1', 'upsert 1', 'upsert 1', 'update 1', 'delete 3'].map(
        (each) => `postBulk Tag ${each}`,
      ),
    );
  });

  test('a bulk write in a transaction rolls back with what its receivers write', async () => {
    const em = await open({ bulk: 'signal' });
    postBulk.connect(
      async (_sender, { tx }) => {
        await tx.persist(tx.create(Author, { name: 'by receiver' })).flush();
      },
      { sender: Tag, owner },
    );
    await em
      .transactional(async (tx) => {
        await tx.insert(Tag, { name: 'a' });
        expect(await tx.count(Author)).toBe(1);
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(await orm.em.fork().count(Author)).toBe(0);
  });

  test('adds no queries, with receivers or without', async () => {
    await open();
    attached[Symbol.dispose]();
    await orm.close();
    const queries: string[] = [];
    orm = await libsql(library as never, { debug: ['query'], logger: (message) => void queries.push(message) });
    await orm.schema.refresh();
    attached = attachSignals(orm);
    const em = orm.em.fork();
    const write = async (): Promise<number> => {
      queries.length = 0;
      const tag = em.create(Tag, { name: 'a' });
      await em.persist(tag).flush();
      tag.name = 'b';
      await em.flush();
      await em.nativeUpdate(Tag, { name: 'b' }, { name: 'c' });
      await em.remove(tag).flush();
      return queries.length;
    };
    const without = await write();
    expect(without).toBeGreaterThan(3);
    logAll(Tag);
    expect(await write()).toBe(without);
    expect(log.length).toBeGreaterThan(5);
    attached[Symbol.dispose]();
    expect(await write()).toBe(without);
  });

  test('detaching and attaching again does not send twice', async () => {
    const em = await open();
    logAll(Tag);
    for (let round = 0; round < 3; round++) {
      attached[Symbol.dispose]();
      attached = attachSignals(orm);
    }
    await em.persist(em.create(Tag, { name: 'a' })).flush();
    expect(log).toEqual(['preSave Tag ', 'postSave Tag '].map((each) => `${each}a`));
  });

  test('attachSignals() refuses a second time, wrong options, and what is no MikroORM', async () => {
    await open();
    expect(() => attachSignals(orm)).toThrow(/already called for this MikroORM/);
    expect(() => attachSignals({} as never)).toThrow(/takes a MikroORM, not/);
    attached[Symbol.dispose]();
    expect(() => attachSignals(orm, { atomic: true } as never)).toThrow(
      /Unknown option "atomic" of attachSignals\(\); it takes bulk, outside, using/,
    );
    const before = EntityManager.prototype.nativeUpdate;
    const again = attachSignals(orm);
    expect(EntityManager.prototype.nativeUpdate).not.toBe(before);
    again[Symbol.dispose]();
    expect(EntityManager.prototype.nativeUpdate).toBe(before);
  });
});
