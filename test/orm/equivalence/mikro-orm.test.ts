import { type EntityManager, EntitySchema, type MikroORM } from '@mikro-orm/core';
import { MikroORM as LibsqlOrm } from '@mikro-orm/libsql';
import { expect, test, vi } from 'vitest';
import { postSave } from '../../../src/models.ts';
import { attachSignals } from '../../../src/mikro-orm.ts';
import { equivalence } from '../equivalence.ts';
import { structureOf } from '../structure.ts';
import { mikroOrm } from './mikro-orm.ts';

// MikroORM prints the code that it has made when that is given something impossible.
vi.spyOn(console, 'error').mockImplementation(() => undefined);

equivalence(mikroOrm);

test('what MikroORM hands out looks as it does without signals', async () => {
  class Tag {
    id!: number;
  }
  const properties = { id: { type: 'integer', primary: true }, tags: { kind: 'm:n', entity: () => Tag } };
  const orm = (await LibsqlOrm.init({
    dbName: ':memory:',
    entities: [new EntitySchema<Tag>({ class: Tag, properties })],
    contextName: 'structure',
  })) as unknown as MikroORM;
  await orm.schema.refresh();
  const structures = async (): Promise<unknown[]> => {
    const em = orm.em.fork();
    const entity = em.create(Tag, {} as never);
    await em.flush();
    const query = (em as unknown as { qb(of: unknown): object }).qb(Tag);
    const handle = await em.transactional((tx: EntityManager) => {
      const inner: unknown = tx.getTransactionContext<object>();
      return [tx, inner, (inner as { getExecutor(): object }).getExecutor()];
    });
    const handles = [
      orm,
      orm.em,
      em,
      em.getUnitOfWork(),
      em.getEventManager(),
      em.getConnection(),
      em.getRepository(Tag),
    ];
    return [...handles, entity, query, ...handle].map((each) => structureOf(each));
  };
  const bare = await structures();
  {
    using attachment = attachSignals(orm);
    const connection = postSave.connect(() => undefined);
    const heard = await structures();
    connection.disconnect();
    expect(heard).toEqual(bare);
    expect(await structures()).toEqual(bare);
    expect(attachment).toBeDefined();
  }
  expect(await structures()).toEqual(bare);
  await orm.close();
});
