import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { App } from './app.ts';
import { checks } from './fixtures/smoke.mjs';
import { installed } from './tools.ts';

let runtimes: string;
beforeAll(() => {
  runtimes = join(installed('runtimes'), 'node_modules');
});

/** The runtimes that run a file of the app as it is: what to call, and how to make them collect garbage. */
const RUNTIMES: Readonly<Record<string, (file: string) => [command: string, args: string[]]>> = {
  'Node 20': (file) => [join(runtimes, 'node20/bin/node'), ['--expose-gc', file]],
  'Node 22': (file) => [join(runtimes, 'node22/bin/node'), ['--expose-gc', file]],
  'Node 24': (file) => [join(runtimes, 'node24/bin/node'), ['--expose-gc', file]],
  'Node 26': (file) => [join(runtimes, 'node26/bin/node'), ['--expose-gc', file]],
  Bun: (file) => [join(runtimes, '.bin/bun'), ['--expose-gc', file]],
  Deno: (file) => [
    join(runtimes, '.bin/deno'),
    ['run', '--allow-all', '--node-modules-dir=manual', '--v8-flags=--expose-gc', file],
  ],
};
const ALL_WELL = Object.fromEntries(Object.keys(checks).map((name) => [name, 'ok']));

describe.each(Object.keys(RUNTIMES))('in %s', (name) => {
  const app = new App();
  app.copy('fixtures');
  const run = (file: string): unknown => {
    const [command, args] = RUNTIMES[name]?.(file) ?? ['', []];
    return JSON.parse(app.run(command, args));
  };

  test('the smoke suite, imported', () => {
    expect(run('smoke-esm.mjs')).toEqual(ALL_WELL);
  });

  test('the smoke suite, required', () => {
    expect(run('smoke-cjs.cjs')).toEqual(ALL_WELL);
  });

  test('two versions, each required and imported by every entry point, have one set of signals', () => {
    app.run('cp', ['-r', 'node_modules/tocsin', 'other-version']);
    app.write({
      'other-version/package.json': app
        .read('node_modules/tocsin/package.json')
        .replace(/"version": "[^"]+"/, '"version": "99.0.0"'),
      'node_modules/other/package.json': '{}',
    });
    app.run('mkdir', ['-p', 'node_modules/other/node_modules']);
    app.run('mv', ['other-version', 'node_modules/other/node_modules/tocsin']);
    // eight adapters and the core, in two versions and two formats
    expect(run('one-set.cjs')).toEqual({
      versions: 2,
      modules: 36,
      signals: 1,
      heard: 36,
      ended: true,
      reported: [0, 1, 2, 3],
      recorded: [4, 4, 4, 4],
    });
  });
});

describe('in Node 24, with the security switches', () => {
  test.each([
    '--disallow-code-generation-from-strings',
    '--frozen-intrinsics --no-warnings',
    '--disable-proto=throw',
    '--permission --allow-fs-read=*',
  ])('%s', (flags) => {
    const app = new App();
    app.copy('fixtures');
    expect(
      JSON.parse(app.run(join(runtimes, 'node24/bin/node'), [...flags.split(' '), '--expose-gc', 'smoke-esm.mjs'])),
    ).toEqual(ALL_WELL);
  });
});

test('in workerd', async () => {
  const app = new App();
  app.copy('fixtures');
  await build({
    entryPoints: [app.path('smoke-worker.mjs')],
    bundle: true,
    format: 'esm',
    outfile: app.path('worker.mjs'),
  });
  const { output } = app.try(join(runtimes, '.bin/workerd'), ['test', 'workerd.capnp']);
  expect(JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? `"${output.replaceAll('"', "'")}"`)).toEqual(ALL_WELL);
});

const chromium = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);

describe.skipIf(chromium === undefined)('in headless Chromium, under a strict content security policy', () => {
  const bundlers: Readonly<Record<string, (app: App) => Promise<unknown>>> = {
    esbuild: (app) =>
      build({
        entryPoints: [app.path('smoke-page.mjs')],
        bundle: true,
        minify: true,
        format: 'esm',
        outfile: app.path('dist/page.js'),
      }),
    Vite: async (app) => {
      const { build: viteBuild } = (await import(
        join(installed('compilers'), 'node_modules/vite/dist/node/index.js')
      )) as typeof import('vite');
      const output = { entryFileNames: 'page.js' };
      return viteBuild({
        root: app.folder,
        logLevel: 'error',
        build: { target: 'es2022', outDir: 'dist', rollupOptions: { input: app.path('smoke-page.mjs'), output } },
      });
    },
  };

  test.each(Object.keys(bundlers))('bundled by %s', async (name) => {
    const app = new App();
    app.copy('fixtures');
    await bundlers[name]?.(app);
    expect(await outcomesInBrowser(app.read('dist/page.js'))).toEqual(ALL_WELL);
  });
});

/** Open a page that loads the script, and wait for what it sends back. */
async function outcomesInBrowser(script: string): Promise<unknown> {
  const profile = new App();
  const { promise, resolve } = deferred<unknown>();
  const server = createServer((request, response) => {
    response.setHeader('content-security-policy', "default-src 'none'; script-src 'self'; connect-src 'self'");
    if (request.method === 'POST') {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        resolve(JSON.parse(body));
      });
      response.end();
    } else if (request.url === '/page.js') {
      response.setHeader('content-type', 'text/javascript').end(script);
    } else {
      response
        .setHeader('content-type', 'text/html')
        .end('<!doctype html><script type="module" src="/page.js"></script>');
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  const browser = spawn(
    chromium as string,
    [
      ...flags,
      `--user-data-dir=${profile.path('profile')}`,
      '--js-flags=--expose-gc',
      '--remote-debugging-port=0',
      url,
    ],
    { stdio: 'ignore' },
  );
  try {
    return await promise;
  } finally {
    const closed = new Promise((done) => browser.once('close', done));
    browser.kill('SIGKILL');
    await closed;
    server.close();
    server.closeAllConnections();
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}
