import { afterEach, expect, test } from 'vitest';
import { callSite, originOf, stackHere } from '../../src/core/origin.ts';

const { prepareStackTrace } = Error;
afterEach(() => {
  Error.prepareStackTrace = prepareStackTrace;
});

test.each<[string, () => unknown]>([
  ['gives no string', () => 42],
  [
    'throws',
    () => {
      throw new Error('no stack');
    },
  ],
  [
    'gives a proxy that refuses',
    () =>
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no');
          },
        },
      ),
  ],
])('an Error.prepareStackTrace that %s: no place, and no throw', (_name, prepare) => {
  Error.prepareStackTrace = prepare as never;
  expect(originOf(stackHere())).toBeUndefined();
  expect(callSite()).toBe('');
});

test('reading a place takes linear time in the length of a function name', () => {
  const name = 'a'.repeat(1_000_000);
  const text = { stack: `Error\n    at own (/lib/core/origin.js:1:1)\n    at ${name} ${name}(/app/user file.js:3:7)` };
  expect(originOf({ sites: {}, text })).toEqual({ file: 'file.js', line: 3, column: 7 });
  const odd = { stack: `Error\n    at own (/lib/core/origin.js:1:1)\n    at ${name}:1 ${':1'.repeat(200_000)}x` };
  expect(originOf({ sites: {}, text: odd })).toBeUndefined();
});
