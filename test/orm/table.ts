/**
 * The README's table of the ORMs, from the results of the contract suite: `npm run docs:orms` writes it, and with
 * `--check` it is held against results that are there already.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readmePart } from '../support/readme.ts';

interface Adapter {
  readonly orm: string;
  /** What the names of its suites begin with. */
  readonly suite: string;
  readonly fires: string;
  readonly loud: string;
  readonly unseen: string;
  readonly reads: string;
}

const ADAPTERS: readonly Adapter[] = [
  {
    orm: '[TypeORM](#typeorm)',
    suite: 'TypeORM',
    fires: '`save()`, `insert()`, `remove()`, `softRemove()`, `recover()`, cascades; `m2mChanged`',
    loud: '`update()`, `delete()`, `upsert()`, `softDelete()`, query builders',
    unseen: '`query()`, `clear()`, `{ listeners: false }`',
    reads: 'before `m2mChanged`, and of orphaned rows',
  },
  {
    orm: '[Mongoose](#mongoose)',
    suite: 'Mongoose',
    fires: '`save()`, `create()`, `insertMany()`, `bulkSave()`, `document.deleteOne()`',
    loud: 'query `update…()`, `replaceOne()`, `findOneAnd…()`, `delete…()`; `bulkWrite()`',
    unseen: '`Model.collection`',
    reads: 'one before an update ¹',
  },
  {
    orm: '[Prisma](#prisma)',
    suite: 'Prisma',
    fires: '`create()`, `update()`, `upsert()`, `delete()`, `createMany…()`',
    loud: '`updateMany…()`, `deleteMany()`, nested writes of other models, batches; `upsert()` without a transaction',
    unseen: '`$executeRaw()`, `$queryRaw()`, nested `connect`',
    reads: 'one before an update ¹ or upsert, and before a delete if `preDelete` has receivers',
  },
  {
    orm: '[Sequelize](#sequelize)',
    suite: 'Sequelize',
    fires: '`save()`, `create()`, `bulkCreate()`, `findOrCreate()`, `destroy()`, `restore()`',
    loud: '`Model.update()`, `Model.destroy()`, `Model.restore()`, `truncate()`, `upsert()`, `increment()`',
    unseen: '`query()`, `{ hooks: false }`',
    reads: 'none',
  },
  {
    orm: '[Drizzle](#drizzle)',
    suite: 'Drizzle',
    fires: '`insert()`; `update()` and `delete()` of one row by a key',
    loud: 'other `update()` and `delete()`, `onConflict…()`, `insert().select()`, `with()`, `$with()`, `batch()`, `prepare()`',
    unseen: '`execute()`, `run()`, the database that is not wrapped',
    reads: 'one before an update ¹, and before a delete if `preDelete` has receivers',
  },
  {
    orm: '[MikroORM](#mikroorm)',
    suite: 'MikroORM',
    fires: '`flush()`: inserts, updates, removals, orphans, cascades',
    loud: '`insert…()`, `upsert…()`, `clone()`, `nativeUpdate()`, `nativeDelete()`, query builders',
    unseen: '`getKysely()`, `execute()`, rows of pivot tables',
    reads: 'none',
  },
  {
    orm: '[Kysely](#kysely)',
    suite: 'Kysely',
    fires: '`insertInto()`; `updateTable()` and `deleteFrom()` of one row by its key',
    loud: 'other updates and deletes, `onConflict()`, `replaceInto()`, `mergeInto()`, `with()`, `stream()`',
    unseen: '`sql`, the Kysely that is not wrapped',
    reads: 'as Drizzle',
  },
  {
    orm: '[Objection](#objection)',
    suite: 'Objection',
    fires: '`insert()`; `patch()`, `update()`, `delete()` of an instance or by id; graphs',
    loud: 'other `patch()`, `update()`, `delete()`; `relate([…])`, `unrelate()`; `onConflict()`',
    unseen: '`truncate()`, knex',
    reads: 'one before an update ¹, after one with expressions, and before a delete by id',
  },
];

/** What a harness says that its ORM does not have; the contract then asks for less, or for nothing. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  savepoints: 'there are no savepoints',
  deepSavepoints: 'a savepoint in a savepoint rolls back to the wrong one, as it does without signals',
  savepointsAreTold: 'an `onCommit` from outside a savepoint, called inside it, does not know that',
  countsBulk: '`postBulk` has no count',
};
/** The tests that are left out without savepoints. */
const OF_SAVEPOINTS = /\bsavepoint\b/;
/** These need a PostgreSQL with several connections, and not every run has one. */
const PARALLEL = '12. ';
/** These are about what only some ORMs have. */
const OPTIONAL = ['may return a query that it has not awaited'];

