/** What real use of TypeORM has found: each test is one case of a kind. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource, type DataSourceOptions, DeleteResult, EntitySchema, In, UpdateResult } from 'typeorm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers } from '../../src/index.ts';
import {
  type AdapterOptions,
  attachSignals,
  m2mChanged,
  postBulk,
  postDelete,
  postSave,
  preSave,
} from '../../src/typeorm.ts';
import { type FreshDatabase, freshDatabase } from '../support/databases.ts';

const id = { type: Number, primary: true, generated: 'increment' } as const;
const text = { type: 'varchar', length: 50 } as const;

class Owner {
  id!: number;
  name!: string;
}
class Task {
  id!: number;
  title!: string;
  secret!: string | null;
  ownerId!: number | null;
  owner!: Owner | null;
  labels!: Label[];
  version!: number;
  deletedAt!: Date | null;
}
class Label {
  id!: number;
  code!: string;
}
class Strict {
  id!: number;
  note: string | null = 'of the class';
  constructor(given: { name: string }) {
    this.note = given.name;
  }
}
const ENTITIES = [
  new EntitySchema<Owner>({ name: 'Owner', target: Owner, columns: { id, name: text } }),
  new EntitySchema<Label>({ name: 'Label', target: Label, columns: { id, code: { ...text, unique: true } } }),
  new EntitySchema<Strict>({ name: 'Strict', target: Strict, columns: { id, note: { ...text, nullable: true } } }),
  new EntitySchema<Task>({
    name: 'Task',
    target: Task,
    columns: {
      id,
      title: { ...text, default: 'untitled' },
      secret: { ...text, nullable: true, update: false },
      ownerId: { type: Number, nullable: true },
      version: { type: Number, version: true },
      deletedAt: { type: Date, deleteDate: true },
    },
    relations: {
      owner: { type: 'many-to-one', target: 'Owner', nullable: true, joinColumn: { name: 'ownerId' } },
      labels: {
        type: 'many-to-many',
        target: 'Label',
        joinTable: { inverseJoinColumn: { name: 'labelCode', referencedColumnName: 'code' } },
      },
    },
  }),
];

let dataSource: DataSource;
let attachment: Disposable;
let owner = {};
let log: string[] = [];
const cleanups: (() => unknown)[] = [];

async function open(options: DataSourceOptions, adapterOptions?: AdapterOptions): Promise<void> {
  const all = { ...options, entities: ENTITIES, entitySkipConstructor: true, synchronize: true } as DataSourceOptions;
  dataSource = await new DataSource(all).initialize();
  attachment = attachSignals(dataSource, adapterOptions);
}
afterEach(async () => {
  disconnectReceivers(owner);
  attachment[Symbol.dispose]();
  await dataSource.destroy();
  for (const cleanup of cleanups.splice(0)) await cleanup();
  owner = {};
  log = [];
});
const task = (values: Partial<Task> = {}): Task => Object.assign(new Task(), values);

describe('on sql.js', () => {
  beforeEach(() => open({ type: 'sqljs' }));

  test('what a receiver asks for late, when a sibling has rolled back, is dropped; onRollback hears it', async () => {
    postSave.connect(() => sleep(20), { sender: Task, owner });
    postSave.connect(() => void log.push('not reached'), { sender: Task, owner });
    postSave.connect(() => void log.push('afterCommit'), { sender: Task, owner, afterCommit: true });
    preSave.connect(
      (_sender, { onCommit, onRollback }) => {
        setTimeout(() => {
          onCommit(() => log.push('onCommit'));
          onRollback(() => log.push('onRollback'));
        }, 30);
      },
      { sender: Task, owner },
    );
    const sibling = sleep(5).then(() => Promise.reject(new Error('declined')));
    await expect(dataSource.transaction((tx) => Promise.all([tx.save(task()), sibling]))).rejects.toThrow('declined');
    await sleep(60);
    expect(log).toEqual(['onRollback']);
    expect(await dataSource.manager.count(Task)).toBe(0);
  });

  test('onCommit runs also if the only receiver is gone by then: once, disconnected, in a transaction by hand', async () => {
    const listen = (once: boolean) =>
      postSave.connect((_sender, { onCommit }) => onCommit(() => log.push('committed')), { sender: Task, owner, once });
    listen(true);
    await dataSource.manager.save(task());
    const connection = listen(false);
    await dataSource.transaction(async (tx) => {
      await tx.save(task());
      connection.disconnect();
    });
    expect(log).toEqual(['committed', 'committed']);
    const other = listen(false);
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.manager.save(task());
    other.disconnect();
    await runner.commitTransaction();
    expect(log).toHaveLength(3);
  });

  test('a transaction that has begun while nobody listened is one, too', async () => {
    const runner = dataSource.createQueryRunner();
    const early = preSave.connect(() => undefined, { sender: Task, owner });
    dataSource.subscribers.push({ beforeTransactionStart: () => void early.disconnect() });
    await runner.startTransaction();
    postSave.connect((_sender, { onCommit }) => onCommit(() => log.push('committed')), { sender: Task, owner });
    await runner.manager.save(task());
    expect(log).toEqual([]);
    await runner.commitTransaction();
    expect(log).toEqual(['committed']);
    dataSource.subscribers.pop();
  });

  test('a transaction that is begun and ended with query() is one, too', async () => {
    postSave.connect((_sender, { onCommit }) => onCommit(() => log.push('committed')), { sender: Owner, owner });
    const runner = dataSource.createQueryRunner();
    for (const end of ['rollback', 'COMMIT;']) {
      await runner.query('begin');
      await runner.manager.insert(Owner, { name: 'ada' });
      expect(log).toEqual([]);
      await runner.query(end);
    }
    expect(log).toEqual(['committed']);
  });

  test('savepoints by hand that are released in another order than they were set are followed as the database does', async () => {
    postSave.connect((_sender, { instance, onCommit }) => onCommit(() => log.push(instance.name)), {
      sender: Owner,
      owner,
    });
    await dataSource.transaction(async (tx) => {
      const runner = tx.queryRunner;
      await runner?.query('savepoint a');
      await tx.insert(Owner, { name: 'in a' });
      await runner?.query('savepoint b');
      await tx.insert(Owner, { name: 'in b' });
      await runner?.query('rollback to savepoint a');
      await tx.insert(Owner, { name: 'after' });
      await runner?.query('release savepoint a');
    });
    expect(log).toEqual(['after']);
    expect(await dataSource.manager.find(Owner)).toMatchObject([{ name: 'after' }]);
  });

  test('130,000 callbacks run after one commit', async () => {
    let ran = 0;
    postSave.connect(
      (_sender, { onCommit }) => {
        const callback = (): number => ran++;
        for (let each = 0; each < 130_000; each++) onCommit(callback);
      },
      { sender: Task, owner },
    );
    await dataSource.manager.save(task());
    expect(ran).toBe(130_000);
  });

  describe('updateFields and changes', () => {
    const listen = (): void => {
      postSave.connect(
        (_sender, { updateFields, changes }) => {
          log.push(JSON.stringify([[...(updateFields ?? [])], changes]));
        },
        { sender: Task, owner },
      );
    };

    test('name a foreign key that is set by its own column, and the version', async () => {
      const { id: ownerId } = await dataSource.manager.save(Object.assign(new Owner(), { name: 'ada' }));
      const saved = await dataSource.manager.save(task());
      listen();
      await dataSource.manager.save(Object.assign(saved, { ownerId }));
      expect(log).toEqual([
        JSON.stringify([['ownerId', 'version'], { ownerId: { from: null, to: ownerId }, version: { from: 1, to: 2 } }]),
      ]);
    });

    test('say null, and not { id: null }, of a relation to nothing', async () => {
      const ada = await dataSource.manager.save(Object.assign(new Owner(), { name: 'ada' }));
      const saved = await dataSource.manager.save(task());
      listen();
      delete (saved as Partial<Task>).ownerId;
      await dataSource.manager.save(Object.assign(saved, { owner: ada }));
      const [, changes] = JSON.parse(log[0] ?? '') as [string[], { owner: object }];
      expect(changes.owner).toEqual({ from: null, to: { id: 1, name: 'ada' } });
    });

    test('leave out a column that TypeORM does not update', async () => {
      const saved = await dataSource.manager.save(task({ secret: 'a' }));
      listen();
      await dataSource.manager.save(Object.assign(saved, { title: 'new', secret: 'b' }));
      expect(log[0]).not.toContain('secret');
      expect(await dataSource.manager.findOneBy(Task, {})).toMatchObject({ title: 'new', secret: 'a' });
    });
  });

  describe('insert()', () => {
    test('does not call the constructor of a plain row, nor does its instance have what that sets', async () => {
      const seen: unknown[] = [];
      postSave.connect((_sender, { instance }) => seen.push(Object.assign({}, instance)), { sender: Strict, owner });
      const result = await dataSource.manager.insert(Strict, {});
      expect(result.identifiers).toEqual([{ id: 1 }]);
      expect(seen).toEqual([{ id: 1 }]);
    });

    test('of several rows keeps none when a receiver throws, and runs nothing', async () => {
      postSave.connect(
        (_sender, { instance, onCommit, onRollback }) => {
          onCommit(() => log.push(`mail to ${instance.name}`));
          onRollback(() => log.push(`no ${instance.name}`));
          if (instance.name === 'b') throw new Error('no b');
        },
        { sender: Owner, owner },
      );
      const rows = ['a', 'b', 'c'].map((name) => ({ name }));
      await expect(dataSource.manager.insert(Owner, rows)).rejects.toThrow('no b');
      expect(await dataSource.manager.count(Owner)).toBe(0);
      expect(log).toEqual(['no a', 'no b']);
    });
  });

  describe('m2mChanged', () => {
    beforeEach(async () => {
      await dataSource.manager.save([1, 2].map((each) => Object.assign(new Label(), { code: `c${String(each)}` })));
      m2mChanged.connect(
        (_sender, { action, instance, pkSet }) => log.push(`${action} ${instance.title} ${[...(pkSet ?? [])].join()}`),
        { sender: Task, owner },
      );
    });

    test('of a junction that refers to a column that is no primary key', async () => {
      const labels = await dataSource.manager.find(Label);
      await dataSource.manager.save(task({ title: 't', labels }));
      expect(log).toEqual(['preAdd t 1,2', 'postAdd t 1,2']);
    });

    test('of a plain object that is saved as an entity', async () => {
      const labels = await dataSource.manager.find(Label);
      const given = { title: 'plain', labels };
      await dataSource.getRepository(Task).save(given);
      expect(log).toEqual(['preAdd plain 1,2', 'postAdd plain 1,2']);
    });
  });

  test('a receiver that writes through the DataSource does so in the only connection, and is not warned of', async () => {
    attachment[Symbol.dispose]();
    attachment = attachSignals(dataSource, { outside: 'throw' });
    postSave.connect(() => dataSource.manager.save(Object.assign(new Owner(), { name: 'x' })), { sender: Task, owner });
    await dataSource.manager.save(task());
    expect(await dataSource.manager.count(Owner)).toBe(1);
  });

  test.each(['closure-table', 'materialized-path', 'nested-set'] as const)(
    'an instance of a tree (%s) that is saved, moved and removed is no bulk write of anything',
    async (type) => {
      class Node {
        id!: number;
        name!: string;
        parent?: Node;
      }
      const schema = new EntitySchema<Node>({
        name: 'Node',
        target: Node,
        trees: [{ type }],
        columns: { id, name: text },
        relations: {
          parent: { type: 'many-to-one', target: 'Node', treeParent: true, inverseSide: 'children' },
          children: { type: 'one-to-many', target: 'Node', treeChildren: true, inverseSide: 'parent' },
        } as never,
      });
      const trees = await new DataSource({ type: 'sqljs', entities: [schema], synchronize: true }).initialize();
      cleanups.push(() => trees.destroy());
      using attachment = attachSignals(trees, { bulk: 'throw' });
      postBulk.connect(() => void log.push('postBulk'), { owner });
      postSave.connect((_sender, { instance, created }) => void log.push(`${instance.name} ${String(created)}`), {
        sender: Node,
        owner,
      });
      postDelete.connect((_sender, { instance }) => void log.push(`- ${instance.name}`), { sender: Node, owner });
      const save = (values: Partial<Node>): Promise<Node> => trees.manager.save(Object.assign(new Node(), values));
      const root = await save({ name: 'root' });
      const child = await save({ name: 'child', parent: root });
      const leaf = await save({ name: 'leaf', parent: child });
      await trees.manager.save(Object.assign(leaf, { parent: root }));
      // TypeORM keeps no nested set when a row is removed.
      if (type !== 'nested-set') await trees.manager.remove(leaf);
      const expected = ['root true', 'child true', 'leaf true', 'leaf false', '- leaf'];
      expect(log).toEqual(type === 'nested-set' ? expected.slice(0, -1) : expected);
      expect(attachment).toBeDefined();
    },
  );

  test('versions and drivers that it was not written for are refused with a sentence, and nothing is attached', () => {
    const builder = { createQueryBuilder: () => undefined };
    const old = Object.create(dataSource, { createQueryBuilder: { value: () => builder } }) as DataSource;
    expect(() => attachSignals(old)).toThrow(
      /^tocsin supports TypeORM from 0\.3\.20 on, and 1\.x; this DataSource lacks/,
    );
    const mongo = Object.create(dataSource, { options: { value: { type: 'mongodb' } } }) as DataSource;
    expect(() => attachSignals(mongo)).toThrow(/is for SQL databases/);
    expect(() => attachSignals(dataSource, { outside: 'loud' } as never)).toThrow(/outside must be one of warn, throw/);
  });

  test.each([
    ['QueryRunner.transactionDepth', { transactionDepth: undefined }],
    ['QueryRunner.isReleased', { isReleased: () => false }],
    ['QueryRunner.broadcaster.isAllowedSubscriber()', { broadcaster: { isAllowedSubscriber: () => true } }],
  ])('a TypeORM whose %s is another is refused with a sentence, and nothing is attached', (name, changed) => {
    attachment[Symbol.dispose]();
    const { driver } = dataSource;
    const changing = (): unknown => Object.defineProperties(driver.createQueryRunner('master'), valuesOf(changed));
    const stranger = Object.create(dataSource, {
      driver: { value: Object.create(driver, { createQueryRunner: { value: changing } }) as unknown },
    }) as DataSource;
    const { subscribers } = dataSource;
    let message = '';
    try {
      attachSignals(stranger);
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      ({ message } = error as Error);
    }
    expect(message).toMatch(
      /^tocsin\/typeorm reads .* of TypeORM, which this version has not, or has otherwise\. Install/,
    );
    expect(message).toContain(name);
    expect(stranger.subscribers).toBe(subscribers);
  });

  test.each(['onIgnore', 'onUpdate', 'wheres', 'valuesSet', 'queryType', 'callListeners'])(
    'a TypeORM whose expressionMap.%s is another is refused with a sentence',
    (name) => {
      /** Its name is read, and never written: as if TypeORM wrote another. */
      const renamed = <T extends object>(builder: T): T => {
        const { expressionMap } = builder as unknown as { expressionMap: object };
        Object.defineProperty(expressionMap, name, { get: () => undefined, set: () => undefined });
        return builder;
      };
      const createQueryBuilder = (runner: never): object => {
        const builder = dataSource.createQueryBuilder(runner);
        return Object.create(builder, {
          insert: { value: () => renamed(builder.insert()) },
          delete: { value: () => renamed(builder.delete()) },
        }) as object;
      };
      Object.defineProperty(createQueryBuilder, 'length', { value: 2 });
      const stranger = Object.create(dataSource, { createQueryBuilder: { value: createQueryBuilder } }) as DataSource;
      expect(() => attachSignals(stranger)).toThrow(`tocsin/typeorm reads expressionMap.${name} of TypeORM, which`);
    },
  );
});

