import { readFileSync, writeFileSync } from 'node:fs';

const README = 'README.md';

/** A part of the README that a program writes, between two comments. */
export function readmePart(begin: string, end: string): { readonly current: string; write(text: string): void } {
  const [before = '', rest = ''] = readFileSync(README, 'utf8').split(begin);
  const [current = '', after] = rest.split(end);
  if (after === undefined)
    throw new Error(`${README} has no place for the table: it goes between ${begin.trim()} and ${end}`);
  return {
    current,
    write: (text) => {
      writeFileSync(README, `${before}${begin}${text}${end}${after}`);
    },
  };
}
