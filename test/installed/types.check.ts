import { spawnSync } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { App } from './app.ts';
import { installed } from './tools.ts';

const VERSIONS = ['5.4', '5.6', '5.9', '6.0', '7.0'];

/** How users have their modules resolved, and the files that this makes of a consumer. */
const RESOLUTIONS: Readonly<
  Record<string, { readonly options: object; readonly files: readonly string[]; readonly until?: string }>
> = {
  node10: { options: { module: 'commonjs', moduleResolution: 'node10' }, files: ['consumer.ts'], until: '6.0' },
  'node16, both kinds of module': { options: { module: 'node16' }, files: ['consumer.mts', 'consumer.cts'] },
  'nodenext, both kinds of module': { options: { module: 'nodenext' }, files: ['consumer.mts', 'consumer.cts'] },
  bundler: { options: { module: 'esnext', moduleResolution: 'bundler' }, files: ['consumer.ts'] },
};

function compile(
  version: string,
  app: App,
  compilerOptions: object,
  files: readonly string[],
  ...flags: readonly string[]
): string {
  const base = {
    target: 'es2022',
    lib: ['es2022'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
  };
  app.write({ 'tsconfig.json': JSON.stringify({ compilerOptions: { ...base, ...compilerOptions }, files }) });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(installed('typescript'), 'node_modules', `typescript-${version}`, 'bin/tsc'), '-p', '.', ...flags],
    { cwd: app.folder, encoding: 'utf8' },
  );
  return stdout + stderr;
}

describe.each(VERSIONS)('TypeScript %s', (version) => {
  const app = new App();
  app.copy('fixtures', ['consumer.ts']);
  for (const kind of ['mts', 'cts']) app.write({ [`consumer.${kind}`]: app.read('consumer.ts') });

  describe.each(Object.keys(RESOLUTIONS))('%s', (name) => {
    const { options, files, until } = RESOLUTIONS[name] ?? { options: {}, files: [] };
    const resolution = version === '6.0' && name === 'node10' ? { ...options, ignoreDeprecations: '6.0' } : options;
    test.skipIf(until !== undefined && Number(version) > Number(until)).each([false, true])(
      'strict, exactOptionalPropertyTypes, without skipLibCheck; experimentalDecorators: %s',
      (experimentalDecorators) => {
        expect(compile(version, app, { ...resolution, experimentalDecorators }, files)).toBe('');
      },
    );
  });
});

/** With the ORMs' own types, which the project has and which are not free of errors themselves. */
test.each(['5.4', '7.0'])('the adapters under TypeScript %s: what is wrong is not ours', (version) => {
  const app = new App();
  app.copy('fixtures', ['adapters.ts']);
  for (const name of ['@mikro-orm', '@types', 'kysely', 'mongoose', 'objection', 'sequelize', 'typeorm']) {
    rmSync(app.path('node_modules', name), { recursive: true, force: true });
    symlinkSync(resolve('node_modules', name), app.path('node_modules', name));
  }
  app.write({ 'package.json': '{ "type": "module" }' });
  const printed = compile(version, app, { module: 'nodenext', lib: ['es2022', 'esnext.disposable'], types: ['node'] }, [
    'adapters.ts',
  ]);
  const errors = printed.split('\n').filter((line) => line.includes('error TS'));
  expect(errors.filter((line) => /^(adapters|node_modules\/tocsin)/.test(line))).toEqual([]);
  // nor in how the compiler was run; that it looked is what the errors expected in adapters.ts show
  expect(errors.every((line) => line.includes('node_modules/'))).toBe(true);
});

test('the cost of typed receivers grows with their number, and not faster', () => {
  const app = new App();
  const instantiations = (count: number): number => {
    const receivers = Array.from({ length: count }, (_unused, index) => {
      const n = String(index);
      return `class Model${n} { name = ''; field${n} = ${n} }
postSave.connect((sender, { instance, created }) => [sender.name, instance.field${n}, created], { sender: Model${n} });
export const after${n} = receiver(postDelete, { sender: Model${n}, afterCommit: true })((_sender, { instance }) => instance.name);
export class Audit${n} { @receiver([preSave, postSave], { sender: Model${n} }) onSave(_sender: typeof Model${n}, { instance }: { readonly instance: Model${n} }) { return instance.name } }`;
    });
    app.write({
      'many.ts': `import { postDelete, postSave, preSave, receiver } from 'tocsin';\n${receivers.join('\n')}`,
    });
    const printed = compile(
      '6.0',
      app,
      { module: 'nodenext', skipLibCheck: true },
      ['many.ts'],
      '--extendedDiagnostics',
    );
    expect(printed).not.toMatch(/error/);
    return Number(/^Instantiations:\s+(\d+)/m.exec(printed)?.[1]);
  };
  const [few, some, many] = [125, 250, 500].map(instantiations) as [number, number, number];
  const per = (many - some) / 250;
  console.log(
    `${String(Math.round(per))} instantiations for each three typed receivers; ${String(many)} for 500 of each`,
  );
  expect(per / ((some - few) / 125)).toBeLessThan(1.05);
  expect(per).toBeLessThan(2000);
});