const valuesOf = (values: object): PropertyDescriptorMap =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value: value as unknown }]));

describe("bulk: 'individual'", () => {
  beforeEach(async () => {
    await open({ type: 'sqljs' }, { bulk: 'individual' });
    await dataSource.manager.save(['a', 'b', 'c'].map((title) => task({ title })));
    const note = (name: string) => (_sender: unknown, args: { instance: Task; updateFields?: unknown }) => {
      log.push(`${name} ${args.instance.title}`);
    };
    preSave.connect(note('preSave'), { sender: Task, owner });
    postSave.connect(note('postSave'), { sender: Task, owner });
    postDelete.connect(note('postDelete'), { sender: Task, owner });
  });
  const titles = async (): Promise<string[]> =>
    (await dataSource.manager.find(Task, { order: { id: 'ASC' }, withDeleted: true })).map(({ title }) => title);

  test.each([[[]], [{}], [null], [undefined], [''], [{ title: null }], [{ id: undefined }]])(
    'leaves the criterion %j to TypeORM, and deletes nothing',
    async (criterion) => {
      await expect(dataSource.manager.delete(Task, criterion as never)).rejects.toThrow();
      expect(await titles()).toEqual(['a', 'b', 'c']);
    },
  );

  test("gives TypeORM's own results", async () => {
    const { manager } = dataSource;
    const updated = await manager.update(Task, { title: In(['a', 'b']) }, { title: 'x' });
    expect(updated).toBeInstanceOf(UpdateResult);
    expect(updated.affected).toBe(2);
    expect(log).toEqual(['preSave x', 'preSave x', 'postSave x', 'postSave x']);
    const deleted = await manager.delete(Task, [1, 99]);
    expect(deleted).toBeInstanceOf(DeleteResult);
    expect(deleted.affected).toBe(1);
    expect(await titles()).toEqual(['x', 'c']);
  });

  test('what a receiver changes on one row is written to that row alone', async () => {
    preSave.connect(
      (_sender, { instance }) => {
        if (instance.id === 2) instance.title = 'changed';
      },
      { sender: Task, owner },
    );
    await dataSource.manager.update(Task, [1, 2, 3], { title: 'new' });
    expect(await titles()).toEqual(['new', 'changed', 'new']);
  });

  test('opens no column that TypeORM does not update, and fails as it does', async () => {
    preSave.connect((_sender, { instance }) => void (instance.secret = 'opened'), { sender: Task, owner });
    await expect(dataSource.manager.update(Task, 1, { secret: 'b' })).rejects.toThrow('Cannot perform update query');
    preSave.connect(() => void log.push('sent'), { sender: Owner, owner });
    await expect(dataSource.manager.update(Owner, 1, {})).rejects.toThrow('Cannot perform update query');
    await dataSource.manager.update(Task, 1, { title: 'new' });
    expect(await dataSource.manager.findOneBy(Task, { id: 1 })).toMatchObject({ title: 'new', secret: null });
  });

  test('reaches soft-deleted rows, as the statement does, and knows what the database has computed', async () => {
    const changes: unknown[] = [];
    await dataSource.manager.softDelete(Task, 1);
    postSave.connect((_sender, args) => changes.push(args.changes), { sender: Task, owner });
    const { affected } = await dataSource.manager.update(Task, 1, { title: 'new' });
    expect(affected).toBe(1);
    expect(changes).toEqual([{ title: { from: 'a', to: 'new' }, version: { from: 2, to: 3 } }]);
    log = [];
    expect((await dataSource.manager.restore(Task, [1, 2])).affected).toBe(1);
    expect(log).toEqual(['preSave new', 'postSave new']);
    expect(changes.at(-1)).toMatchObject({ deletedAt: { to: null } });
  });

  test('a throw after the write keeps nothing of it', async () => {
    postSave.connect(() => Promise.reject(new Error('no')), { sender: Task, owner });
    await expect(dataSource.manager.update(Task, [1, 2], { title: 'new' })).rejects.toThrow('no');
    expect(await titles()).toEqual(['a', 'b', 'c']);
  });
});

