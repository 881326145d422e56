import { spawnSync } from 'node:child_process';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { describe as describeValue, isPromise, nameOf, printable, printableLines } from '../../src/core/describe.ts';
import { onError, Signal } from '../../src/index.ts';
import { mockSender, record } from '../../src/testing.ts';
import { publishDiagnostics, toHtml, toMermaid, toText, trace, inspect } from '../../src/tracing.ts';

const fail = (): never => {
  throw new Error('do not look at me');
};
/** An object of which every operation throws, or the one that is named. */
const trap = (target: object, ...traps: string[]): object =>
  new Proxy(target, Object.fromEntries((traps.length > 0 ? traps : ALL_TRAPS).map((name) => [name, fail])));
const ALL_TRAPS = Object.getOwnPropertyNames(Reflect);

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** Makes what nobody should throw, reject with, return or send. Made in the test: fast-check would look at it. */
const hostile: fc.Arbitrary<() => unknown> = fc.oneof(
  fc.anything({ withBigInt: true, withNullPrototype: true }).map((value) => () => value),
  fc.string({ unit: 'binary' }).map((text) => () => text),
  fc.constantFrom<() => unknown>(
    () => trap({}),
    () => trap(new Error('inside')),
    () => trap(class User {}),
    () => trap(() => undefined, 'get'),
    () => trap({}, 'getPrototypeOf'),
    () => trap({}, 'ownKeys'),
    () => trap([], 'get'),
    () => revoked({}),
    () => revoked(() => undefined),
    () => revoked([]),
    () => Symbol('\u001b[2J'),
    () => Object.create(null) as object,
    () => Object.freeze(Object.assign(new Error('frozen'), { name: Symbol('name') })),
    ...['stack', 'message', 'name', 'cause', 'constructor', 'toString', 'then', 'errors', 'toJSON'].flatMap((key) => [
      () => Object.defineProperty(new Error('getter'), key, { get: fail }),
      () => Object.defineProperty({}, key, { get: fail, enumerable: true }),
      () => Object.defineProperty(new Error('symbol'), key, { value: Symbol('hostile') }),
      () => Object.defineProperty(new Error('text'), key, { value: '\u001b[2J\u202e\u0000'.repeat(10) }),
      () => Object.defineProperty(new Error('throws'), key, { value: fail }),
    ]),
    () => ({ [Symbol.for('nodejs.util.inspect.custom')]: fail }),
    () => ({ [Symbol.toPrimitive]: fail }),
    () => ({
      get [Symbol.toStringTag]() {
        return fail();
      },
    }),
    () => {
      const error: Error & { errors?: unknown } = new Error('circle');
      error.cause = error;
      error.errors = [error];
      return error;
    },
    () => new AggregateError([trap({}), revoked({})], '\u0007'),
    () => 'x'.repeat(1_000_000),
    () => new Error('y'.repeat(1_000_000)),
  ),
);

const UNSAFE = /[\p{Cc}\p{Bidi_Control}]/u;
const settle = () => new Promise((resolve) => setTimeout(resolve));

test('describing, naming and recognising never throw, and give one short printable line', () => {
  fc.assert(
    fc.property(hostile, (make) => {
      const value = make();
      expect(describeValue(value)).not.toMatch(UNSAFE);
      expect(describeValue(value).length).toBeLessThan(500);
      expect(nameOf(value)).not.toMatch(UNSAFE);
      expect(typeof isPromise(value)).toBe('boolean');
    }),
    { numRuns: 500 },
  );
});

test('escaping leaves nothing that commands a terminal, and what is harmless as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(UNSAFE);
      expect(printable(printable(text))).toBe(printable(text));
      expect(printableLines(text).replaceAll('\n', '')).not.toMatch(UNSAFE);
      expect(printableLines(text).split('\n')).toHaveLength(text.split('\n').length);
    }),
  );
  expect(printable('Ünï → 🔔 👩‍🚀 日本\u2028')).toBe('Ünï → 🔔 👩‍🚀 日本\u2028');
  expect(printable('a\u001b[2Jb\u202ec\nd\u007f')).toBe('a\\u001b[2Jb\\u202ec\\nd\\u007f');
});

