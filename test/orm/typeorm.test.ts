import { DataSource, type DataSourceOptions, EntityManager, EntitySchema } from 'typeorm';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import { attachSignals, m2mChanged, postBulk, postDelete, postSave, preDelete, preSave } from '../../src/typeorm.ts';
import { startPostgres } from '../support/postgres.ts';
import { contract, type Harness, type ProfileRow, type Rows, type UserRow } from './contract.ts';

class User implements UserRow {
  id!: number;
  name!: string;
  email!: string;
}
class Profile implements ProfileRow {
  id!: number;
  userId!: number;
  bio!: string;
}
const id = { type: Number, primary: true, generated: 'increment' } as const;
const text = { type: 'text', default: '' } as const;
const userOptions = { name: 'User', target: User, columns: { id, name: text, email: text } };
const profileOptions = { name: 'Profile', target: Profile, columns: { id, userId: { type: Number }, bio: text } };
const UserSchema = new EntitySchema<User>(userOptions);
const ProfileSchema = new EntitySchema<Profile>(profileOptions);

const classes = { User, Profile };

/** One version of TypeORM on one engine. */
function harness(
  options: DataSourceOptions,
  typeorm: Pick<typeof import('typeorm'), 'DataSource' | 'EntitySchema'> = { DataSource, EntitySchema },
): Harness<EntityManager> {
  const entities = [new typeorm.EntitySchema<User>(userOptions), new typeorm.EntitySchema<Profile>(profileOptions)];
  let database: DataSource;
  let attached: Disposable | undefined;
  return {
    senders: classes,
    wrapsWrites: true,
    savepoints: true,
    concurrent: options.type !== 'sqljs' && postgres.connections > 1,
    async open() {
      database = await new typeorm.DataSource({
        ...options,
        entities,
        synchronize: true,
        dropSchema: true,
      }).initialize();
      await this.attach();
    },
    async close() {
      this.detach();
      if (database.isInitialized) await database.destroy();
    },
    attach(given) {
      attached = attachSignals(database, given);
    },
    detach() {
      attached?.[Symbol.dispose]();
    },
    insert: async (model, values, tx = database.manager) => {
      const instance = Object.assign(new classes[model](), values) as Rows[typeof model];
      await tx.save(instance as object);
      return instance;
    },
    saveUnchanged: (_model, instance) => database.manager.save(instance),
    unchanged: [],
    insertMany: async (model, values, tx = database.manager) => {
      const instances = values.map((each) => Object.assign(new classes[model](), each) as Rows[typeof model]);
      await tx.save(instances as object[]);
      return instances;
    },
    update: (_model, instance, values, tx = database.manager) => tx.save(Object.assign(instance, values)),
    remove: (_model, instance, tx = database.manager) => tx.remove(instance),
    all: async (model, tx = database.manager) => {
      const found: unknown = await tx.find<User | Profile>(classes[model], { order: { id: 'ASC' } });
      return found as Rows[typeof model][];
    },
    transaction: (run, tx = database.manager) => tx.transaction(run),
    bulkUpdate: (model, where, values) => database.manager.update(classes[model], where, values as never),
    bulkDelete: (model, where) => database.manager.delete(classes[model], where),
  };
}

const older = (await import('typeorm-0.3')) as unknown as typeof import('typeorm');
const postgres = await startPostgres();
afterAll(() => postgres.close());
contract('TypeORM 1 on sql.js', harness({ type: 'sqljs' }), harness({ type: 'sqljs' }));
contract('TypeORM 0.3 on sql.js', harness({ type: 'sqljs' }, older));
const onPostgres: DataSourceOptions = { type: 'postgres', url: postgres.url, extra: { max: postgres.connections } };
contract('TypeORM 1 on PostgreSQL', harness(onPostgres));
contract('TypeORM 0.3 on PostgreSQL', harness(onPostgres, older));

let dataSource: DataSource;
let attachment: Disposable | undefined;
async function open(...entities: EntitySchema[]): Promise<DataSource> {
  return new DataSource({
    type: 'sqljs',
    entities: [UserSchema, ProfileSchema, ...entities],
    synchronize: true,
  }).initialize();
}

