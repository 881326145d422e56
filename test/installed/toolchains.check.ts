import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { readmePart } from '../support/readme.ts';
import { App } from './app.ts';
import { installed } from './tools.ts';

/** What is decorated, and what a program with it prints if all of it is connected. */
const FORMS = {
  function: { source: 'function.ts', experimentalDecorators: false, prints: 'log,orders 1' },
  'TC39 methods': { source: 'methods.ts', experimentalDecorators: false, prints: 'Base,derived,own;again,own;Base' },
  'TC39 private methods': { source: 'private.ts', experimentalDecorators: false, prints: 'own own' },
  'TC39 fields': { source: 'fields.ts', experimentalDecorators: false, prints: 'own,static own' },
  'methods under experimentalDecorators': {
    source: 'methods.ts',
    experimentalDecorators: true,
    prints: 'Base,derived,own;again,own;Base',
  },
};
type Form = keyof typeof FORMS;

interface Tool {
  /** Run a TypeScript file of the app, compiled if need be; what it prints. */
  run(app: App, file: string, experimentalDecorators: boolean): Promise<string> | string;
}

const compilers = () => join(installed('compilers'), 'node_modules');
const runtimes = () => join(installed('runtimes'), 'node_modules');
const load = (name: string): unknown => createRequire(join(compilers(), 'x.js'))(name);
const sourceOf = (app: App, file: string): string => app.read(file);

/** Run what a compiler has made of a file. */
function runCompiled(app: App, code: string): string {
  app.write({ 'compiled.mjs': code });
  return app.run(process.execPath, ['compiled.mjs']);
}

const TOOLS: Readonly<Record<string, Tool>> = {
  tsc: {
    run(app, file, experimentalDecorators) {
      const flags = [
        '--ignoreConfig',
        '--target',
        'es2022',
        '--module',
        'nodenext',
        '--outDir',
        'out',
        '--noEmitOnError',
        '--experimentalDecorators',
        String(experimentalDecorators),
      ];
      app.run(process.execPath, [join(compilers(), 'typescript/bin/tsc'), ...flags, file]);
      return app.run(process.execPath, [join('out', file.replace('.ts', '.js'))]);
    },
  },
  esbuild: {
    run(app, file, experimentalDecorators) {
      const { transformSync } = load('esbuild') as { transformSync(code: string, options: object): { code: string } };
      return runCompiled(
        app,
        transformSync(sourceOf(app, file), {
          loader: 'ts',
          target: 'es2022',
          tsconfigRaw: { compilerOptions: { experimentalDecorators } },
        }).code,
      );
    },
  },
  tsx: {
    run: (app, file) => app.run(process.execPath, [join(compilers(), 'tsx/dist/cli.mjs'), file]),
  },
  "swc, `decoratorVersion: '2022-03'`": {
    run(app, file, experimentalDecorators) {
      const { transformSync } = load('@swc/core') as { transformSync(code: string, options: object): { code: string } };
      const transform = experimentalDecorators ? { legacyDecorator: true } : { decoratorVersion: '2022-03' };
      return runCompiled(
        app,
        transformSync(sourceOf(app, file), {
          swcrc: false,
          jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform },
        }).code,
      );
    },
  },
  oxc: {
    async run(app, file, experimentalDecorators) {
      const { transformSync } = (await import(join(compilers(), 'oxc-transform/index.js'))) as {
        transformSync(file: string, code: string, options: object): { code: string };
      };
      app.run('cp', ['-r', join(compilers(), '@oxc-project'), app.path('node_modules')]);
      return runCompiled(
        app,
        transformSync(file, sourceOf(app, file), experimentalDecorators ? { decorator: { legacy: true } } : {}).code,
      );
    },
  },
  'Vite 8': {
    run(app, file) {
      app.run(process.execPath, [
        join(compilers(), 'vite/bin/vite.js'),
        'build',
        '--ssr',
        file,
        '--outDir',
        'out',
        '--logLevel',
        'error',
      ]);
      return app.run(process.execPath, [join('out', file.replace('.ts', '.js'))]);
    },
  },
  'Vitest 5 on Vite 8': {
    run(app, file) {
      app.run('ln', ['-sfn', join(installed('vitest5'), 'node_modules/vitest'), app.path('node_modules/vitest')]);
      app.write({ 'a.test.ts': `import { test } from 'vitest'; test('imports it', () => import('./${file}'));` });
      const printed = app.run(
        process.execPath,
        [join(installed('vitest5'), 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=default'],
        { env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', VITEST: '', VITEST_WORKER_ID: '', TEST: '' } },
      );
      return printed.split('\n').find((line) => Object.values(FORMS).some(({ prints }) => line === prints)) ?? printed;
    },
  },
  Bun: { run: (app, file) => app.run(join(runtimes(), '.bin/bun'), [file]) },
  Deno: {
    run: (app, file) =>
      app.run(join(runtimes(), '.bin/deno'), ['run', '--allow-all', '--node-modules-dir=manual', '--quiet', file]),
  },
  'Node 22.18 and newer, type stripping': {
    run(app, file) {
      const printed = ['node22', 'node24', 'node26'].map((node) =>
        app.run(join(runtimes(), node, 'bin/node'), ['--no-warnings', file]),
      );
      return new Set(printed).size === 1 ? (printed[0] ?? '') : printed.join('/');
    },
  },
};

const works: Record<string, Partial<Record<Form, boolean>>> = {};

describe.each(Object.keys(TOOLS))('compiled by %s', (tool) => {
  test.each(Object.keys(FORMS) as Form[])('%s', async (form) => {
    const { source, experimentalDecorators, prints } = FORMS[form];
    const app = new App();
    app.copy('fixtures/decorated', [source]);
    const compilerOptions = { target: 'es2022', experimentalDecorators };
    app.write({
      'package.json': '{ "private": true, "type": "module" }',
      'tsconfig.json': JSON.stringify({ compilerOptions }),
      'deno.json': JSON.stringify({ compilerOptions: { experimentalDecorators } }),
    });
    let printed: string;
    try {
      printed = (await TOOLS[tool]?.run(app, source, experimentalDecorators)) ?? '';
    } catch (error) {
      // what a tool cannot compile is said in the table; that it is still so is what this checks
      printed = String(error);
    }
    (works[tool] ??= {})[form] = printed.trim() === prints;
    // half a success would be worse than none: a program runs and hears less than it asked for
    if (printed.trim() !== prints) expect(printed).toMatch(/SyntaxError|Command failed|decorator|private/i);
  });
});

test('the table in the README is what this run has shown', () => {
  const forms = Object.keys(FORMS) as Form[];
  const rows = Object.keys(TOOLS).map(
    (tool) => `| ${[tool, ...forms.map((form) => (works[tool]?.[form] === true ? 'yes' : 'no'))].join(' | ')} |`,
  );
  const table = [
    `| compiled by | ${forms.map((form) => form.replace('experimentalDecorators', '`experimentalDecorators`')).join(' | ')} |`,
    `|${'---|'.repeat(forms.length + 1)}`,
    ...rows,
    '',
    '',
  ].join('\n');
  const part = readmePart(
    '<!-- from the toolchain matrix: npm run docs:toolchains -->\n\n<!-- prettier-ignore -->\n',
    '<!-- end of the toolchain matrix -->',
  );
  if (inject('update')) part.write(table);
  else expect(part.current).toBe(table);
});
