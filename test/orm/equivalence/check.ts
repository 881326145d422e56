/**
 * The long run of the equivalence suite: `npm run check:equivalence -- --minutes 10 --orm kysely --engine postgres
 * --seed 7`. Minutes are for each ORM.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    orm: { type: 'string' },
    engine: { type: 'string' },
    seed: { type: 'string' },
  },
});
const { minutes, orm = '', engine, seed } = values;
if (!(Number(minutes) > 0)) throw new TypeError(`--minutes must be a positive number, not ${minutes}`);

const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', 'tocsin', '--typecheck.enabled=false', `test/orm/equivalence/${orm}`],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      EQUIVALENCE_MINUTES: minutes,
      ...(engine === undefined ? {} : { EQUIVALENCE_ENGINE: engine }),
      ...(seed === undefined ? {} : { EQUIVALENCE_SEED: seed }),
    },
  },
);
process.exitCode = status ?? 1;
