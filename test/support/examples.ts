import { readFileSync } from 'node:fs';
import { format } from 'node:util';
import { transform } from 'esbuild';
import { expect } from 'vitest';

/** A fenced block of TypeScript in a document, and where it stands. */
export interface Example {
  readonly file: string;
  readonly line: number;
  readonly code: string;
  /** What it prints, if a block without a language follows it at once. */
  readonly output: string | undefined;
}

/**
 * The ```ts blocks of a Markdown file, or in the comments of a source file. ```ts with more words after it is shown,
 * not run.
 */
export function examplesIn(file: string): Example[] {
  const examples: Example[] = [];
  const lines = readFileSync(file, 'utf8').split('\n');
  let start: number | undefined;
  let indent = '';
  for (const [index, line] of lines.entries()) {
    const fence = /^(\s*\*? ?)```(.*)$/.exec(line);
    if (fence === null) continue;
    if (start !== undefined) {
      const code = lines
        .slice(start, index)
        .map((each) => each.slice(indent.length))
        .join('\n');
      const [blank, opening] = lines.slice(index + 1);
      const output =
        blank === '' && opening === '```'
          ? lines.slice(index + 3, lines.indexOf('```', index + 3)).join('\n')
          : undefined;
      examples.push({ file, line: start + 1, code, output });
      start = undefined;
    } else if (fence[2] === 'ts') {
      start = index + 1;
      indent = fence[1] ?? '';
    } else if (fence[2] !== '') {
      // another language: skip to its end
      const end = lines.findIndex((each, at) => at > index && /^(\s*\*? ?)```$/.test(each));
      lines.fill('', index, end + 1);
    }
  }
  return examples;
}

/**
 * Run an example with `scope` in reach, and hold it to what its comments say: `expression // value` is compared, and so
 * is what `console.log(…) // value` prints. Imports are taken from the scope.
 */
export async function run({ file, line, code, output }: Example, scope: Record<string, unknown>): Promise<void> {
  const checked = body(code).split('\n').map(withCheck).join('\n');
  const { code: js } = await transform(`const $example = async () => {\n${checked}\n}`, {
    loader: 'ts',
    target: 'es2022',
    sourcefile: file,
  });
  const printed: unknown[] = [];
  const environment = {
    ...scope,
    console: { log: (...values: unknown[]) => void printed.push(values.length === 1 ? values[0] : format(...values)) },
    $equal: (actual: unknown, expected: unknown) => {
      expect(actual, `${file}:${String(line)}`).toEqual(expected);
    },
    $printed: (expected: unknown) => {
      expect(printed.shift(), `${file}:${String(line)}`).toEqual(expected);
    },
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the examples are this repository's own
  const example = new Function(...Object.keys(environment), `${js}\nreturn $example`) as (
    ...values: unknown[]
  ) => () => Promise<void>;
  await example(...Object.values(environment))();
  if (output !== undefined)
    expect(printed.map((each) => format(each)).join('\n'), `${file}:${String(line)}`).toBe(output);
}

/** The example as the body of a function: without its imports and exports. */
export function body(code: string): string {
  return code.replace(/^import .*$/gm, '').replace(/^export /gm, '');
}

function withCheck(line: string): string {
  const match = /^(\s*)([^\s/].*?)\s*\/\/ (.+)$/.exec(line);
  if (match === null) return line;
  const [, indent = '', statement = '', comment = ''] = match;
  const expected = literal(comment) ?? literal(comment.replace(/: .*$/, ''));
  if (expected === undefined || /^(const|let|using|await using|if|for|class|return|@|\})/.test(statement)) return line;
  if (statement.startsWith('console.log(')) return `${indent}${statement}; $printed(${expected})`;
  return `${indent}$equal(${statement.replace(/;$/, '')}, ${expected})`;
}

/** The comment as an expression, if it is a value and not a remark. */
function literal(comment: string): string | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- as above
    (new Function(`return (${comment})`) as () => unknown)();
    return `(${comment})`;
  } catch {
    return undefined;
  }
}