describe('an error that is reported', () => {
  let printed: unknown[][];
  beforeEach(() => {
    printed = [];
    vi.spyOn(console, 'error').mockImplementation((...data) => void printed.push(data));
  });
  afterEach(() => vi.restoreAllMocks());

  const reject = async (error: unknown): Promise<void> => {
    const signal = new Signal('saved');
    signal.connect(() => Promise.reject(error));
    signal.sendRobust('orders');
    await settle();
  };

  test('whatever it is, is printed, and never becomes an unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listener);
    await fc.assert(
      fc.asyncProperty(hostile, async (make) => {
        printed.length = 0;
        await reject(make());
        expect(printed).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
    using handler = onError((error) => {
      throw error;
    });
    void handler;
    await fc.assert(
      fc.asyncProperty(hostile, (make) => reject(make())),
      { numRuns: 200 },
    );
    process.off('unhandledRejection', listener);
    expect(unhandled).toEqual([]);
  });

  test('is printed by a real console, which looks at it, and also by one that is broken', async () => {
    vi.restoreAllMocks();
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await fc.assert(
      fc.asyncProperty(hostile, (make) => reject(make())),
      { numRuns: 100 },
    );
    vi.spyOn(console, 'error').mockImplementation(fail);
    await reject(new Error('lost'));
  });

  test('cannot command the terminal, itself or by what caused it, and is printed as it is otherwise', async () => {
    const harmless = new Error('two\nlines', { cause: new Error('why') });
    await reject(harmless);
    expect(printed).toEqual([['tocsin: saved → (anonymous) failed:', harmless]]);
    for (const error of [
      '\u001b[2J',
      new Error('\u001b]0;owned\u0007'),
      new Error('no', { cause: new Error('\u001b[1A') }),
      new AggregateError([new Error('\u202e')], 'all'),
    ]) {
      printed.length = 0;
      await reject(error);
      expect(printed[0]?.[1]).toMatch(/\\u001b|\\u202e/);
      expect(String(printed[0]?.[1]).replaceAll('\n', '')).not.toMatch(UNSAFE);
    }
  });
});

describe('tools', () => {
  const evil = 'name\u001b[2J\u202e\n└─ forged';

  test('show names, senders and errors of hostile data on the lines where they belong', () => {
    const signal = new Signal(evil);
    const receiver = Object.defineProperty(() => fail(), 'name', { value: evil });
    signal.connect(receiver, { dispatchUid: evil });
    let traced: unknown;
    expect(() => trace(() => signal.send(mockSender(evil)), { done: (trace) => void (traced = trace) })).toThrow(
      'do not look',
    );
    expect(traced).toBeDefined();
    expect(() =>
      trace(() => {
        signal.send(evil);
      }),
    ).toThrow('do not look');
    const text = [toText(traced as never, { color: false }), toText(inspect(signal), { color: false })];
    expect(text.map((each) => each.split('\n').length)).toEqual([3, 2]);
    for (const each of text) expect(each.replaceAll('\n', '')).not.toMatch(UNSAFE);
    for (const each of [toMermaid(traced as never), toHtml(traced as never)])
      expect(each.replaceAll('\n', '')).not.toMatch(UNSAFE);
  });

  test('keep a long error short, with a mark', () => {
    const signal = new Signal('x'.repeat(1_000_000));
    signal.connect(() => {
      throw new Error('y'.repeat(50_000));
    });
    const { trace: traced } = trace(() => signal.sendRobust('z'.repeat(1_000_000)).length);
    expect(toText(traced).length).toBeLessThan(5000);
    expect(toHtml(traced).length).toBeLessThan(40_000);
    expect(traced.sends[0]?.receivers[0]?.error).toMatch(/y… \(50007 characters\)$/);
  });

  test('neither fail an app nor change it, whatever is sent, returned and thrown', async () => {
    const published = publishDiagnostics();
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (makeValue, makeError) => {
        const [value, error] = [makeValue(), makeError()];
        const signal = new Signal<object, unknown, unknown>('saved');
        const recording = record(signal);
        signal.connect(() => value);
        signal.connect(() => {
          throw error;
        });
        const { result, trace: traced } = trace(() => signal.sendRobust(value, {}));
        expect(result.map(([, { status }]) => status)).toEqual(['fulfilled', 'rejected']);
        expect(typeof toText(traced) + typeof toMermaid(traced) + typeof toHtml(traced)).toBe('stringstringstring');
        expect(recording.count).toBe(1);
        recording[Symbol.dispose]();
        await settle();
      }),
      { numRuns: 200 },
    );
    published[Symbol.dispose]();
  });
});