describe.skipIf(process.env.DATABASE_URL === undefined)('on PostgreSQL', () => {
  let database: FreshDatabase;
  const openPool = async (max: number, options?: AdapterOptions): Promise<void> => {
    database = await freshDatabase('postgres', 'typeorm_faults');
    cleanups.push(() => database.drop());
    await open({ type: 'postgres', url: database.url, extra: { max } }, options);
  };

  test('what waits for a query runner of the app runs after release(), and commitTransaction() does not wait', async () => {
    await openPool(2);
    const context = new AsyncLocalStorage<number>();
    postSave.connect(
      async (_sender, { instance }) => {
        await dataSource.getRepository(Owner).save({ name: instance.title });
        log.push(`${instance.title} ${String(context.getStore())}`);
      },
      { sender: Task, owner, afterCommit: true },
    );
    const request = async (number: number): Promise<void> => {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      try {
        await context.run(number, () => runner.manager.save(task({ title: `t${String(number)}` })));
        await runner.commitTransaction();
        expect(log).not.toContain(`t${String(number)} ${String(number)}`);
      } finally {
        await runner.release();
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, number) => request(number)));
    await expect.poll(() => [...log].sort()).toEqual(Array.from({ length: 6 }, (_, n) => `t${String(n)} ${String(n)}`));
  });

  test('a COMMIT that is answered with ROLLBACK runs nothing; a save that TypeORM has wrapped rejects', async () => {
    await openPool(2);
    await dataSource.manager.insert(Label, { code: 'there' });
    postSave.connect(
      async (_sender, { tx, onCommit, onRollback }) => {
        await tx.insert(Label, { code: 'there' }).catch(() => undefined);
        onCommit(() => log.push('onCommit'));
        onRollback(() => log.push('onRollback'));
      },
      { sender: Task, owner },
    );
    await expect(dataSource.manager.save(task())).rejects.toThrow('Nothing was written');
    await expect(dataSource.manager.insert(Task, [{}, {}])).rejects.toThrow();
    log = [];
    expect(await dataSource.transaction((tx) => tx.save(task()).then(() => 'resolved'))).toBe('resolved');
    expect(log).toEqual(['onRollback']);
    expect(await dataSource.manager.count(Task)).toBe(0);
  });

  test('a write outside the transaction is refused when the pool is full, and does not hang it', async () => {
    await openPool(2);
    postSave.connect((_sender, { instance }) => dataSource.getRepository(Owner).save({ name: instance.title }), {
      sender: Task,
      owner,
    });
    const saves = Array.from({ length: 4 }, () => dataSource.manager.save(task()));
    const outcomes = await Promise.allSettled(saves);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(String(outcome.reason)).toContain('every connection of the pool is taken');
    }
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
    expect(await dataSource.query('select 1 as one')).toEqual([{ one: 1 }]);
  });

  test('a pool that does not tell whether it is full is refused with a sentence, unless nobody asks', async () => {
    await openPool(2);
    attachment[Symbol.dispose]();
    const { master } = dataSource.driver as unknown as { master: object };
    Object.defineProperty(master, 'totalCount', { value: undefined, configurable: true });
    expect(() => attachSignals(dataSource)).toThrow(
      /^tocsin\/typeorm reads totalCount of the pool of pg, which has no/,
    );
    attachment = attachSignals(dataSource, { outside: 'ignore' });
    Reflect.deleteProperty(master, 'totalCount');
  });

  test("outside: 'throw' refuses it whatever the pool, also of models nobody listens to; tx is inside", async () => {
    await openPool(4, { outside: 'throw' });
    const writes: ((title: string) => Promise<unknown>)[] = [
      (name) => dataSource.manager.save(Object.assign(new Owner(), { name })),
      (name) => dataSource.getRepository(Owner).insert({ name }),
      (name) => dataSource.manager.update(Owner, 1, { name }),
      () => dataSource.manager.clear(Owner),
      (name) => dataSource.createQueryBuilder().update(Owner).set({ name }).execute(),
      () => dataSource.transaction(() => Promise.resolve()),
    ];
    let write: (title: string) => Promise<unknown> = () => Promise.resolve();
    postSave.connect((_sender, { instance }) => write(instance.title), { sender: Task, owner });
    for (write of writes) await expect(dataSource.manager.save(task())).rejects.toThrow("(outside: 'throw')");
    disconnectReceivers(owner);
    postSave.connect((_sender, { tx }) => tx.insert(Owner, { name: 'inside' }), { sender: Task, owner });
    await dataSource.manager.save(task());
    expect(await dataSource.manager.count(Owner)).toBe(1);
  });

  test("bulk: 'individual' in an aborted transaction calls the subscribers that the statement calls, and fails as it does", async () => {
    await openPool(2, { bulk: 'individual' });
    postDelete.connect(() => void log.push('postDelete'), { sender: Task, owner });
    dataSource.subscribers.push({ beforeRemove: () => void log.push('beforeRemove') });
    const deleted = dataSource.transaction(async (tx) => {
      await tx.query('select nothing').catch(() => undefined);
      await tx.delete(Task, [1]);
    });
    await expect(deleted).rejects.toMatchObject({ code: '25P02', query: expect.stringMatching(/^DELETE/) as string });
    expect(log).toEqual(['beforeRemove']);
  });

  test("bulk: 'individual' reads the primary, and not a replica that has not got the row yet", async () => {
    database = await freshDatabase('postgres', 'typeorm_faults');
    const replica = await freshDatabase('postgres', 'typeorm_faults_replica');
    cleanups.push(() => database.drop());
    cleanups.push(() => replica.drop());
    const behind = new DataSource({
      type: 'postgres',
      url: replica.url,
      entities: ENTITIES,
      entitySkipConstructor: true,
      synchronize: true,
    });
    await (await behind.initialize()).destroy();
    const replication = { master: { url: database.url }, slaves: [{ url: replica.url }] };
    await open({ type: 'postgres', replication }, { bulk: 'individual' });
    postSave.connect((_sender, { instance }) => void log.push(instance.title), { sender: Task, owner });
    await dataSource.manager.insert(Task, { title: 'a' });
    const result = await dataSource.manager.update(
      Task,
      { title: 'a' },
      { title: 'b' },
      { returning: ['id', 'title'] },
    );
    expect(result).toMatchObject({ affected: 1, raw: [{ id: 1, title: 'b' }] });
    expect(log).toEqual(['a', 'b']);
  });
});
