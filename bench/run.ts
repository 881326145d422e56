/**
 * `npm run bench`: every row, side by side with what a user would pick instead. `npm run bench -- dispatch churn` runs
 * those rows; `--node 24` another Node; `--quick` compares the ratios of the main rows with bench/baseline.json in half
 * a minute, `--baseline` writes that.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installed } from '../test/installed/tools.ts';
import { CELLS, type Cell, REFERENCE } from './rows.ts';

const BASELINE = 'bench/baseline.json';
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'string', default: '20' },
    quick: { type: 'boolean', default: false },
    baseline: { type: 'boolean', default: false },
    rounds: { type: 'string' },
  },
});
if (!existsSync('dist/index.js'))
  throw new Error('The built package is measured: npm run build first (npm run bench does)');

const node =
  values.node === process.versions.node.split('.')[0]
    ? process.execPath
    : join(installed('runtimes'), 'node_modules', `node${values.node}/bin/node`);
const env = { ...process.env, BENCH_PEERS: installed('peers'), NODE_OPTIONS: '' };

function measure(row: string, contender: string, params: object): unknown {
  const printed = execFileSync(
    node,
    // the support of the ORMs' tests is TypeScript
    [
      '--expose-gc',
      '--no-warnings',
      ...(row === 'idle' ? ['--import', 'tsx'] : []),
      'bench/worker.mjs',
      JSON.stringify({ row, contender, params }),
    ],
    { encoding: 'utf8', env },
  );
  return JSON.parse(printed);
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const format = (number: number): string =>
  number >= 1000 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);

/**
 * All contenders of a cell, each in a process of its own, in turns; a median of each, and of its ratio to the reference
 * of the same turn.
 */
function compare({
  row,
  params,
  contenders,
  rounds,
}: Cell): Map<
  string,
  { readonly median: number; readonly ratio: number; readonly least: number; readonly most: number }
> {
  const times = new Map(contenders.map((name) => [name, [] as number[]]));
  for (let round = 0; round < Number(values.rounds ?? rounds); round++) {
    const order = [...contenders.slice(round % contenders.length), ...contenders.slice(0, round % contenders.length)];
    for (const name of order) times.get(name)?.push(measure(row, name, params) as number);
  }
  const reference = times.get(REFERENCE[row] ?? 'tocsin') ?? [];
  return new Map(
    [...times].map(([name, own]) => {
      const ratios = own.map((time, round) => time / (reference[round] ?? Number.NaN));
      return [
        name,
        { median: median(own), ratio: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) },
      ];
    }),
  );
}

function printed(cell: Cell): Record<string, number> {
  if (cell.print !== undefined) {
    console.log(`\n### ${cell.title}\n\n${cell.print((name, params) => measure(cell.row, name, params ?? {}))}`);
    return {};
  }
  const results = compare(cell);
  const reference = REFERENCE[cell.row] ?? 'tocsin';
  console.log(`\n### ${cell.title}\n\n| | ${cell.unit} | ÷ ${reference} | from … to |\n|---|---:|---:|---:|`);
  for (const [name, { median: own, ratio, least, most }] of [...results].sort(
    ([, one], [, other]) => one.median - other.median,
  )) {
    console.log(`| ${name} | ${format(own)} | ${ratio.toFixed(2)} | ${least.toFixed(2)} … ${most.toFixed(2)} |`);
  }
  return Object.fromEntries([...results].map(([name, { ratio }]) => [name, ratio]));
}

console.log(
  `Node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().slice(1)}, ${cpus()[0]?.model ?? 'unknown processor'}, ${String(cpus().length)} cores`,
);
const cells = CELLS.filter(({ row, quick }) =>
  values.quick || values.baseline
    ? quick === true
    : quick !== true && (positionals.length === 0 || positionals.includes(row)),
);
if (cells.length === 0)
  throw new Error(
    `No such row: ${positionals.join(', ')}. There are ${[...new Set(CELLS.map(({ row }) => row))].join(', ')}`,
  );
const results = cells.map((cell) => [cell, printed(cell)] as const);
/** How much of the time of each other one tocsin takes: what must not grow. */
const ratios = Object.fromEntries(
  results.map(([{ title, row }, own]) => [
    title,
    Object.fromEntries(
      Object.entries(own).flatMap(([name, ratio]) => {
        const isOwn = name.startsWith('tocsin');
        if ((REFERENCE[row] === undefined) === isOwn) return [];
        return [[name, Number((isOwn ? ratio : 1 / ratio).toFixed(2))]];
      }),
    ),
  ]),
);
/** Quick runs on busy machines differ by as much. */
const NOISE = 1.5;

if (values.baseline) writeFileSync(BASELINE, `${JSON.stringify(ratios, undefined, 2)}\n`);
else if (values.quick) {
  const before = JSON.parse(readFileSync(BASELINE, 'utf8')) as typeof ratios;
  const slower = Object.entries(ratios).flatMap(([title, own]) =>
    Object.entries(own).flatMap(([name, ratio]) => {
      const was = before[title]?.[name];
      return was !== undefined && ratio > was * NOISE
        ? [`${title}, ${name}: ${was.toFixed(2)} before, now ${ratio.toFixed(2)}`]
        : [];
    }),
  );
  console.log(
    slower.length === 0
      ? '\nNo slower than the baseline.'
      : `\nSlower than the baseline, by more than the noise of a quick run:\n  ${slower.join('\n  ')}`,
  );
  process.exitCode = slower.length === 0 ? 0 : 1;
}
