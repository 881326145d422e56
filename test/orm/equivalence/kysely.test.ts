import { Kysely, SqliteDialect } from 'kysely';
import Sqlite from 'libsql';
import { expect, test } from 'vitest';
import { withSignals } from '../../../src/kysely.ts';
import { equivalence } from '../equivalence.ts';
import { structureOf } from '../structure.ts';
import { kysely } from './kysely.ts';

equivalence(kysely);

test('a wrapped Kysely has what the bare one has', async () => {
  const bare = new Kysely<never>({ dialect: new SqliteDialect({ database: new Sqlite(':memory:') }) });
  expect(structureOf(withSignals(bare))).toEqual(structureOf(bare));
  await bare.destroy();
});
