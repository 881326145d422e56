import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const workflow = readFileSync('.github/workflows/ci.yml', 'utf8');
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  version: string;
  engines: { node: string };
  scripts: Record<string, string>;
};

describe('the release workflow', () => {
  test('runs what CI runs here, on every Node that is supported', () => {
    expect(workflow).toContain('run: bash .ci/run');
    const [, nodes = ''] = /node: \[([\d, ]+)\]/.exec(workflow) ?? [];
    const versions = nodes.split(', ').map(Number);
    expect(versions).toEqual([20, 22, 24, 26]);
    expect(manifest.engines.node).toBe(`>=${String(versions[0])}.19`);
  });

  test('publishes with provenance, only what has passed, only a tag of that version', () => {
    expect(workflow).toMatch(/publish:\n {4}needs: check\n {4}if: startsWith\(github\.ref, 'refs\/tags\/v'\)/);
    expect(workflow).toContain('id-token: write');
    expect(workflow).toContain('npm publish --provenance');
  });

  test('runs only actions that are named by their hash, for a tag can be moved', () => {
    const actions = [...workflow.matchAll(/uses: (.*)/g)].map(([, action]) => action);
    expect(actions).not.toEqual([]);
    for (const action of actions) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('calls only scripts that exist', () => {
    const called = [
      ...`${workflow}\n${readFileSync('.ci/run', 'utf8')}\n${Object.values(manifest.scripts).join('\n')}`.matchAll(
        /npm run (?:-s )?([\w:]+)/g,
      ),
    ].map(([, name = '']) => name);
    expect(called.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  test('the newest section of the changelog is of this version', () => {
    expect(/^## (\S+)/m.exec(readFileSync('CHANGELOG.md', 'utf8'))?.[1]).toBe(manifest.version);
  });
});