describe('redact', () => {
  const secret = 'hunter2';
  const redact = (value: unknown, kind: string): unknown => (kind === 'args' ? { hidden: true } : 'hidden');

  test('hides senders and errors of a trace and of a page', async () => {
    const signal = new Signal<object, unknown, unknown>('saved');
    signal.connect(() => Promise.reject(new Error(`params: ${secret}`)), { sender: secret });
    const send = () => signal.sendRobustAsync(secret, {});
    const { trace: hidden } = await trace(send, { redact });
    expect(JSON.stringify(hidden)).not.toContain(secret);
    expect(hidden.sends[0]).toMatchObject({ signal: 'saved', sender: '"hidden"', receivers: [{ error: 'hidden' }] });
    const { trace: shown } = await trace(send);
    expect(toHtml(shown)).toContain(secret);
    expect(toHtml({ listings: [inspect(signal)], trace: shown }, { redact })).not.toContain(secret);
    expect(toHtml(shown, { redact: fail })).not.toContain(secret);
    const { trace: failing } = await trace(send, { redact: fail });
    expect(JSON.stringify(failing)).not.toContain(secret);
  });
});

describe('the registry that copies share', () => {
  let bundle: string;
  beforeAll(async () => {
    const { outputFiles } = await build({
      // without exports, for which esbuild adds helpers that fall over what Object.prototype has
      stdin: {
        contents: "import { Signal, receiver } from './src/index.ts'; made = { Signal, receiver }",
        resolveDir: process.cwd(),
      },
      bundle: true,
      write: false,
      format: 'iife',
      target: 'node20.19',
    });
    bundle = outputFiles[0]?.text ?? '';
  });
  /** What an app says that imports tocsin in a world of its own, in which something has been done before. */
  const run = (before: string): string => {
    const context = createContext({});
    const script = `(() => { try { const { Signal, receiver } = (() => { let made; ${bundle}; return made })()
      const signal = new Signal('saved')
      const connection = receiver(signal, { sender: 'x' })(() => 1)
      signal.connect(() => 2, { priority: 2, owner: signal })
      return signal.send('x').map(([, answer]) => answer).join()
    } catch (error) { return error.message } })()`;
    runInContext(before, context);
    return String(runInContext(script, context));
  };

  test.each([
    ['a number', '1', /^tocsin keeps "\w+" .* another package has taken that place/],
    ['an object like a Map', '{ get() {}, set() {} }', /another package has taken that place/],
    ['a Map with something else', "new Map([['owners', {}]])", /^tocsin keeps "owners" for all its copies/],
    ['one that somebody has only begun', "new Map([['errorHandlers', undefined], ['tools', null]])", /^2,1$/],
  ])('%s in its place: one sentence at import, or it works', (_name, value, expected) => {
    expect(run(`globalThis[Symbol.for('tocsin/1')] = ${value}`)).toMatch(expected);
  });

  test('a global that cannot be extended: one sentence at import', () => {
    const script = `Object.preventExtensions(globalThis); try { let made; ${bundle} } catch (error) { console.log(error.message) }`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(stdout).toMatch(/^tocsin keeps "\w+" .* or globalThis was frozen before/);
  });

  test.each(['get', 'set', 'value', 'error', 'owner', 'sender', 'kind', 'stack', 'cause', 'signal', 'then', 'weak'])(
    'Object.prototype.%s of another package changes nothing',
    (name) => {
      for (const value of ['() => 1', "'odd'", 'true'])
        expect(
          run(
            name === 'get' || name === 'set'
              ? `Object.prototype.${name} = () => 1`
              : `Object.prototype.${name} = ${value}`,
          ),
        ).toBe('2,1');
    },
  );
});
