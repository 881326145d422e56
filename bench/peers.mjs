/** The peers, as their own documentation has them loaded. They lie outside the project; BENCH_PEERS says where. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.env.BENCH_PEERS, 'node_modules/x.js'));

/** The module that `import name` gives where the peers are installed. */
export async function peer(name) {
  const resolved = name === 'emittery' ? (Promise.withResolvers === undefined ? 'emittery-1' : 'emittery-2') : name;
  const esm = {
    mitt: 'mitt/dist/mitt.mjs',
    eventemitter3: 'eventemitter3/index.mjs',
    nanoevents: 'nanoevents/index.js',
    'emittery-1': 'emittery-1/index.js',
    'emittery-2': 'emittery-2/index.js',
    hookable: 'hookable/dist/index.mjs',
  }[resolved];
  return esm === undefined
    ? require(resolved)
    : import(pathToFileURL(join(process.env.BENCH_PEERS, 'node_modules', esm)).href);
}

/** What every receiver adds to. Checked after a run. */
export const total = { value: 0 };

/**
 * Distinct functions, as an app has them, and not one closure made many times, which the compiler would treat as one.
 * `body` may use `total`, `sender`, `args` and the number `n` of the function. Strict, as every module is.
 */
export function receivers(
  count,
  { parameters = 'sender, args', body = 'total.value = (total.value + args.amount + n) | 0' } = {},
) {
  return Array.from({ length: count }, (_, n) =>
    new Function('total', 'n', `'use strict'; return (${parameters}) => { ${body.replaceAll(/\bn\b/g, String(n))} }`)(
      total,
      n,
    ),
  );
}

/** Payloads that differ from call to call, so that nothing can be folded away. */
export const payloads = Array.from({ length: 16 }, (_, index) => ({ amount: index }));
