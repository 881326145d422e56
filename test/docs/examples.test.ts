import { readdirSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { afterEach, describe, expect, test } from 'vitest';
import * as tocsin from '../../src/index.ts';
import * as adapter from '../../src/typeorm.ts';
import { examplesIn, run } from '../support/examples.ts';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => `src/${file}`);
const examples = [...sources, 'README.md'].flatMap(examplesIn);

afterEach(() => {
  for (const signal of [tocsin.preSave, tocsin.postSave, tocsin.preDelete, tocsin.postDelete, tocsin.m2mChanged, tocsin.postBulk]) {
    for (const connection of signal.connections) connection.disconnect();
  }
});

describe('every example does what it says', () => {
  test.each(examples.map((example) => [`${example.file}:${String(example.line)}`, example] as const))('%s', async (_where, example) => {
    const shop = { User: class User {}, Profile: class Profile {}, DataSource, attachSignals: adapter.attachSignals };
    const declared = Object.fromEntries(Object.entries({ ...tocsin, ...shop }).filter(([name]) => !new RegExp(`(class|const|function) ${name}\\b`).test(example.code)));
    await run(example, declared);
  });
});

test('there are examples, and a comment that lies fails', async () => {
  expect(examples.length).toBeGreaterThan(15);
  await expect(run({ file: 'lie', line: 1, code: '1 + 1 // 3' }, {})).rejects.toThrow();
  await expect(run({ file: 'lie', line: 1, code: 'console.log(1) // 2' }, {})).rejects.toThrow();
});

test('everything exported that can be called has an example', () => {
  const documented = examples.filter(({ file }) => file.startsWith('src/')).map(({ code }) => code).join('\n');
  for (const name of [...Object.keys(tocsin), 'attachSignals']) expect(documented, name).toMatch(new RegExp(`\\b${name}\\b`));
});
