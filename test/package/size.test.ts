import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

/**
 * What an import adds to a bundle, minified and compressed, in bytes. The aim was 2,500 for `Signal` and 3,500 with `receiver` and
 * `postSave`. What stands between is wanted: the sentences of the errors are 400 of these bytes, and without any of them and with
 * one-letter names for all that is internal, `Signal` would still take 4,400. It is options that are checked; owners, weak receivers
 * and AbortSignals; senders, subclasses and uids in constant time; four sends with promises and outcomes; and what tools ask it. So
 * these are ceilings: what adds to them gives its reason here.
 */
const CEILINGS: Readonly<Record<string, number>> = {
  '{ Signal }': 5150,
  '{ Signal, receiver, postSave }': 6350,
  '{ Signal, once, on }': 5950,
  '*': 7400,
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
