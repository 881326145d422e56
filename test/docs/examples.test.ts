import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import * as tocsin from '../../src/index.ts';
import * as testing from '../../src/testing.ts';
import * as tracing from '../../src/tracing.ts';
import { body, examplesIn, run } from '../support/examples.ts';
import { declares, surroundings } from './surroundings.ts';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `src/${file}`);
const examples = [...sources, 'README.md'].flatMap(examplesIn);

afterEach(() => {
  for (const signal of [
    tocsin.preSave,
    tocsin.postSave,
    tocsin.preDelete,
    tocsin.postDelete,
    tocsin.m2mChanged,
    tocsin.postBulk,
  ]) {
    for (const connection of signal.connections) connection.disconnect();
  }
});

/** The entry point that an example is of; the README's are of the root. */
function entryOf(file: string): string {
  const [, folder, name] = /^src\/(?:(testing|tracing)\/.*|([\w-]+))\.ts$/.exec(file) ?? [];
  const entry = folder ?? name ?? 'index';
  return entry in surroundings ? entry : 'index';
}

describe('every example does what it says', () => {
  test.each(examples.map((example) => [`${example.file}:${String(example.line)}`, example] as const))(
    '%s',
    async (_where, example) => {
      await using surrounding = await surroundings[entryOf(example.file)]?.open();
      const scope = { ...tocsin, ...surrounding?.scope };
      await run(example, Object.fromEntries(Object.entries(scope).filter(([name]) => !declares(example.code, name))));
    },
  );
});

test('every example compiles in strict mode', () => {
  const folder = mkdtempSync('test/docs/compiled-');
  try {
    const entries = ['testing/matchers', ...Object.keys(surroundings)];
    const exported = Object.keys(tocsin);
    for (const [index, { code, file, line }] of examples.entries()) {
      const entry = entryOf(file);
      const used = exported.filter((name) => new RegExp(`\\b${name}\\b`).test(code) && !declares(code, name));
      const imports = `import { ${used.join(', ')} } from '${entry === 'index' || entry === 'testing' || entry === 'tracing' ? 'tocsin' : `tocsin/${entry}`}'; ${surroundings[entry]?.declarations(code) ?? ''}`;
      writeFileSync(
        join(folder, `example-${String(index)}.ts`),
        `${imports} // ${file}:${String(line)}\nexport async function example() {\n${body(code)}\n}\n`,
      );
    }
    const paths = Object.fromEntries(
      entries.map((entry) => [entry === 'index' ? 'tocsin' : `tocsin/${entry}`, [`../../../src/${entry}.ts`]]),
    );
    const compilerOptions = { noUncheckedIndexedAccess: false, exactOptionalPropertyTypes: false, noEmit: true, paths };
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['.'] }),
    );
    const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test('there are examples, and a comment that lies fails', async () => {
  expect(examples.length).toBeGreaterThan(15);
  await expect(run({ file: 'lie', line: 1, code: '1 + 1 // 3', output: undefined }, {})).rejects.toThrow();
  await expect(run({ file: 'lie', line: 1, code: 'console.log(1) // 2', output: undefined }, {})).rejects.toThrow();
  await expect(run({ file: 'lie', line: 1, code: 'console.log(1)', output: '2' }, {})).rejects.toThrow();
});

test('everything exported that can be called has an example', () => {
  const documented = examples
    .filter(({ file }) => file.startsWith('src/'))
    .map(({ code }) => code)
    .join('\n');
  for (const name of [
    ...Object.keys(tocsin),
    'attachSignals',
    'signals',
    'withSignals',
    ...Object.keys(testing),
    ...Object.keys(tracing),
    'matchers',
  ])
    expect(documented, name).toMatch(new RegExp(`\\b${name}\\b`));
});
