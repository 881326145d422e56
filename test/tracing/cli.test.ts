import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** An app that has installed the built package. */
let app: string;
beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), 'tocsin-cli-'));
  mkdirSync(join(app, 'node_modules'));
  symlinkSync(resolve('.'), join(app, 'node_modules/tocsin'));
  const body = (load: string) => `${load}
class User {}
const paid = new Signal('paid')
module_exports(paid)
postSave.connect(function sendMail() {}, { sender: User, afterCommit: true })
paid.connect(function ring() {}, { priority: 2 })
`;
  writeFileSync(
    join(app, 'signals.mjs'),
    body("import { postSave, Signal } from 'tocsin'").replace('module_exports(paid)', 'export { paid }'),
  );
  writeFileSync(
    join(app, 'signals.cjs'),
    body("const { postSave, Signal } = require('tocsin')").replace('module_exports(paid)', 'module.exports = { paid }'),
  );
  writeFileSync(
    join(app, 'signals.ts'),
    body("import { postSave, Signal } from 'tocsin'").replace(
      'module_exports(paid)',
      'export const name: string = paid.name',
    ),
  );
  writeFileSync(join(app, 'empty.mjs'), "import { Signal } from 'tocsin'; export const lonely = new Signal('lonely')");
  writeFileSync(
    join(app, 'serves.mjs'),
    "import './signals.mjs'; import { createServer } from 'node:net'; createServer().listen(0); setInterval(() => {}, 1000)",
  );
  writeFileSync(join(app, 'throws.mjs'), "throw new Error('no database')");
});
afterAll(() => {
  rmSync(app, { recursive: true });
});
const run = (args: string[], options: string[] = []) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...options, resolve('dist/tracing/cli.js'), ...args],
    { cwd: app, encoding: 'utf8', timeout: 60_000 },
  );
  return { status, stdout, stderr };
};

test('TOCSIN_ORIGINS=1 records from the time that tocsin/tracing is loaded', () => {
  const script =
    "const { Signal } = require('tocsin'); const { inspect } = require('tocsin/tracing'); const s = new Signal('s'); s.connect(() => 1); console.log(inspect(s).receivers[0].origin?.line)";
  writeFileSync(join(app, 'origins.cjs'), script);
  const line = (origins: string) =>
    spawnSync(process.execPath, ['--import', 'tocsin/tracing', 'origins.cjs'], {
      cwd: app,
      encoding: 'utf8',
      env: { ...process.env, TOCSIN_ORIGINS: origins },
    }).stdout.trim();
  expect([line('1'), line('')]).toEqual(['1', 'undefined']);
});

describe('tocsin inspect', () => {
  test('ends though the module keeps a server and a timer open', () => {
    const { status, stdout } = run(['inspect', 'serves.mjs']);
    expect([status, stdout.includes('sendMail')]).toEqual([0, true]);
  });

  test.each(['signals.mjs', 'signals.cjs'])('prints who listens: %s', (file) => {
    const { status, stdout } = run(['inspect', file]);
    expect(stdout).toMatch(
      new RegExp(
        `postSave\\n└─ sendMail {2}User, after the commit {2}\\S+${file}:\\d+:\\d+\\npaid\\n└─ ring {2}any sender, priority 2 {2}\\S+${file}:\\d+:\\d+`,
      ),
    );
    expect(status).toBe(0);
  });

  test('imports TypeScript where a loader is present, and honours its source maps', () => {
    const { status, stdout } = run(['inspect', './signals.ts'], ['--import', import.meta.resolve('tsx')]);
    expect(stdout).toMatch(/sendMail {2}User, after the commit {2}\S+signals\.ts:5:10/);
    expect(status).toBe(0);
  });

  test('as JSON, Mermaid and HTML', () => {
    const signals = JSON.parse(run(['inspect', 'signals.mjs', '--json']).stdout) as {
      signal: string;
      receivers: object[];
    }[];
    expect(signals.find(({ signal }) => signal === 'paid')?.receivers).toEqual([
      expect.objectContaining({ name: 'ring', sender: 'any sender', priority: 2, lifetime: 'strong' }),
    ]);
    expect(run(['inspect', 'signals.mjs', '--mermaid']).stdout).toMatch(/^flowchart LR\n {2}n0\(\["postSave"\]\)/);
    expect(run(['inspect', 'signals.mjs', '--html']).stdout).toMatch(/^<!doctype html>.*Signals of signals\.mjs/s);
  });

  test('a module that throws, is not there, or connects nobody: a message, and exit code 1', () => {
    expect(run(['inspect', 'throws.mjs'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^throws\.mjs could not be imported: Error: no database/) as string,
    });
    expect(run(['inspect', 'nowhere.mjs'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^nowhere\.mjs could not be imported: .*Cannot find/) as string,
    });
    expect(run(['inspect', 'empty.mjs'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^empty\.mjs connects no receivers \(the signals: .*lonely\)/) as string,
    });
  });

  test('a wrong call: how to call it, and exit code 2', () => {
    for (const args of [[], ['inspect'], ['look', 'signals.mjs'], ['inspect', 'signals.mjs', '--pdf']])
      expect(run(args)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('Usage: tocsin inspect <module>') as string,
      });
    expect(run(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage') as string });
  });
});
