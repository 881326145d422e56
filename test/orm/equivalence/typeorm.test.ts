import { DataSource } from 'typeorm';
import { expect, test } from 'vitest';
import { postSave } from '../../../src/models.ts';
import { attachSignals } from '../../../src/typeorm.ts';
import { equivalence } from '../equivalence.ts';
import { structureOf } from '../structure.ts';
import { typeorm } from './typeorm.ts';

equivalence(typeorm);

test('what TypeORM hands out looks as it does without signals', async () => {
  const dataSource = await new DataSource({ type: 'sqljs', entities: [], synchronize: true }).initialize();
  const structures = (): unknown[] => {
    const runner = dataSource.createQueryRunner();
    const builder = dataSource.createQueryBuilder();
    const handles = [
      builder.insert(),
      builder.update(),
      builder.delete(),
      builder.softDelete(),
      builder.relation('none'),
    ];
    return [dataSource, dataSource.manager, runner, runner.manager, ...handles].map((handle) => structureOf(handle));
  };
  const bare = structures();
  {
    using attachment = attachSignals(dataSource);
    const connection = postSave.connect(() => undefined);
    await dataSource.transaction((tx) => tx.query('select 1'));
    const heard = structures();
    connection.disconnect();
    expect(heard).toEqual(bare);
    expect(structures()).toEqual(bare);
    expect(attachment).toBeDefined();
  }
  expect(structures()).toEqual(bare);
  await dataSource.destroy();
});
