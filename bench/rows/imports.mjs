/** Row 10: milliseconds to import a module, in a process that has not seen it. */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const inPeers = (path) => join(process.env.BENCH_PEERS, 'node_modules', path);
const importing = (path) => async () => () => import(pathToFileURL(path()).href);
const requiring = (path) => async () => () => require(path());

export const contenders = {
  'tocsin, import': importing(() => resolve('dist/index.js')),
  'tocsin, require of CommonJS': requiring(() => resolve('dist/index.cjs')),
  'node:events': async () => () => import('node:events'),
  'eventemitter3, import': importing(() => inPeers('eventemitter3/index.mjs')),
  'eventemitter3, require': requiring(() => inPeers('eventemitter3/index.js')),
  'mitt, import': importing(() => inPeers('mitt/dist/mitt.mjs')),
  'nanoevents, import': importing(() => inPeers('nanoevents/index.js')),
  'emittery, import': importing(() =>
    inPeers(Promise.withResolvers === undefined ? 'emittery-1/index.js' : 'emittery-2/index.js'),
  ),
  'hookable, import': importing(() => inPeers('hookable/dist/index.mjs')),
  'tseep, require': requiring(() => inPeers('tseep')),
  'tapable, require': requiring(() => inPeers('tapable')),
  '@lumino/signaling, require': requiring(() => inPeers('@lumino/signaling')),
  'mini-signals, require': requiring(() => inPeers('mini-signals')),
  'typed-signals, require': requiring(() => inPeers('typed-signals')),
  'js-signals, require': requiring(() => inPeers('signals')),
  'ste-events, require': requiring(() => inPeers('ste-events')),
  'rxjs, require': requiring(() => inPeers('rxjs')),
};

export async function measure(load) {
  const began = performance.now();
  await load();
  return performance.now() - began;
}
