import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

/**
 * What an import adds to a bundle, minified and compressed, in bytes. The aim was 2,500 for `Signal` and 3,500 with
 * `receiver` and `postSave`. What stands between is wanted. Taking it out of the bundle, part by part, gives what each
 * costs: checks of what users pass, with sentences that help, 770; the async sends 310; what tools and traces ask 290;
 * owners, AbortSignals and the sweeping of what was collected 470; uids, subclasses and finding a registration again
 * 280; `sendRobust()` and reports 160; how it is printed 100. With all of that gone, 2,770 are left. So these are
 * ceilings: what adds to them gives its reason here.
 *
 * Added since: no rejection goes unhandled when `send()` throws, errors are printed whatever they do when looked at,
 * handlers of `onError()` may be async, promises of libraries count as promises (110 in all); members decorated twice
 * are heard as the outer decorator left them (90); `on()` reads in linear time (60); `onRollback` (30).
 *
 * Then, about: a warning of leaks (190); what reports and errors print commands no terminal, though it is a cause's
 * (220); a foreign registry is told of (110); several AbortSignals on one registration (110); `onError()` for what
 * robust sends catch (60); connections as strings and JSON, watched and found by sender (100); `once()` of several
 * signals, with a predicate, and with one listener on an AbortSignal (240). The rest of `*` are functions that only
 * those who import them have.
 *
 * What a send needs lies ready on the signal, so that one receiver takes half of the time (320); connections with
 * owners and of one sender take little memory (270).
 */
const CEILINGS: Readonly<Record<string, number>> = {
  '{ Signal }': 6700,
  '{ Signal, receiver, postSave }': 8010,
  '{ Signal, once, on }': 7800,
  '*': 9800,
};

async function sizeOf(imported: string): Promise<number> {
  const contents = `export ${imported} from './dist/index.js'`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
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
    const { outputFiles } = await build({
      stdin: { contents: "import { Signal, postSave } from './dist/index.js'", resolveDir: process.cwd() },
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
    });
    expect(outputFiles[0]?.text.trim()).toBe('');
  });
});
