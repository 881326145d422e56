import { transformSync } from 'esbuild';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { connectReceivers, disconnectReceivers, receiver, Signal } from '../../src/index.ts';

/** The cases in which compilers differ: what a decorator is told, and when. */
const standard = `
  const wrap = (method) => function (...args) { return method.apply(this, args) };
  class Base {
    @receiver(a) @receiver(b) stacked() { return 'base' }
    @receiver(a) @wrap @receiver(b) sandwich() { return 'sandwich' }
    @receiver(a) inherited() { return 'base' }
    @receiver(a, { priority: 1 }) again() { return 'base' }
    @receiver(a) #hidden() { return 'base #hidden' }
    @receiver(a) @receiver(b) field = () => 'field'
    @receiver(a) static once() { return this.name }
  }
  class Derived extends Base {
    inherited() { return 'derived' }
    @receiver(b) again() { return 'again' }
    @receiver(a) #hidden() { return 'derived #hidden' }
  }
  return new Derived();`;
const legacy = `
  class Base {
    @receiver(a) @receiver(b) stacked() { return 'base' }
    @receiver(a) inherited() { return 'base' }
    @receiver(a, { priority: 1 }) again() { return 'base' }
    @receiver(a) static once() { return this.name }
  }
  class Derived extends Base {
    inherited() { return 'derived' }
    @receiver(b) again() { return 'again' }
  }
  const derived = new Derived();
  connectReceivers(derived);
  return derived;`;

const compilers: Record<string, (code: string, experimentalDecorators: boolean) => string> = {
  tsc: (code, experimentalDecorators) =>
    ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, experimentalDecorators },
    }).outputText,
  esbuild: (code, experimentalDecorators) =>
    transformSync(code, {
      loader: 'ts',
      target: 'es2022',
      tsconfigRaw: { compilerOptions: { experimentalDecorators } },
    }).code,
};

describe.each(Object.keys(compilers))('compiled by %s', (name) => {
  test.each([
    [
      'TC39 decorators',
      standard,
      false,
      ['Base', 'base', 'base #hidden', 'derived', 'derived #hidden', 'field', 'sandwich'],
      ['again', 'base', 'field', 'sandwich'],
    ],
    ['experimentalDecorators', legacy, true, ['Base', 'base', 'derived'], ['again', 'base']],
  ] as const)('%s', (_kind, code, experimentalDecorators, ofA, ofB) => {
    const a = new Signal('a');
    const b = new Signal('b');
    const compiled =
      compilers[name]?.(
        `globalThis.$fixture = ({ receiver, connectReceivers, a, b }) => {${code}}`,
        experimentalDecorators,
      ) ?? '';
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the code is this file's own
    (new Function(compiled) as () => void)();
    const { $fixture } = globalThis as unknown as { $fixture: (scope: object) => object };
    const instance = $fixture({ receiver, connectReceivers, a, b });
    const responses = (signal: Signal) =>
      signal
        .send(null)
        .map(([, response]) => response as string)
        .sort();
    expect(responses(a)).toEqual(ofA);
    expect(responses(b)).toEqual(ofB);
    connectReceivers(instance);
    expect(responses(a)).toEqual(ofA);
    disconnectReceivers(instance);
    expect(responses(a)).toEqual(['Base']);
  });
});
