/**
 * The long run of the commit suite: `npm run check:commits -- --minutes 10 --orm sequelize --engine postgres --seed 7`.
 * Minutes are for each ORM.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    orm: { type: 'string', default: '' },
    engine: { type: 'string' },
    seed: { type: 'string' },
  },
});
const { minutes, orm, engine, seed } = values;
if (!(Number(minutes) > 0)) throw new TypeError(`--minutes must be a positive number, not ${minutes}`);

const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', 'tocsin', '--typecheck.enabled=false', `test/orm/commits/${orm}`],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      COMMITS_MINUTES: minutes,
      ...(engine === undefined ? {} : { COMMITS_ENGINE: engine }),
      ...(seed === undefined ? {} : { COMMITS_SEED: seed }),
    },
  },
);
process.exitCode = status ?? 1;
