import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

/**
 * What an import adds to a bundle, minified and compressed, in bytes. The aim was 2,500 for `Signal` and 3,500 with `receiver` and
 * `postSave`. What stands between is wanted: options that are checked, with messages that quote the bad value and name the fix (1.4 kB); owners,
 * weak receivers and AbortSignals (0.9 kB); senders, subclasses and uids (1.2 kB); four sends with promises and outcomes (1 kB), of which 0.2 kB
 * make the async ones two to three times as fast. So these are ceilings: what adds to them gives its reason here.
 */
const CEILINGS: Readonly<Record<string, number>> = {
  '{ Signal }': 5600,
  '{ Signal, receiver, postSave }': 7000,
  '{ Signal, once, on }': 6400,
  '*': 8000,
};

async function sizeOf(imported: string): Promise<number> {
  const contents = `export ${imported} from './dist/index.js'`;
  const { outputFiles } = await build({ stdin: { contents, resolveDir: process.cwd() }, bundle: true, minify: true, format: 'esm', write: false });
  return brotliCompressSync(outputFiles[0]?.contents ?? '').length;
}

describe('minified and compressed', () => {
  test.each(Object.entries(CEILINGS))('%s takes at most %i bytes', async (imported, ceiling) => {
    const size = await sizeOf(imported);
    expect(size).toBeLessThanOrEqual(ceiling);
    // a ceiling far above its room is none
    expect(size).toBeGreaterThan(ceiling - 300);
  });

  test('an import without use takes nothing', async () => {
    const { outputFiles } = await build({ stdin: { contents: "import { Signal, postSave } from './dist/index.js'", resolveDir: process.cwd() }, bundle: true, minify: true, format: 'esm', write: false });
    expect(outputFiles[0]?.text.trim()).toBe('');
  });
});
