import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';

type Suite = (test: (name: string, run: () => unknown) => void, expect: unknown) => void;

function run(...args: string[]): string {
  return execFileSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: 'pipe',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
}

describe('the helpers from the built package', () => {
  describe('in vitest', () => {
    (createRequire(import.meta.url)('./runners/suite.cjs') as Suite)(test, expect);
  });

  test('in node:test', () => {
    expect(run('--test', '--test-reporter=tap', 'test/testing/runners/node.cjs')).toMatch(/# pass [6-9]\n# fail 0/);
  });

  test('in jest, with its defaults', () => {
    expect(
      run('node_modules/jest/bin/jest.js', '--json', '--rootDir=test/testing/runners', '--testMatch=**/jest.cjs'),
    ).toMatch(/"numFailedTests":0,.*"numPassedTests":7/);
  });
});
