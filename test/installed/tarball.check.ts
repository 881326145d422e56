import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { App } from './app.ts';
import { installed } from './tools.ts';

const app = new App();
const folder = 'node_modules/tocsin';
const files = readdirSync(app.path(folder), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => join(parentPath, name).slice(app.path(folder).length + 1));
const manifest = JSON.parse(app.read(`${folder}/package.json`)) as {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
};

describe('the tarball', () => {
  test('has what users need, and nothing else', () => {
    const [built, documents] = [
      files.filter((file) => file.startsWith('dist/')),
      files.filter((file) => !file.startsWith('dist/')),
    ];
    expect(documents.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
    expect(built.filter((file) => !/\.(c?js|c?js\.map|d\.c?ts)$/.test(file))).toEqual([]);
    // every entry in both formats with declarations for both, and what they have in common
    for (const [name, conditions] of Object.entries(manifest.exports)) {
      if (typeof conditions === 'string') continue;
      for (const file of Object.values(conditions)) {
        expect(files, name).toContain(file.slice(2));
        expect(files, name).toContain(
          file
            .slice(2)
            .replace(/js$/, 'ts')
            .replace(/\.(c?)ts$/, '.d.$1ts'),
        );
      }
    }
    const entries = Object.values(manifest.exports).flatMap((conditions) =>
      typeof conditions === 'string' ? [] : Object.values(conditions),
    );
    const reached = new Set([...entries, ...Object.values(manifest.bin)].map((file) => file.slice(2)));
    for (const file of reached)
      for (const [, name = ''] of app
        .read(`${folder}/${file}`)
        .matchAll(/(?:from |require\(|import )['"](\.[^'"]+)['"]/g))
        reached.add(join(file, '..', name));
    const code = built.filter((file) => /\.c?js$/.test(file));
    expect(code.filter((file) => !reached.has(file))).toEqual([]);
  });

  test('runs nothing when it is installed, and brings nothing along', () => {
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
    expect(Object.keys(manifest)).not.toContain('dependencies');
    expect(Object.keys(manifest)).not.toContain('bundleDependencies');
    // and so there is nothing for npm audit to find
    expect(files.filter((file) => file.includes('node_modules'))).toEqual([]);
  });

  test('evaluates no text', () => {
    for (const file of files.filter((each) => /\.c?js$/.test(each)))
      expect(app.read(`${folder}/${file}`), file).not.toMatch(/\beval\(|new Function\(|\bFunction\(/);
  });

  test.each([
    ['ESM', 'a.mjs', "import { Signal } from 'tocsin';"],
    ['CommonJS', 'b.cjs', "const { Signal } = require('tocsin');"],
  ])('has source maps that lead to readable source: %s', (_format, file, load) => {
    app.write({
      [file]: `${load}\ntry { new Signal().connect(() => 0, { sendr: 1 }) } catch (error) { console.log(error.stack) }`,
    });
    const stack = app.run(process.execPath, ['--enable-source-maps', file]);
    const [, source = '', line = ''] = /(src\/core\/options\.ts):(\d+)/.exec(stack) ?? [];
    expect(source, stack).toBe('src/core/options.ts');
    const maps = files
      .filter((each) => each.endsWith(file.endsWith('.cjs') ? '.cjs.map' : '.js.map'))
      .map((each) => JSON.parse(app.read(`${folder}/${each}`)) as { sources: string[]; sourcesContent?: string[] });
    const map = maps.find(({ sources }) => sources.some((each) => each.endsWith(source)));
    const content = map?.sourcesContent?.[map.sources.findIndex((each) => each.endsWith(source))] ?? '';
    expect(content.split('\n')[Number(line) - 1]).toMatch(/unknownOption|new TypeError/);
  });
});

describe('a bundler', () => {
  const bundlers: Readonly<Record<string, (entry: string) => Promise<string>>> = {
    async esbuild(entry) {
      const { outputFiles } = await build({
        entryPoints: [app.path(entry)],
        bundle: true,
        format: 'esm',
        external: ['node:*'],
        write: false,
      });
      return outputFiles[0]?.text ?? '';
    },
    async Vite(entry) {
      const { build: viteBuild } = (await import(
        join(installed('compilers'), 'node_modules/vite/dist/node/index.js')
      )) as typeof import('vite');
      await viteBuild({
        root: app.folder,
        logLevel: 'error',
        build: {
          minify: false,
          outDir: 'bundled',
          rollupOptions: { input: app.path(entry), output: { entryFileNames: 'out.js' } },
        },
      });
      return app.read('bundled/out.js');
    },
  };
  app.write({
    'signals.js': "import { postSave } from 'tocsin';\npostSave.connect(() => console.log('a mail'));\n",
    'app.js': "import './signals.js';\nconsole.log('the app');\n",
    'only-signal.js': "import { Signal } from 'tocsin';\nconsole.log(new Signal('saved'));\n",
    'traced.js': "import 'tocsin/tracing';\nconsole.log('the app');\n",
  });

  test.each(Object.keys(bundlers))('%s keeps a signals file that is imported for its effect', async (name) => {
    const code = (await bundlers[name]?.('app.js')) ?? '';
    expect(code).toContain('a mail');
    expect(code).toContain('the app');
  });

  test.each(Object.keys(bundlers))('%s keeps tocsin/tracing where that is imported for its effect', async (name) => {
    expect(await bundlers[name]?.('traced.js')).toContain('TOCSIN_ORIGINS');
  });

  test.each(Object.keys(bundlers))('%s drops all but Signal where only that is imported', async (name) => {
    const code = (await bundlers[name]?.('only-signal.js')) ?? '';
    expect(code).toContain('circle of imports');
    for (const part of [
      'receiver() needs',
      'must be the class itself',
      'highWaterMark',
      'm2mChanged",',
      'disconnectReceivers() takes',
      'structuredClone',
      'TOCSIN_ORIGINS',
    ])
      expect(code).not.toContain(part);
  });
});
