/**
 * Row 9: what a save with TypeORM on sql.js costs: without the adapter, with it and no receiver, with a receiver, with
 * an async one. In one process and in turns, save by save, for their difference is small: paired differences, with the
 * interval in which 95 % of means would lie.
 */
import 'reflect-metadata';
import { DataSource, EntitySchema } from 'typeorm';
import { postSave } from '../../dist/index.js';
import { attachSignals } from '../../dist/typeorm.js';

const BLOCK = 20;
const ROUNDS = 400;

class Base {
  name = 'ada';
}
const kinds = {
  'nobody listens': ['no adapter', 'no adapter again', 'adapter, no receiver'],
  'some listen': [
    'no adapter',
    'no adapter again',
    'adapter, receivers of another model',
    'adapter, a receiver',
    'adapter, an async receiver',
  ],
};

async function prepare(kind) {
  class Customer extends Base {}
  const schema = new EntitySchema({
    name: 'Customer',
    target: Customer,
    columns: { id: { type: Number, primary: true, generated: true }, name: { type: String } },
  });
  let queries = 0;
  const logger = {
    logQuery() {
      queries++;
    },
    logQueryError() {},
    logQuerySlow() {},
    logSchemaBuild() {},
    logMigration() {},
    log() {},
  };
  const dataSource = await new DataSource({
    type: 'sqljs',
    entities: [schema],
    synchronize: true,
    logging: true,
    logger,
  }).initialize();
  if (kind.startsWith('adapter')) attachSignals(dataSource);
  let heard = 0;
  if (kind === 'adapter, a receiver')
    postSave.connect(
      () => {
        heard++;
      },
      { sender: Customer },
    );
  if (kind === 'adapter, an async receiver')
    postSave.connect(
      async () => {
        heard++;
      },
      { sender: Customer },
    );
  const repository = dataSource.getRepository(Customer);
  return {
    kind,
    save: () => repository.save(new Customer()),
    queries: () => queries,
    heard: () => heard,
    clear: () => repository.clear(),
  };
}

export const contenders = Object.fromEntries(
  Object.entries(kinds).map(([name, each]) => [name, async () => Promise.all(each.map(prepare))]),
);

export async function measure(subjects) {
  const saved = subjects.map(() => 0);
  const times = subjects.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    // another order each round: none is always first after the others' garbage
    for (let turn = 0; turn < subjects.length; turn++) {
      const index = (turn + round) % subjects.length;
      const { save, clear } = subjects[index];
      const began = process.hrtime.bigint();
      for (let time = 0; time < BLOCK; time++) await save();
      times[index].push(Number(process.hrtime.bigint() - began) / BLOCK);
      saved[index] += BLOCK;
      if (round % 20 === 19) await clear();
    }
  }
  const clears = ROUNDS / 20;
  const [base] = times;
  return subjects.map(({ kind, queries, heard }, index) => {
    // the first rounds warm up; quarters at both ends are the machine's
    const ratios = times[index]
      .map((time, round) => time / base[round])
      .slice(ROUNDS / 4)
      .sort((one, other) => one - other);
    const kept = ratios.slice(Math.floor(ratios.length / 4), Math.ceil((3 * ratios.length) / 4));
    const mean = kept.reduce((sum, each) => sum + each, 0) / kept.length;
    const deviation = Math.sqrt(kept.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (kept.length - 1));
    return {
      kind,
      mean,
      interval: (1.96 * deviation) / Math.sqrt(kept.length),
      microseconds: [...times[index]].sort((a, b) => a - b)[ROUNDS / 2] / 1000,
      queries: (queries() - clears) / saved[index],
      heard: heard() / saved[index],
    };
  });
}
