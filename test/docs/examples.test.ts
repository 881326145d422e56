import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, test } from 'vitest';
import mongoose from 'mongoose';
import * as tocsin from '../../src/index.ts';
import { Sequelize } from 'sequelize';
import { signals } from '../../src/mongoose.ts';
import { attachSignals as attachToSequelize } from '../../src/sequelize.ts';
import * as adapter from '../../src/typeorm.ts';
import { body, examplesIn, run } from '../support/examples.ts';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => `src/${file}`);
const examples = [...sources, 'README.md'].flatMap(examplesIn);

afterEach(() => {
  for (const signal of [tocsin.preSave, tocsin.postSave, tocsin.preDelete, tocsin.postDelete, tocsin.m2mChanged, tocsin.postBulk]) {
    for (const connection of signal.connections) connection.disconnect();
  }
});

describe('every example does what it says', () => {
  test.each(examples.map((example) => [`${example.file}:${String(example.line)}`, example] as const))('%s', async (_where, example) => {
    const attachSignals = example.file.endsWith('sequelize.ts') ? attachToSequelize : adapter.attachSignals;
    const sequelize = new Sequelize('postgres://localhost/example', { logging: false });
    const shop = { sequelize, User: class User {}, Profile: class Profile {}, DataSource, attachSignals, Mongoose: mongoose.Mongoose, signals };
    const declared = Object.fromEntries(Object.entries({ ...tocsin, ...shop }).filter(([name]) => !new RegExp(`(class|const|function) ${name}\\b`).test(example.code)));
    await run(example, declared);
  });
});

test('every example compiles in strict mode', () => {
  const folder = mkdtempSync('test/docs/compiled-');
  try {
    const exported = Object.keys(tocsin);
    for (const [index, { code, file, line }] of examples.entries()) {
      const declared = (name: string): boolean => new RegExp(`(class|const|function) ${name}\\b`).test(code);
      const used = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code) && !declared(name);
      const imports = [
        `import { ${exported.filter(used).join(', ')} } from '${/(typeorm|mongoose|sequelize)\.ts$/.test(file) ? `tocsin/${/(\w+)\.ts$/.exec(file)?.[1] ?? ''}` : 'tocsin'}'`,
        ...(used('Mongoose') ? ["import { signals } from 'tocsin/mongoose'; import { Mongoose } from 'mongoose'"] : []),
        ...(used('sequelize') ? ["import { attachSignals } from 'tocsin/sequelize'; import { Model, Sequelize } from 'sequelize'; declare const sequelize: Sequelize; class User extends Model {}"] : []),
        ...(used('DataSource') ? ["import { attachSignals } from 'tocsin/typeorm'; import { DataSource } from 'typeorm'; class User {} class Profile { user?: User }"] : []),
      ].join('; ');
      writeFileSync(join(folder, `example-${String(index)}.ts`), `${imports} // ${file}:${String(line)}\nexport async function example() {\n${body(code)}\n}\n`);
    }
    const compilerOptions = { noUncheckedIndexedAccess: false, exactOptionalPropertyTypes: false, noEmit: true, paths: { tocsin: ['../../../src/index.ts'], 'tocsin/typeorm': ['../../../src/typeorm.ts'], 'tocsin/mongoose': ['../../../src/mongoose.ts'], 'tocsin/sequelize': ['../../../src/sequelize.ts'] } };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['.'] }));
    const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { encoding: 'utf8' });
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
  const documented = examples.filter(({ file }) => file.startsWith('src/')).map(({ code }) => code).join('\n');
  for (const name of [...Object.keys(tocsin), 'attachSignals', 'signals']) expect(documented, name).toMatch(new RegExp(`\\b${name}\\b`));
});
