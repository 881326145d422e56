import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { App } from './app.ts';
import { installed, type ToolGroup } from './tools.ts';

/** What a user writes: a receiver, a mocked sender, a recording, a matcher. `load` is how the file gets its parts. */
const suite = (load: (name: string, parts: string) => string, matcher: boolean): string => `
${load('tocsin', 'postSave, receiver, Signal')}
${load('tocsin/testing', 'isolate, mockSender, record')}
${matcher ? load('tocsin/testing/matchers', 'matchers') : ''}
const User = mockSender('User', { email: 'ada@example.org' });
const sent = [];
receiver(postSave, { sender: User })((sender, { instance, created }) => { if (created) sent.push(instance.email); });

test('a welcome mail after a user registers', () => {
  const recording = record(postSave, { sender: User });
  postSave.send(User, { instance: new User(), created: true });
  assert.deepEqual(sent, ['ada@example.org']);
  assert.equal(recording.count, 1);
  ${matcher ? 'expect.extend(matchers); expect(postSave).toHaveBeenSent({ sender: User, times: 1, with: { created: true } });' : ''}
  recording[Symbol.dispose ?? Symbol.for('Symbol.dispose')]();
});

test('an AbortSignal of the test environment, and options from its realm', async () => {
  const saved = new Signal('saved');
  const controller = new AbortController();
  saved.connect(() => 'heard', { signal: controller.signal, owner: {} });
  assert.equal((await saved.sendAsync(null)).length, 1);
  controller.abort();
  assert.equal(saved.hasListeners(), false);
  const isolated = isolate(postSave);
  assert.equal(postSave.hasListeners(User), false);
  isolated[Symbol.dispose ?? Symbol.for('Symbol.dispose')]();
});
`;
const required = (name: string, parts: string): string => `const { ${parts} } = require('${name}');`;
const imported = (name: string, parts: string): string => `import { ${parts} } from '${name}';`;
const strict = 'const assert = require("node:assert").strict;';
const strictImported = 'import { strict as assert } from "node:assert";';

interface Runner {
  readonly tools?: ToolGroup;
  readonly files: Readonly<Record<string, string>>;
  readonly command: (app: App) => readonly [command: string, ...args: string[]];
  readonly passed: RegExp;
}
const bin = (app: App, path: string): string => app.path('node_modules', path);
const runtime = (path: string): string => join(installed('runtimes'), 'node_modules', path);

const RUNNERS: Readonly<Record<string, Runner>> = {
  'Jest 30, as it comes (CommonJS)': {
    tools: 'jest',
    files: { 'a.test.js': strict + suite(required, true) },
    command: (app) => [process.execPath, bin(app, 'jest/bin/jest.js')],
    passed: /Tests:\s+2 passed, 2 total/,
  },
  'Jest 30, as it comes, on Node 24': {
    tools: 'jest',
    files: { 'a.test.js': strict + suite(required, true) },
    command: (app) => [runtime('node24/bin/node'), bin(app, 'jest/bin/jest.js')],
    passed: /Tests:\s+2 passed, 2 total/,
  },
  'Jest 30, as ESM': {
    tools: 'jest',
    files: {
      'package.json': '{ "type": "module", "jest": { "transform": {} } }',
      'a.test.js': strictImported + suite(imported, true),
    },
    command: (app) => [process.execPath, '--experimental-vm-modules', '--no-warnings', bin(app, 'jest/bin/jest.js')],
    passed: /Tests:\s+2 passed, 2 total/,
  },
  'Vitest 4': {
    tools: 'vitest4',
    files: { 'a.test.js': `import { expect, test } from 'vitest'; ${strictImported}${suite(imported, true)}` },
    command: (app) => [process.execPath, bin(app, 'vitest/vitest.mjs'), 'run'],
    passed: /Tests\s+2 passed \(2\)/,
  },
  'Vitest 5, on Node 24': {
    tools: 'vitest5',
    files: { 'a.test.js': `import { expect, test } from 'vitest'; ${strictImported}${suite(imported, true)}` },
    command: (app) => [runtime('node24/bin/node'), bin(app, 'vitest/vitest.mjs'), 'run'],
    passed: /Tests\s+2 passed \(2\)/,
  },
  'node:test, ESM': {
    files: { 'a.test.mjs': `import { test } from 'node:test'; ${strictImported}${suite(imported, false)}` },
    command: () => [process.execPath, '--test', '--test-reporter=tap'],
    passed: /# pass 2\n# fail 0/,
  },
  'node:test, CommonJS': {
    files: { 'a.test.cjs': `const { test } = require('node:test'); ${strict}${suite(required, false)}` },
    command: () => [process.execPath, '--test', '--test-reporter=tap'],
    passed: /# pass 2\n# fail 0/,
  },
  'bun test': {
    files: { 'a.test.js': `import { expect, test } from 'bun:test'; ${strictImported}${suite(imported, true)}` },
    command: () => [runtime('.bin/bun'), 'test'],
    passed: /2 pass\n\s*0 fail/,
  },
};

describe.each(Object.keys(RUNNERS))('%s', (name) => {
  const { tools, files, command, passed } = RUNNERS[name] as Runner;
  const app = new App(files);
  beforeAll(() => {
    if (tools !== undefined)
      app.run('cp', ['-r', `${join(installed(tools), 'node_modules')}/.`, app.path('node_modules')]);
  });

  test("runs a user's test that imports tocsin", () => {
    const [executable, ...args] = command(app);
    const env = Object.fromEntries(
      Object.entries(process.env).filter(
        ([key]) => !/^(VITEST|VITE_|NODE_OPTIONS|TEST|NODE_ENV|MODE|DEV|PROD|SSR)/.test(key),
      ),
    );
    const { output } = app.try(executable, args, { ...env, NO_COLOR: '1' });
    expect(output).toMatch(passed);
  });
});
