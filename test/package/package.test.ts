import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, object>;
  dependencies?: object;
};
const entries = Object.keys(manifest.exports)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => name.replace('.', 'tocsin'));
const declarations = () =>
  readdirSync('dist')
    .filter((file) => /\.d\.c?ts$/.test(file))
    .map((file) => readFileSync(join('dist', file), 'utf8'));

beforeAll(() => {
  if (!existsSync('dist/index.js'))
    throw new Error('These tests are of the built package: npm run build (npm test does)');
});

/** Run a script in a Node of its own, where the package's own name leads to the built files. */
function node(script: string, ...options: string[]): unknown {
  const output = execFileSync(process.execPath, [...options, '--input-type=commonjs', '-e', script], {
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

describe('one set of signals per process', () => {
  test('require and import of every entry point see the same postSave', () => {
    expect(
      node(`
        const names = ${JSON.stringify(entries)};
        const required = names.map((name) => require(name));
        Promise.all(names.map((name) => import(name))).then((modules) => {
          const heard = [];
          const all = [...required, ...modules].filter(({ postSave }) => postSave);
          all[0].postSave.connect((sender) => { heard.push(sender) });
          for (const { postSave } of all) postSave.send('x', { instance: {}, created: true });
          console.log(JSON.stringify([heard.length / all.length, new Set(all.map(({ postSave }) => postSave)).size]));
        });`),
    ).toEqual([1, 1]);
  });

  describe('with a second copy of the library', () => {
    let copy: string;
    beforeAll(() => {
      copy = mkdtempSync(join(tmpdir(), 'tocsin-'));
      cpSync('dist', join(copy, 'dist'), { recursive: true });
      writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
    });
    afterAll(() => {
      rmSync(copy, { recursive: true });
    });
    const both = (body: string): unknown =>
      node(`
        const mine = require('tocsin');
        const other = require(${JSON.stringify(join(copy, 'dist/index.cjs'))});
        class User {}
        const run = () => { ${body} };
        Promise.resolve(run()).then((result) => console.log(JSON.stringify(result)));`);

    test('the model signals are the same, the classes are not', () => {
      expect(both('return [mine.postSave === other.postSave, mine.Signal === other.Signal]')).toEqual([true, false]);
    });

    test('receiver() of one connects to signals of the other, options and all', () => {
      expect(
        both(`
          const signal = new other.Signal('theirs');
          mine.receiver(signal, { sender: User, once: true })(() => 'heard');
          let refused; try { mine.receiver(signal, { sendr: User }) } catch (error) { refused = error.message }
          return [signal.send(User).length, signal.send(User).length, refused.slice(0, 22)]`),
      ).toEqual([1, 0, 'Unknown option "sendr"']);
    });

    test('disconnectReceivers() of one ends the connections of the other', () => {
      expect(
        both(`
          const signal = new other.Signal(); const owner = {};
          signal.connect(() => 1, { owner });
          return [mine.disconnectReceivers(owner), signal.hasListeners()]`),
      ).toEqual([true, false]);
    });

    test('onError() of one hears what the other reports', () => {
      expect(
        both(`
          const heard = []; mine.onError((error) => heard.push(error.message));
          const signal = new other.Signal(); signal.connect(() => Promise.reject(new Error('late'))); signal.sendRobust(null);
          return new Promise((done) => setTimeout(() => done(heard), 10))`),
      ).toEqual(['late']);
    });

    test('legacy decorators of one are connected by connectReceivers() of the other; static ones keep their this', () => {
      expect(
        both(`
          const signal = new other.Signal();
          class Mailer { onSave() { return 'instance' } static audit() { return this === Mailer } }
          mine.receiver(signal)(Mailer.prototype, 'onSave', Object.getOwnPropertyDescriptor(Mailer.prototype, 'onSave'));
          mine.receiver(signal)(Mailer, 'audit', Object.getOwnPropertyDescriptor(Mailer, 'audit'));
          const mailer = new Mailer(); other.connectReceivers(mailer);
          return signal.send(null).map(([, response]) => response)`),
      ).toEqual([true, 'instance']);
    });

    test('once() and on() of one wait for signals of the other', () => {
      expect(
        both(`
          const signal = new other.Signal();
          const waiting = mine.once(signal); signal.send('x');
          return waiting.then(([sender]) => sender)`),
      ).toEqual('x');
    });

    test('one AbortSignal has one listener for both', () => {
      expect(
        both(`
          const { signal: abortSignal } = new AbortController(); let added = 0;
          const add = abortSignal.addEventListener; abortSignal.addEventListener = (...args) => { added++; add.apply(abortSignal, args) };
          const signals = [new mine.Signal(), new other.Signal()];
          for (const signal of signals) signal.connect(() => 1, { signal: abortSignal });
          return added`),
      ).toEqual(1);
    });
  });
});

describe('the published package', () => {
  test('has no runtime dependency, and the core imports nothing', () => {
    expect(manifest.dependencies).toBeUndefined();
    for (const file of ['dist/index.js', 'dist/index.cjs']) {
      const code = readFileSync(file, 'utf8');
      const imported = [...code.matchAll(/(?:from |require\()['"]([^'"]+)['"]/g)].map(([, name]) => name);
      for (const name of imported) {
        expect(name).toMatch(/^\.\/chunk-/);
        expect(readFileSync(join('dist', name ?? ''), 'utf8')).not.toMatch(/(?:from |require\()['"](?!\.)/);
      }
    }
  });

  test('adapters import no ORM, only Node; Drizzle has no other way to its columns, MikroORM none to its contexts', () => {
    for (const file of readdirSync('dist').filter((each) => each.endsWith('.js'))) {
      const imported = [...readFileSync(join('dist', file), 'utf8').matchAll(/from ['"]([^'".]+)['"]/g)].map(
        ([, name]) => name ?? '',
      );
      const others = imported.filter((name) => !name.startsWith('node:'));
      const own = { 'drizzle.js': 'drizzle-orm', 'mikro-orm.js': '@mikro-orm/core' }[file];
      expect(others.filter((name) => own === undefined || !name.startsWith(own))).toEqual([]);
    }
  });

  test('names no package in its code and types that its users do not have: strict package managers find peers, and nothing else', () => {
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { peerDependencies: object };
    const files = readdirSync('dist', { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.(c?js|d\.c?ts)$/.test(file),
    );
    const imported = new Set(
      files.flatMap((file) =>
        [...readFileSync(join('dist', file), 'utf8').matchAll(/(?:from |import\(|require\()['"]([^'".]+)['"]/g)].map(
          ([, name]) => name ?? '',
        ),
      ),
    );
    const packages = [...imported]
      .filter((name) => !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      );
    expect(packages.filter((name) => !(name in peerDependencies))).toEqual([]);
    expect(packages).toContain('typeorm');
  });

  test('declares no private, protected or # member and no unique symbol, so that its ESM and CommonJS types mix', () => {
    expect(declarations().length).toBeGreaterThan(6);
    for (const text of declarations()) {
      const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
      expect(code).not.toMatch(/\b(private|protected)\b|#\w+|unique symbol/);
    }
  });

  test('runs without code generation from strings, and with frozen intrinsics', () => {
    const script = `
      const { Signal, postSave } = require('tocsin');
      const signal = new Signal('s'); signal.connect(() => 'heard', { sender: 'x', priority: 1 }); postSave.connect(() => 1)[Symbol.dispose]();
      console.log(JSON.stringify(signal.send('x').length))`;
    expect(node(script, '--disallow-code-generation-from-strings')).toBe(1);
    expect(node(script, '--frozen-intrinsics', '--no-warnings')).toBe(1);
  });

  test('an options object cannot pollute a prototype', () => {
    expect(
      node(`
        const { Signal } = require('tocsin');
        let refused = 0;
        for (const options of ['{ "__proto__": { "once": true } }', '{ "constructor": {} }']) {
          try { new Signal().connect(() => 1, JSON.parse(options)) } catch { refused++ }
        }
        console.log(JSON.stringify([refused, {}.once === undefined]))`),
    ).toEqual([2, true]);
  });

  test('its types compile for ESM and CommonJS users with lib es2022 and no other types', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-types-'));
    const source = `
      import { on, postSave, type PostSaveArgs, receiver, Signal } from 'tocsin';
      class User { name = '' }
      const signal = new Signal<{ n: number }>('s');
      using connection = signal.connect((sender, { n }) => [sender.name, n], { sender: User });
      export const f = receiver(postSave, { sender: User })((_sender, { instance }) => instance.name);
      export class Mailer { @receiver(postSave, { sender: User }) onSave(_sender: typeof User, { instance }: PostSaveArgs<User>) { return instance.name } }
      export const iterator = on(signal);
      // @ts-expect-error a wrong payload
      signal.send(User, { n: 'text' });`;
    try {
      for (const file of ['a.mts', 'b.cts']) writeFileSync(join(folder, file), source);
      const options = {
        strict: true,
        exactOptionalPropertyTypes: true,
        lib: ['es2022'],
        types: [],
        module: 'nodenext',
        target: 'es2022',
        noEmit: true,
        skipLibCheck: false,
      };
      writeFileSync(
        join(folder, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: options, include: ['*.mts', '*.cts'] }),
      );
      mkdirSync(join(folder, 'node_modules'));
      symlinkSync(resolve('.'), join(folder, 'node_modules/tocsin'));
      const compile = () =>
        execFileSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', folder], {
          encoding: 'utf8',
        });
      expect(compile()).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);
});
