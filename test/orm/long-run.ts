/**
 * The long run of a suite: `npm run check:equivalence -- --minutes 10 --orm kysely --engine postgres --seed 7`, or
 * `check:commits`; with `--project 'Drizzle 1.0' --orm drizzle` on that release. Minutes are for each ORM.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10' },
    orm: { type: 'string', default: '' },
    project: { type: 'string', default: 'tocsin' },
    engine: { type: 'string' },
    seed: { type: 'string' },
  },
});
const [suite = ''] = positionals;
const { minutes, orm, project, engine, seed } = values;
if (!(Number(minutes) > 0)) throw new TypeError(`--minutes must be a positive number, not ${minutes}`);

const prefix = suite.toUpperCase();
const { status } = spawnSync(
  'npx',
  ['vitest', 'run', '--project', project, '--typecheck.enabled=false', `test/orm/${suite}/${orm}`],
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
