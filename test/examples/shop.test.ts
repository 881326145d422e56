import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);

/** Play the scenes of the shop in a process of its own; resolves with what it printed and its exit code. */
async function play(folder: string): Promise<{ output: string; code: number }> {
  try {
    const { stdout } = await run(process.execPath, [
      resolve('node_modules/tsx/dist/cli.mjs'),
      '--tsconfig',
      'examples/tsconfig.json',
      join(folder, 'main.ts'),
    ]);
    return { output: stdout, code: 0 };
  } catch (error) {
    const { stdout, code } = error as { stdout: string; code: number };
    return { output: stdout, code };
  }
}

describe('examples/shop', () => {
  let folder: string;
  beforeAll(() => {
    // beside the original, so that its imports lead to the same files
    folder = mkdtempSync('examples/shop-');
    cpSync('examples/shop', folder, { recursive: true, filter: (file) => !file.includes('data') });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('every scene comes true, twice in a row', async () => {
    for (let round = 0; round < 2; round++) {
      const { output, code } = await play(folder);
      expect(code).toBe(0);
      expect(output).toContain('Every scene came true.');
      expect(output).not.toContain('✗');
      expect(output).toMatch(
        /postSave User .*\n {3}[├└│].*sendWelcomeMail {2}returned a promise after the commit, .*\n.*createProfile .*\n.*postSave|postSave User/,
      );
      expect(readFileSync(join(folder, 'data/signals.html'), 'utf8')).toContain('signals.ts:');
    }
    const mail = readFileSync(join(folder, 'data/outbox/ada@example.org.eml'), 'utf8');
    expect(mail).toMatch(/^From: The shop <shop@example\.org>$/m);
    expect(mail).toMatch(/^Message-ID: /m);
    expect(existsSync(join(folder, 'data/images/lamp.png'))).toBe(false);
    expect(existsSync(join(folder, 'data/outbox/nobody@example.org.eml'))).toBe(false);
  }, 60_000);

  test.each(['sendWelcomeMail', 'capitaliseName', 'deleteImage', 'createProfile'])(
    'without %s it fails',
    async (name) => {
      const signals = join(folder, 'signals.ts');
      const original = readFileSync(signals, 'utf8');
      const broken = original.replace(
        new RegExp(`export const ${name} = receiver\\((.*?)\\)\\(`),
        `export const ${name} = String(`,
      );
      expect(broken).not.toBe(original);
      writeFileSync(signals, broken);
      const { output, code } = await play(folder);
      writeFileSync(signals, original);
      expect(code).toBe(1);
      expect(output).toContain('✗');
      expect(output).toContain('Not every scene came true.');
    },
    60_000,
  );
});