class Tag {
  id!: number;
  name!: string;
  articles!: Article[];
}
class Comment {
  id!: number;
  text!: string;
  article!: Article | null;
}
class Article {
  id!: number;
  title!: string;
  tags!: Tag[];
  comments!: Comment[];
  deletedAt!: Date | null;
}
class Review extends Article {
  stars!: number;
}
const TagSchema = new EntitySchema<Tag>({
  name: 'Tag',
  target: Tag,
  columns: { id, name: text },
  relations: { articles: { type: 'many-to-many', target: 'Article', inverseSide: 'tags' } },
});
const CommentSchema = new EntitySchema<Comment>({
  name: 'Comment',
  target: Comment,
  columns: { id, text },
  relations: {
    article: { type: 'many-to-one', target: 'Article', inverseSide: 'comments', orphanedRowAction: 'delete' },
  },
});
const ArticleSchema = new EntitySchema<Article>({
  name: 'Article',
  target: Article,
  columns: { id, title: text, deletedAt: { type: 'datetime', deleteDate: true, nullable: true } },
  relations: {
    tags: { type: 'many-to-many', target: 'Tag', inverseSide: 'articles', joinTable: true, cascade: ['insert'] },
    comments: { type: 'one-to-many', target: 'Comment', inverseSide: 'article', cascade: ['insert', 'remove'] },
  },
  inheritance: { pattern: 'STI', column: 'kind' },
});
Object.assign(ArticleSchema.options.columns, { kind: { type: 'text', default: 'Article' } });
const ReviewSchema = new EntitySchema<Review>({
  name: 'Review',
  target: Review,
  type: 'entity-child',
  columns: { stars: { type: Number, nullable: true } },
});