type Flags = Readonly<Record<string, boolean | undefined>>;
interface Result {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly status: string;
  readonly meta?: { readonly unchanged?: readonly string[] };
}

const REPORT = 'node_modules/.cache/orm-results.json';

const ENGINES: Readonly<Record<string, string>> = { sqlite: 'SQLite', postgres: 'PostgreSQL', mariadb: 'MariaDB' };

function tableOf(all: readonly Result[]): string {
  // The groups of the contract suite are numbered.
  const contract = new Set(
    all.flatMap(({ ancestorTitles: [name, group = ''] }) => (/^\d+\. /.test(group) ? [name] : [])),
  );
  const lines = ADAPTERS.map(({ orm, suite, fires, loud, unseen, reads }) => {
    const results = all.filter(({ ancestorTitles: [name = ''] }) => new RegExp(`^${suite}\\b.+`).test(name));
    const own = results.filter(({ ancestorTitles: [name] }) => contract.has(name));
    if (own.length === 0) throw new Error(`The contract suite did not run for ${suite}`);
    const failed = own.filter(({ status }) => status === 'failed');
    if (failed.length > 0) throw new Error(`${suite} fails: ${failed.map(({ title }) => title).join('; ')}`);
    const skipped = [...new Set(own.map(({ title }) => title))].filter(
      (title) =>
        !title.startsWith(PARALLEL) &&
        !OPTIONAL.includes(title) &&
        own.every((each) => each.title !== title || each.status !== 'passed'),
    );
    const metas = own.flatMap(({ meta }) => (meta?.unchanged === undefined ? [] : [meta]));
    const flags = metas as unknown as Flags[];
    const reasons = Object.entries(EXCEPTIONS)
      .filter(([flag]) => flags.some((each) => each[flag] === false))
      .map(([, reason]) => reason);
    const unexplained = skipped.filter(
      (title) => !(OF_SAVEPOINTS.test(title) && flags.every(({ savepoints }) => savepoints === false)),
    );
    if (unexplained.length > 0)
      throw new Error(`${suite} skips "${unexplained.join('", "')}": say why in ${import.meta.filename}`);
    const [unchanged = []] = metas.map((each) => each.unchanged ?? []);
    const engines = [
      ...new Set(
        results.map(({ ancestorTitles: [name = '', engine = ''], status }) => {
          if (contract.has(name)) return / on (.+)|, (.+?)(?:, atomic)?$/.exec(name)?.slice(1).find(Boolean) ?? '';
          return name.endsWith('equivalence') && status === 'passed' ? (ENGINES[engine] ?? '') : '';
        }),
      ),
    ]
      .filter((each) => each !== '')
      .sort();
    const atomic = flags.every(({ wrapsWrites }) => wrapsWrites === true) ? 'yes' : 'with `atomic`';
    const kept = reasons.length === 0 ? 'all' : `all, but ${reasons.join('; ')}`;
    const nothing = unchanged.length === 0 ? 'nothing' : unchanged.map((signal) => `\`${signal}\``).join(', ');
    return `| ${[orm, fires, loud, unseen, nothing, atomic, reads, kept, engines.join(', ')].join(' | ')} |`;
  });
  return [
    '| | save and delete signals | loud: `postBulk`, warning | cannot be seen ² | an unchanged save sends | its own transaction | extra reads, with receivers | the contract | tested on |',
    '|---|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

const [mode, report = REPORT] = process.argv.slice(2);
if (mode !== '--check') {
  execFileSync(
    'npx',
    ['vitest', 'run', '--typecheck.enabled=false', 'test/orm', '--reporter=json', `--outputFile=${REPORT}`],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
}
const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as { testResults: { assertionResults: Result[] }[] };
const table = tableOf(testResults.flatMap(({ assertionResults }) => assertionResults));
const part = readmePart(
  '<!-- from the contract suite: npm run docs:orms -->\n\n<!-- prettier-ignore -->\n',
  '<!-- end -->',
);
if (mode !== '--check') part.write(`${table}\n`);
else if (part.current.trim() !== table.trim())
  throw new Error('The table of ORMs in README.md is not what the contract suite says. Run: npm run docs:orms');
