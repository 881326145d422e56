/**
 * The long run of a suite: `npm run check:equivalence -- --minutes 10 --orm kysely --engine postgres --seed 7`, or
 * `check:commits`. Minutes are for each ORM.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    orm: { type: 'string', default: '' },
    engine: { type: 'string' },
    seed: { type: 'string' },
  },
});
const [suite = ''] = positionals;
const { minutes, orm, engine, seed } = values;
if (!(Number(minutes) > 0)) throw new TypeError(`--minutes must be a positive number, not ${minutes}`);

const prefix = suite.toUpperCase();
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', 'tocsin', '--typecheck.enabled=false', `test/orm/${suite}/${orm}`],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      [`${prefix}_MINUTES`]: minutes,
      ...(engine === undefined ? {} : { [`${prefix}_ENGINE`]: engine }),
      ...(seed === undefined ? {} : { [`${prefix}_SEED`]: seed }),
    },
  },
);
process.exitCode = status ?? 1;
