import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
/** What each file imports of this project, types included. */
const imports = new Map(
  files.map((file) => [
    file,
    [...readFileSync(join('src', file), 'utf8').matchAll(/^(?:import|export) .*?from '(\.[^']+)'/gms)].map(([, path]) =>
      normalize(join(dirname(file), path ?? '')),
    ),
  ]),
);

describe('the tree is the architecture', () => {
  test('no circles', () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const imported of imports.get(file) ?? []) visit(imported, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('core/ imports only core/, testing/ and tracing/ that and their own, orm/ only core/, orm/ and the model signals; an ORM nothing of another', () => {
    for (const [file, imported] of imports) {
      const [folder, orm, inside] = file.split('/');
      for (const each of imported) {
        if (folder === 'core') expect(each, file).toMatch(/^core\//);
        if (folder === 'testing' || folder === 'tracing')
          expect(each, file).toMatch(new RegExp(`^(core/|models\\.ts$|${folder}/)`));
        if (folder === 'orm') expect(each, file).toMatch(/^(core\/|orm\/|models\.ts$)/);
        if (folder === 'orm' && inside === undefined) expect(each, file).not.toMatch(/^orm\/\w+\//);
        if (folder === 'orm' && inside !== undefined && /^orm\/\w+\//.test(each))
          expect(each, file).toMatch(new RegExp(`^orm/${orm ?? ''}/`));
      }
    }
  });

  test('every entry point is in package.json and in the build', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object; peerDependencies: object };
    const build = readFileSync('tsup.config.ts', 'utf8');
    for (const file of files.filter((each) => !each.includes('/') && each !== 'models.ts')) {
      const name = file.replace('.ts', '');
      expect(Object.keys(manifest.exports)).toContain(name === 'index' ? '.' : `./${name}`);
      expect(build).toContain(`src/${file}`);
      if (!['index', 'testing', 'tracing'].includes(name))
        expect(Object.keys(manifest.peerDependencies).join()).toContain(name);
    }
  });

  test('every file is in CONTRIBUTING.md, or its folder is', () => {
    const guide = readFileSync('CONTRIBUTING.md', 'utf8');
    for (const file of files) {
      const [folder, orm, inside] = file.split('/');
      if (folder === 'testing' || folder === 'tracing') expect(guide).toContain(`${folder}/`);
      else expect(guide).toContain(inside === undefined ? (file.split('/').at(-1) ?? file) : `${orm ?? ''}/`);
    }
  });
});