describe('TypeORM', () => {
  const owner = {};
  let log: string[] = [];

  beforeEach(async () => {
    log = [];
    dataSource = await open(TagSchema, CommentSchema, ArticleSchema, ReviewSchema);
    attachment = attachSignals(dataSource);
  });
  afterEach(async () => {
    disconnectReceivers(owner);
    attachment?.[Symbol.dispose]();
    await dataSource.destroy();
  });
  const make = <T extends object>(type: new () => T, values: Partial<T>): T => {
    const instance = new type();
    return Object.assign(instance, values);
  };

  describe('many-to-many', () => {
    beforeEach(() => {
      m2mChanged.connect(
        (sender, { action, instance, model, pkSet, reverse, relation, tx }) => {
          const pks = pkSet === null ? 'null' : [...pkSet].join();
          expect(tx).toBeInstanceOf(EntityManager);
          log.push(
            `${(sender as { name: string }).name} ${String((instance as Article).id)} ${action} ${(model as { name: string }).name} ${pks} ${String(reverse)} ${String(relation)}`,
          );
        },
        { owner },
      );
    });

    test('rows added and removed by save() send m2mChanged, one for each instance', async () => {
      const [a, b] = await dataSource.manager.save([make(Tag, { name: 'a' }), make(Tag, { name: 'b' })]);
      const article = make(Article, { title: 'x' });
      article.tags = [a as Tag, b as Tag];
      await dataSource.manager.save(article);
      expect(log).toEqual(['Article undefined preAdd Tag 1,2 false tags', 'Article 1 postAdd Tag 1,2 false tags']);
      log = [];
      article.tags = [b as Tag];
      await dataSource.manager.save(article);
      expect(log).toEqual(['Article 1 preRemove Tag 1 false tags', 'Article 1 postRemove Tag 1 false tags']);
      log = [];
      await dataSource.manager.save(article);
      expect(log).toEqual([]);
    });

    test('instance is the very object that was saved, also when nothing but the relation changed', async () => {
      const tag = await dataSource.manager.save(make(Tag, { name: 'a' }));
      const article = await dataSource.manager.save(make(Article, { title: 'x', tags: [] }));
      const seen: unknown[] = [];
      m2mChanged.connect((_sender, { instance }) => seen.push(instance), { sender: Article, owner });
      article.tags = [tag];
      await dataSource.manager.save(article);
      expect(seen).toEqual([article, article]);
      expect(seen[0]).toBe(article);
    });

    test('objects that are inserted with them have their ids in postAdd', async () => {
      const article = make(Article, { title: 'x' });
      article.tags = [make(Tag, { name: 'new' })];
      await dataSource.manager.save(article);
      expect(log).toEqual(['Article undefined preAdd Tag  false tags', 'Article 1 postAdd Tag 1 false tags']);
    });

    test('a change from the other side is told as reverse', async () => {
      const article = await dataSource.manager.save(make(Article, { title: 'x' }));
      const tag = make(Tag, { name: 'a' });
      tag.articles = [article];
      await dataSource.manager.save(tag);
      expect(log).toEqual(['Tag undefined preAdd Article 1 true articles', 'Tag 1 postAdd Article 1 true articles']);
    });

    test('a throw keeps neither the rows nor the instance', async () => {
      m2mChanged.connect(
        (_sender, { action }) => {
          if (action === 'postAdd') throw new Error('no');
        },
        { owner },
      );
      const article = make(Article, { title: 'x' });
      article.tags = [make(Tag, { name: 'a' })];
      await expect(dataSource.manager.save(article)).rejects.toThrow('no');
      expect(await dataSource.manager.count(Article)).toBe(0);
      expect(await dataSource.manager.count(Tag)).toBe(0);
    });

    test('relation().add() sends it with what it knows, the ids; junction rows are no saves there either', async () => {
      const [a, b] = await dataSource.manager.save([make(Tag, { name: 'a' }), make(Tag, { name: 'b' })]);
      const article = await dataSource.manager.save(make(Article, { title: 'x' }));
      postSave.connect(() => log.push('postSave'), { owner });
      await dataSource.createQueryBuilder().relation(Article, 'tags').of(article).add([a, b]);
      expect(log).toEqual(['Article 1 preAdd Tag 1,2 false tags', 'Article 1 postAdd Tag 1,2 false tags']);
      expect(await dataSource.manager.find(Article, { relations: { tags: true } })).toMatchObject([
        { tags: [{ id: 1 }, { id: 2 }] },
      ]);
    });

    test('deleting an object sends none, as in Django', async () => {
      const article = make(Article, { title: 'x' });
      article.tags = [make(Tag, { name: 'a' })];
      await dataSource.manager.save(article);
      log = [];
      await dataSource.manager.remove(article);
      expect(log).toEqual([]);
    });

    test('junction rows send no save or delete signals', async () => {
      for (const signal of [preSave, postSave, preDelete, postDelete]) {
        (signal.connect as (receiver: (sender: unknown) => void, options: object) => void)(
          (sender) => log.push(`${signal.name} ${(sender as { name: string }).name}`),
          { owner },
        );
      }
      const article = make(Article, { title: 'x' });
      article.tags = [make(Tag, { name: 'a' })];
      await dataSource.manager.save(article);
      await dataSource.manager.remove(article);
      expect(log.filter((each) => !each.includes('Add'))).toEqual([
        'preSave Article',
        'preSave Tag',
        'postSave Article',
        'postSave Tag',
        'preDelete Article',
        'postDelete Article',
      ]);
    });
  });

  describe('soft removal', () => {
    test('and recovery are saves of the delete date: the row is still there', async () => {
      const article = await dataSource.manager.save(make(Article, { title: 'x' }));
      preSave.connect(
        (_sender, { created, updateFields }) =>
          log.push(`preSave ${String(created)} ${[...(updateFields ?? [])].join()}`),
        { sender: Article, owner },
      );
      postSave.connect(
        (_sender, { instance, created, updateFields, changes }) => {
          const { from, to } = changes?.deletedAt ?? {};
          log.push(
            `postSave ${String(instance.id)} ${String(created)} ${[...(updateFields ?? [])].join()} ${typeof from} ${String(to instanceof Date)}`,
          );
        },
        { sender: Article, owner },
      );
      postDelete.connect(() => log.push('postDelete'), { owner });
      await dataSource.manager.softRemove(article);
      await dataSource.manager.recover(article);
      expect(log).toEqual([
        'preSave false deletedAt',
        'postSave 1 false deletedAt object true',
        'preSave false deletedAt',
        'postSave 1 false deletedAt object false',
      ]);
    });

    test('a throw vetoes it', async () => {
      const article = await dataSource.manager.save(make(Article, { title: 'x' }));
      preSave.connect(() => Promise.reject(new Error('no')), { sender: Article, owner });
      await expect(dataSource.manager.softRemove(article)).rejects.toThrow('no');
      expect(await dataSource.manager.count(Article)).toBe(1);
    });
  });

  describe('deletes', () => {
    test('leave the original without its id, as TypeORM does, and name it as origin', async () => {
      const tag = await dataSource.manager.save(make(Tag, { name: 'a' }));
      postDelete.connect(
        (_sender, { instance, origin }) => {
          expect(instance).toBeInstanceOf(Tag);
          expect(instance).toEqual({ id: 1, name: 'a' });
          expect(origin).toBe(tag);
          log.push('checked');
        },
        { sender: Tag, owner },
      );
      await dataSource.manager.remove(tag);
      expect(log).toEqual(['checked']);
      expect(tag.id).toBeUndefined();
    });

    test('that the ORM cascades send signals, with what was removed as origin', async () => {
      const article = make(Article, { title: 'x' });
      article.comments = [make(Comment, { text: 'a' }), make(Comment, { text: 'b' })];
      await dataSource.manager.save(article);
      for (const signal of [preDelete, postDelete as unknown as typeof preDelete]) {
        signal.connect(
          (_sender, { instance, origin }) =>
            log.push(`${signal.name} ${instance.id} ${instance.text} ${origin === article}`),
          { sender: Comment, owner },
        );
      }
      await dataSource.manager.remove(article);
      expect(log.sort()).toEqual([
        'postDelete 1 a true',
        'postDelete 2 b true',
        'preDelete 1 a true',
        'preDelete 2 b true',
      ]);
    });

    test('of orphaned rows have the whole row as instance', async () => {
      const article = make(Article, { title: 'x' });
      article.comments = [make(Comment, { text: 'orphan' })];
      await dataSource.manager.save(article);
      for (const signal of [preDelete, postDelete as unknown as typeof preDelete]) {
        signal.connect(
          (_sender, { instance, origin }) =>
            log.push(`${signal.name} ${instance.id} ${instance.text} ${origin === article}`),
          { sender: Comment, owner },
        );
      }
      article.comments = [];
      await dataSource.manager.save(article);
      expect(log).toEqual(['preDelete 1 orphan true', 'postDelete 1 orphan true']);
      expect(await dataSource.manager.count(Comment)).toBe(0);
    });
  });

  describe('saves', () => {
    test('that cascade send the signals of each instance', async () => {
      postSave.connect((sender, { created }) => log.push(`${(sender as { name: string }).name} ${String(created)}`), {
        owner,
      });
      const article = make(Article, { title: 'x' });
      article.comments = [make(Comment, { text: 'a' })];
      await dataSource.manager.save(article);
      expect(log).toEqual(['Article true', 'Comment true']);
    });

    test('of an unchanged instance send nothing, as they write nothing', async () => {
      const tag = await dataSource.manager.save(make(Tag, { name: 'a' }));
      postSave.connect(() => log.push('postSave'), { owner });
      await dataSource.manager.save(tag);
      expect(log).toEqual([]);
    });

    test('name a changed relation by its property', async () => {
      const [first, second] = await dataSource.manager.save([
        make(Article, { title: '1' }),
        make(Article, { title: '2' }),
      ]);
      const comment = await dataSource.manager.save(make(Comment, { text: 'c', article: first as Article }));
      postSave.connect(
        (_sender, { updateFields, changes }) =>
          log.push(`${[...(updateFields ?? [])].join()} ${(changes?.article?.to as Article).title}`),
        { sender: Comment, owner },
      );
      comment.article = second as Article;
      await dataSource.manager.save(comment);
      expect(log).toEqual(['article 2']);
    });

    test('of instances that refer to each other, which TypeORM inserts and then updates, are one save each', async () => {
      class Person {
        id!: number;
        best!: Person;
      }
      const PersonSchema = new EntitySchema<Person>({
        name: 'Person',
        target: Person,
        columns: { id },
        relations: { best: { type: 'many-to-one', target: 'Person', cascade: true, nullable: true } },
      });
      const queries: string[] = [];
      const people = await open(PersonSchema);
      people.subscribers.push({ beforeQuery: ({ query }) => void queries.push(query) });
      using attached = attachSignals(people);
      postSave.connect((_sender, { created }) => log.push(`created ${created}`), { sender: Person, owner });
      const [a, b] = [new Person(), new Person()];
      Object.assign(a, { best: b });
      Object.assign(b, { best: a });
      await people.manager.save(a);
      expect(queries.filter((query) => query.startsWith('UPDATE'))).toHaveLength(1);
      expect(log).toEqual(['created true', 'created true']);
      expect(attached).toBeDefined();
      await people.destroy();
    });

    test('of a child class have the child as sender; `subclasses` hears it at the base', async () => {
      postSave.connect((sender) => log.push(`base ${(sender as { name: string }).name}`), { sender: Article, owner });
      postSave.connect((sender) => log.push(`subclasses ${sender.name}`), { sender: Article, subclasses: true, owner });
      await dataSource.manager.save(make(Review, { title: 'r', stars: 5 }));
      expect(log).toEqual(['subclasses Review']);
    });

    test('at the same time on one connection do not wait for each other: a receiver may wait for the other one', async () => {
      let release = (): void => undefined;
      const saved = new Promise<void>((resolve) => (release = resolve));
      postSave.connect(
        (_sender, { instance }) => {
          if (instance.name === 'b') release();
          return instance.name === 'a' ? saved : undefined;
        },
        { sender: Tag, owner },
      );
      await dataSource.transaction((tx) => Promise.all(['a', 'b'].map((name) => tx.save(make(Tag, { name })))));
      expect(await dataSource.manager.count(Tag)).toBe(2);
    });

    test('without a transaction call onCommit at once', async () => {
      postSave.connect(
        (_sender, { onCommit }) => {
          onCommit(() => log.push('at once'));
          log.push('after');
        },
        { sender: Tag, owner },
      );
      await dataSource.manager.save(make(Tag, { name: 'a' }), { transaction: false });
      expect(log).toEqual(['at once', 'after']);
    });

    test('with { listeners: false } are not seen', async () => {
      postSave.connect(() => log.push('postSave'), { owner });
      await dataSource.manager.save(make(Tag, { name: 'a' }), { listeners: false });
      expect(log).toEqual([]);
    });
  });

  describe('insert()', () => {
    test('is a save of each row: an instance is made, and what preSave changes is inserted', async () => {
      preSave.connect(
        (_sender, { instance, created }) => {
          expect(instance).toBeInstanceOf(Tag);
          log.push(`preSave ${instance.name} ${String(created)}`);
          instance.name = instance.name.toUpperCase();
        },
        { sender: Tag, owner },
      );
      postSave.connect(
        (_sender, { instance, created }) =>
          log.push(`postSave ${String(instance.id)} ${instance.name} ${String(created)}`),
        { sender: Tag, owner },
      );
      await dataSource.manager.insert(Tag, { name: 'a' });
      await dataSource.createQueryBuilder().insert().into(Tag).values({ name: 'b' }).execute();
      expect(log).toEqual(['preSave a true', 'postSave 1 A true', 'preSave b true', 'postSave 2 B true']);
      expect((await dataSource.manager.find(Tag)).map(({ name }) => name)).toEqual(['A', 'B']);
    });

    test('is prevented by a throw of preSave', async () => {
      preSave.connect(() => Promise.reject(new Error('no')), { sender: Tag, owner });
      await expect(dataSource.manager.insert(Tag, { name: 'a' })).rejects.toThrow('no');
      expect(await dataSource.manager.count(Tag)).toBe(0);
    });
  });

  describe('query builders and bulk methods', () => {
    test('send postBulk with the condition, the values and the count', async () => {
      postBulk.connect(
        (sender, { operation, where, values, count, tx }) => {
          expect(tx).toBeInstanceOf(EntityManager);
          log.push(
            `${(sender as { name: string }).name} ${operation} ${JSON.stringify(where)} ${JSON.stringify(values)} ${String(count)}`,
          );
        },
        { owner },
      );
      const { manager } = dataSource;
      await manager.save([make(Tag, { name: 'a' }), make(Tag, { name: 'b' }), make(Article, { title: 'x' })]);
      await manager.update(Tag, { name: 'a' }, { name: 'c' });
      await manager.getRepository(Tag).update(1, { name: 'd' });
      await manager.createQueryBuilder().update(Tag).set({ name: 'e' }).where('name = :name', { name: 'd' }).execute();
      await manager.increment(Tag, { name: 'b' }, 'id', 10);
      await manager.upsert(Tag, { id: 1, name: 'up' }, ['id']);
      await manager.softDelete(Article, { title: 'x' });
      await manager.restore(Article, { title: 'x' });
      await manager.delete(Tag, { name: 'up' });
      await manager.createQueryBuilder().delete().from(Tag).where('id > 5').execute();
      expect(log).toEqual([
        'Tag update {"name":"a"} {"name":"c"} 1',
        'Tag update 1 {"name":"d"} 1',
        expect.stringMatching(/^Tag update \[\{.*name = :name.*\{"name":"e"\} 1$/),
        'Tag update {"name":"b"} {} 1',
        expect.stringMatching(/^Tag upsert undefined .*"name":"up"/),
        expect.stringMatching(/^Article update \{"title":"x"\} .* 1$/),
        expect.stringMatching(/^Article update \{"title":"x"\} .* 1$/),
        'Tag delete {"name":"up"} undefined 1',
        expect.stringMatching(/^Tag delete \[.*id > 5.* 1$/),
      ]);
    });

    test('a throwing postBulk receiver propagates; in a transaction nothing is kept', async () => {
      await dataSource.manager.save(make(Tag, { name: 'a' }));
      postBulk.connect(() => Promise.reject(new Error('no')), { sender: Tag, owner });
      await expect(dataSource.transaction((tx) => tx.update(Tag, { name: 'a' }, { name: 'b' }))).rejects.toThrow('no');
      expect(await dataSource.manager.findOneBy(Tag, {})).toMatchObject({ name: 'a' });
    });

    test('postBulk has onCommit and afterCommit', async () => {
      postBulk.connect((_sender, { operation }) => log.push(`after commit ${operation}`), {
        sender: Tag,
        owner,
        afterCommit: true,
      });
      await dataSource.transaction(async (tx) => {
        await tx.update(Tag, { name: 'a' }, { name: 'b' });
        log.push('inside');
      });
      await dataSource
        .transaction((tx) => tx.update(Tag, { name: 'a' }, { name: 'b' }).then(() => Promise.reject(new Error('no'))))
        .catch(() => undefined);
      expect(log).toEqual(['inside', 'after commit update']);
    });

    test('told to call no listeners are not seen', async () => {
      postBulk.connect(() => log.push('postBulk'), { owner });
      await dataSource
        .createQueryBuilder()
        .update(Tag)
        .set({ name: 'a' })
        .where('1 = 1')
        .callListeners(false)
        .execute();
      expect(log).toEqual([]);
    });
  });

  describe('attachSignals()', () => {
    test('works before initialize(), and after destroy() and initialize() again', async () => {
      const early = new DataSource({ type: 'sqljs', entities: [UserSchema, ProfileSchema], synchronize: true });
      using attached = attachSignals(early, { using: 'early' });
      postSave.connect((_sender, { using }) => log.push(using), { sender: User, owner });
      for (let round = 0; round < 2; round++) {
        await early.initialize();
        await early.manager.save(early.manager.create(User, { name: 'a' }));
        await early.destroy();
      }
      expect(log).toEqual(['early', 'early']);
      expect(attached).toBeDefined();
    });

    test('refuses a second time, wrong options, and what is no DataSource', () => {
      expect(() => attachSignals(dataSource)).toThrow(/already called for this DataSource/);
      expect(() => attachSignals({} as never)).toThrow(/takes a TypeORM DataSource, not \{ +\}/);
      attachment?.[Symbol.dispose]();
      expect(() => attachSignals(dataSource, { bulk: 'loud' } as never)).toThrow(
        /bulk must be one of signal, warn, throw, individual, not "loud"/,
      );
      expect(() => attachSignals(dataSource, { atomic: true } as never)).toThrow(
        /Unknown option "atomic" of attachSignals\(\); it takes bulk, outside, using/,
      );
      expect(() => attachSignals(dataSource, { using: 5 } as never)).toThrow(/using must be a string/);
      attachment = attachSignals(dataSource);
    });

    test('disposed of leaves subscribers and methods of TypeORM as they were', () => {
      attachment?.[Symbol.dispose]();
      const theirs = { afterInsert: () => undefined };
      const methods = () => [
        dataSource.manager.save.name,
        dataSource.createQueryBuilder().update().execute.name,
        Object.getOwnPropertyDescriptor(dataSource, 'subscribers')?.get,
      ];
      const before = methods();
      const array = dataSource.subscribers;
      const again = attachSignals(dataSource);
      dataSource.subscribers.push(theirs);
      again[Symbol.dispose]();
      again[Symbol.dispose]();
      expect(methods()).toEqual(before);
      expect(dataSource.subscribers).toBe(array);
      expect(dataSource.subscribers).toEqual([theirs]);
    });

    test('an app may add subscribers and take them away, while somebody listens and while nobody does', async () => {
      const [first, second] = [
        { afterInsert: () => void log.push('first') },
        { afterInsert: () => void log.push('second') },
      ];
      const save = async (): Promise<string[]> => {
        log.length = 0;
        await dataSource.manager.save(make(Tag, { name: 'a' }));
        return [...log];
      };
      dataSource.subscribers.push(first);
      const connection = postSave.connect(() => void log.push('signal'), { sender: Tag });
      dataSource.subscribers.push(second);
      expect((await save()).sort()).toEqual(['first', 'second', 'signal']);
      dataSource.subscribers.splice(dataSource.subscribers.indexOf(first), 1);
      expect((await save()).sort()).toEqual(['second', 'signal']);
      connection.disconnect();
      expect(await save()).toEqual(['second']);
      dataSource.subscribers.splice(dataSource.subscribers.indexOf(second), 1);
      expect(await save()).toEqual([]);
    });

    test('of two DataSources keeps their transactions apart', async () => {
      const other = await open();
      using attached = attachSignals(other, { using: 'other' });
      postSave.connect(
        async (_sender, { using, onCommit }) => {
          onCommit(() => log.push(`committed ${using}`));
        },
        { sender: User, owner },
      );
      await dataSource.transaction(async (tx) => {
        await tx.save(tx.create(User, { name: 'a' }));
        await other.manager.save(other.manager.create(User, { name: 'b' }));
        expect(log).toEqual(['committed other']);
      });
      expect(log).toEqual(['committed other', 'committed default']);
      await other.destroy();
      expect(attached).toBeDefined();
    });
  });

  test('without receivers adds no query, no transaction and no subscriber call', async () => {
    const queries: string[] = [];
    const spy = { beforeQuery: ({ query }: { query: string }) => void queries.push(query) };
    const write = async (): Promise<string[]> => {
      queries.length = 0;
      const tag = await dataSource.manager.save(make(Tag, { name: 'a' }));
      tag.name = 'b';
      await dataSource.manager.save(tag);
      await dataSource.manager.update(Tag, { name: 'b' }, { name: 'c' });
      await dataSource.manager.remove(tag);
      return queries.map((query) => query.replace(/\d+/g, '?'));
    };
    dataSource.subscribers.push(spy);
    const attached = await write();
    postSave.connect(() => undefined, { sender: User, owner });
    const elsewhere = await write();
    postSave.connect(() => undefined, { sender: Tag, owner });
    postDelete.connect(() => undefined, { sender: Tag, owner });
    preSave.connect(() => undefined, { sender: Tag, owner });
    const withReceivers = await write();
    attachment?.[Symbol.dispose]();
    const detached = await write();
    expect(attached).toEqual(detached);
    expect(elsewhere).toEqual(detached);
    expect(withReceivers).toEqual(detached);
  });
});
