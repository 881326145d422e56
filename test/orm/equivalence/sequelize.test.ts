import { Model, Sequelize, Transaction } from 'sequelize';
import { expect, test } from 'vitest';
import { attachSignals } from '../../../src/sequelize.ts';
import { sqlite3 } from '../../support/sqlite3.ts';
import { equivalence } from '../equivalence.ts';
import { structureOf } from '../structure.ts';
import { sequelize } from './sequelize.ts';

equivalence(sequelize);

test('what signals are attached to keeps its methods, with their names and arities', async () => {
  const database = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, storage: ':memory:', logging: false });
  class User extends Model {}
  User.init({}, { sequelize: database });
  const structure = () => ({
    ...structureOf(User.build({})),
    ...structureOf({ User }, { depth: 2 }),
    ...structureOf({ transaction: Transaction.prototype }, { depth: 2 }),
  });
  const bare = structure();
  const attached = attachSignals(database);
  expect(structure()).toEqual(bare);
  attached[Symbol.dispose]();
  await database.close();
});
