/** Row 12: bytes in a bundle, minified and compressed. */
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const sources = {
  'tocsin, { Signal }': "export { Signal } from './dist/index.js'",
  'tocsin, { Signal, receiver, postSave }': "export { Signal, receiver, postSave } from './dist/index.js'",
  eventemitter3: "export { EventEmitter } from 'eventemitter3'",
  mitt: "export { default } from 'mitt'",
  nanoevents: "export { createNanoEvents } from 'nanoevents'",
  tseep: "export { EventEmitter } from 'tseep'",
  emittery: "export { default } from 'emittery-2'",
  hookable: "export { createHooks } from 'hookable'",
  tapable: "export { SyncHook, AsyncParallelHook, AsyncSeriesHook } from 'tapable'",
  '@lumino/signaling': "export { Signal } from '@lumino/signaling'",
  'mini-signals': "export { MiniSignal } from 'mini-signals'",
  'typed-signals': "export { Signal } from 'typed-signals'",
  'js-signals': "export { default } from 'signals'",
  'ste-events': "export { EventDispatcher } from 'ste-events'",
  'rxjs Subject': "export { Subject } from 'rxjs'",
};
export const contenders = Object.fromEntries(
  Object.entries(sources).map(([name, contents]) => [name, async () => contents]),
);

export async function measure(contents) {
  const resolveDir = contents.includes('./dist') ? process.cwd() : join(process.env.BENCH_PEERS);
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['util'],
    write: false,
    logLevel: 'silent',
  });
  return brotliCompressSync(outputFiles[0].contents).length;
}
