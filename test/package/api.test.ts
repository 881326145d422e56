import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, test } from 'vitest';

const REPORT = 'test/package/public-api.md';
const INTRODUCTION = `# The public API

Every exported name and its signature, from the declarations that are published. Made by the tests: \`npm test -- api --update\` after a change that is
meant, and a line in CHANGELOG.md that names what has changed.
`;

/** What each entry point exports, in the order of the alphabet. What one has from another is only named. */
function report(): string {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const entries = Object.entries(manifest.exports).flatMap(([name, conditions]): [string, string][] =>
    typeof conditions === 'string' ? [] : [[name.replace('.', 'tocsin'), conditions.default.replace(/js$/, 'd.ts')]],
  );
  const program = ts.createProgram(
    entries.map(([, file]) => file),
    { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, skipLibCheck: true },
  );
  const checker = program.getTypeChecker();
  const printer = ts.createPrinter({ removeComments: true });
  const seen = new Map<ts.Declaration, string>();
  const sections = entries.map(([name, file]) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file) as ts.SourceFile);
    const lines = checker.getExportsOfModule(module as ts.Symbol).map((exported): readonly [string, string] => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const declarations = symbol.declarations ?? [];
      const [first] = declarations;
      const known = first && seen.get(first);
      if (known !== undefined) return [exported.name, `export { ${exported.name} } // of ${known}`];
      if (first !== undefined) seen.set(first, name);
      const texts = declarations.map((declaration) => {
        const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
        return printer
          .printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
          .replace(/^(export )?(declare )?/, 'export ');
      });
      return [exported.name, texts.join('\n')];
    });
    const sorted = lines.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
    return `\n## ${name}\n\n\`\`\`ts\n${sorted.join('\n')}\n\`\`\`\n`;
  });
  return INTRODUCTION + sections.join('');
}

/** The text of each name of a report, by entry point and name. */
function namesOf(text: string): Map<string, string> {
  const names = new Map<string, string>();
  for (const [entry = '', ...blocks] of text.split(/^## /m).map((section) => section.split(/^(?=export )/m))) {
    for (const block of blocks) {
      const [, name = ''] = /^export (?:abstract )?(?:\w+ )?(?:\{ )?([\w$]+)/.exec(block) ?? [];
      const key = `${entry.split('\n')[0] ?? ''} ${name}`;
      names.set(key, (names.get(key) ?? '') + block);
    }
  }
  return names;
}

const git = (...args: string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

test('the public API is the one that was reviewed', async () => {
  await expect(report()).toMatchFileSnapshot(`../../${REPORT}`);
});

test.skipIf(!existsSync('.git'))('what was last changed in the public API is named in the changelog', () => {
  const uncommitted = git('status', '--porcelain', '--', REPORT) !== '';
  const commit = uncommitted ? 'HEAD' : git('log', '-1', '--format=%H', '--', REPORT).trim();
  let before: Map<string, string>;
  try {
    before = namesOf(git('show', `${commit}${uncommitted ? '' : '^'}:${REPORT}`));
  } catch {
    // the report was not there before: the changelog has had its say
    return;
  }
  const after = namesOf(readFileSync(REPORT, 'utf8'));
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => key.split(' ')[1] ?? '');
  const changelog = readFileSync('CHANGELOG.md', 'utf8');
  expect(
    [...new Set(changed)].filter((name) => !new RegExp(`\\b${name}\\b`).test(changelog)),
    'changed in the public API, and not in CHANGELOG.md',
  ).toEqual([]);
});
