import { setTimeout as pause } from 'node:timers/promises';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, test } from 'vitest';
import { postSave, Signal } from '../../src/index.ts';
import { observe } from '../../src/core/observe.ts';
import { mute } from '../../src/testing.ts';
import {
  inspect,
  publishDiagnostics,
  recordOrigins,
  toHtml,
  toMermaid,
  toText,
  trace,
  type Trace,
  type TracedSend,
} from '../../src/tracing.ts';

const make = (name: string) => new Signal<object, unknown, unknown>(name);
/** A trace without its times. */
const shape = ({ sends }: { readonly sends: readonly TracedSend[] }): unknown[] =>
  sends.map(({ signal, receivers }) => [
    signal,
    ...receivers.map((call) => [`${call.receiver} ${call.state}`, ...shape(call)]),
  ]);

describe('inspect()', () => {
  test('lists receivers in the order of their calls, with all that was asked of them', () => {
    const saved = make('saved');
    class Order {}
    const weakly = function weak() {
      /* for its name */
    };
    saved.connect(function plain() {
      /* for its name */
    });
    saved.connect(
      function keyed() {
        /* for its name */
      },
      { sender: Order, subclasses: true, priority: 5, dispatchUid: 'uid' },
    );
    saved.connect(weakly, { weak: true, once: true });
    const owner = {};
    saved.connect(
      function owned() {
        /* for its name */
      },
      { owner },
    );
    const { name, signal, receivers } = inspect(saved);
    expect([name, signal]).toEqual(['saved', saved]);
    expect(
      receivers.map((each) => [
        each.name,
        each.senderName,
        each.priority,
        each.lifetime,
        each.once,
        each.subclasses,
        each.dispatchUid,
      ]),
    ).toEqual([
      ['keyed', 'Order', 5, 'strong', false, true, 'uid'],
      ['plain', 'any sender', 0, 'strong', false, false, undefined],
      ['weak', 'any sender', 0, 'weak', true, false, undefined],
      ['owned', 'any sender', 0, 'owner', false, false, undefined],
    ]);
    expect(receivers.map(({ sender, origin }) => [sender, origin])).toEqual([
      [Order, undefined],
      [undefined, undefined],
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  test('lists every named signal that is alive, and no other', async () => {
    const named = make('a named signal');
    const unnamed = make('');
    (() => make('a lost signal'))();
    await pause(1);
    (globalThis as unknown as { gc(): void }).gc();
    const signals = inspect().map(({ signal }) => signal);
    expect([signals.includes(named), signals.includes(unnamed), signals.includes(postSave)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(inspect().map(({ name }) => name)).not.toContain('a lost signal');
    expect(() => inspect({} as never)).toThrow(/inspect\(\) takes a signal, not/);
  });

  test('knows the lines of connections made while origins are recorded', () => {
    const saved = make('saved');
    saved.connect(() => 'before');
    const origins = recordOrigins();
    saved.connect(() => 'recorded');
    class Order {}
    saved.connect(() => 'keyed', { sender: Order });
    origins[Symbol.dispose]();
    saved.connect(() => 'after');
    expect(
      inspect(saved).receivers.map(({ origin }) => (origin === undefined ? undefined : origin.file.split('/').at(-1))),
    ).toEqual([undefined, 'tracing.test.ts', 'tracing.test.ts', undefined]);
    expect(inspect(saved).receivers[1]?.origin?.line).toBeGreaterThan(10);
  });
});

describe('trace()', () => {
  const ordered = make('ordered');
  const mailed = make('mailed');

  test('is a tree: sends under the receivers that cause them, in order, with times', () => {
    const [outer, inner] = [make('outer'), make('inner')];
    outer.connect(function first() {
      inner.send('x', {});
      inner.send('y', {});
    });
    outer.connect(function second() {
      return 'value';
    });
    inner.connect(function leaf() {
      /* for its name */
    });
    const { result, trace: traced } = trace(() => outer.send('a', {}).length);
    expect(result).toBe(2);
    expect(shape(traced)).toEqual([
      ['outer', ['first returned', ['inner', ['leaf returned']], ['inner', ['leaf returned']]], ['second returned']],
    ]);
    const [send] = traced.sends;
    expect(send).toMatchObject({ sender: '"a"', method: 'send', error: undefined });
    expect(send?.receivers.map(({ response }) => response)).toEqual(['nothing', 'value']);
    expect(send?.duration).toBeGreaterThanOrEqual(send?.receivers[0]?.duration ?? 0);
    expect(traced.duration).toBeGreaterThanOrEqual(send?.duration ?? 0);
  });

  test('follows async receivers across awaits; parallel traces and what is outside do not mix', async () => {
    const [outer, inner] = [make('outer'), make('inner')];
    outer.connect(async function slow(sender) {
      await pause(3);
      await inner.sendAsync(sender, {});
    });
    inner.connect(async function leaf() {
      await pause(1);
    });
    const [a, , b] = await Promise.all([
      trace(() => outer.sendAsync('a', {})),
      outer.sendAsync('outside', {}),
      trace(() => outer.sendAsync('b', {})),
    ]);
    for (const [traced, sender] of [
      [a, '"a"'],
      [b, '"b"'],
    ] as const) {
      expect(shape(traced.trace)).toEqual([['outer', ['slow returned', ['inner', ['leaf returned']]]]]);
      expect([traced.trace.sends[0]?.sender, traced.trace.sends[0]?.receivers[0]?.response]).toEqual([
        sender,
        'promise',
      ]);
    }
  });

  test('waits for what only begins when it is awaited, such as a query, and follows it', async () => {
    const [outer, inner] = [make('outer'), make('inner')];
    const lazily = (work: () => unknown): PromiseLike<unknown> => ({
      then: (resolve) => Promise.resolve().then(work).then(resolve),
    });
    outer.connect(function query() {
      return lazily(() => inner.send('x', {}));
    });
    inner.connect(function leaf() {
      return 1;
    });
    const { trace: traced } = await trace(() => lazily(() => outer.sendAsync('a', {})) as Promise<unknown>);
    expect(shape(traced)).toEqual([['outer', ['query returned', ['inner', ['leaf returned']]]]]);
  });

  test('errors: of receivers, of sends, and of what is traced', async () => {
    const bad = make('bad');
    bad.connect(function fails() {
      throw new RangeError('no');
    });
    bad.connect(function later() {
      /* for its name */
    });
    let seen: Trace | undefined;
    expect(() =>
      trace(() => bad.send('x', {}), {
        done: (traced) => {
          seen = traced;
        },
      }),
    ).toThrow('no');
    expect([shape(seen as Trace), seen?.sends[0]?.error]).toEqual([[['bad', ['fails threw']]], 'RangeError: no']);
    await expect(
      trace(() => bad.sendAsync('x', {}), {
        done: (traced) => {
          seen = traced;
        },
      }),
    ).rejects.toThrow('no');
    expect(seen?.sends[0]).toMatchObject({ method: 'sendAsync', error: 'RangeError: no' });
    const { trace: robust } = trace(() => bad.sendRobust('x', {}));
    expect([shape(robust), robust.sends[0]?.error]).toEqual([
      [['bad', ['fails threw'], ['later returned']]],
      undefined,
    ]);
    expect(bad.connections).toHaveLength(2);
  });

  test('what did not happen: muted, ended meanwhile, waiting for the commit', async () => {
    const saved = make('saved');
    const owner = {};
    saved.connect(
      function ends() {
        last.disconnect();
      },
      { owner },
    );
    saved.connect(function muted() {
      /* for its name */
    });
    const last = saved.connect(
      function gone() {
        /* for its name */
      },
      { owner },
    );
    const [, second] = saved.connections;
    using mutes = mute({ receiver: second?.receiver as () => void });
    expect(shape(trace(() => saved.send('x', {})).trace)).toEqual([
      ['saved', ['ends returned'], ['muted muted'], ['(gone) ended']],
    ]);
    expect(mutes).toBeDefined();

    class Order {}
    const waiting: (() => unknown)[] = [];
    using connection = postSave.connect(
      function mail() {
        /* for its name */
      },
      { sender: Order, afterCommit: true },
    );
    const send = () =>
      postSave.send(Order, {
        instance: new Order(),
        created: true,
        onCommit: (callback) => void waiting.push(callback),
      });
    expect(shape(trace(send).trace)).toEqual([['postSave', ['mail waiting for the commit']]]);
    const { trace: committed } = await trace(async () => {
      send();
      await waiting.at(-1)?.();
    });
    expect(shape(committed)).toEqual([['postSave', ['mail returned']]]);
    expect(committed.sends[0]?.receivers[0]?.afterCommit).toBe(true);
    expect(connection).toBeDefined();
  });

  test('what is not over when the trace ends is running, and stays so', async () => {
    const saved = make('saved');
    saved.connect(async function slow() {
      await pause(5);
    });
    let sending: Promise<unknown> | undefined;
    const { trace: traced } = trace(() => void (sending = saved.sendAsync('x', {})));
    await sending;
    expect(shape(traced)).toEqual([['saved', ['slow running']]]);
    expect(traced.sends[0]?.duration).toBeUndefined();
  });

  test('changes nothing; leaves nothing behind; a broken observer does not reach the app', () => {
    const saved = make('saved');
    saved.connect(() => 'a');
    const broken = (): never => {
      throw new Error('broken');
    };
    const end = observe({
      watch: () => {
        throw new Error('broken');
      },
      mutes: () => {
        throw new Error('broken');
      },
      hears: () => {
        throw new Error('broken');
      },
      connected: () => {
        throw new Error('broken');
      },
    });
    const calls = [
      observe({
        watch: () => ({
          call: () => {
            throw new Error('broken before');
          },
          skip: broken,
          returned: broken,
          threw: broken,
        }),
      }),
      observe({
        watch: () => ({
          call: (_receiver, invoke) => {
            invoke();
            throw new Error('broken after');
          },
        }),
      }),
    ];
    saved.connect((sender) => {
      if (sender === 'bad') throw new Error('its own');
    });
    expect(() => saved.send('bad', {})).toThrow('its own');
    expect(saved.send('x', {}).map(([, response]) => response)).toEqual(['a', undefined]);
    expect(saved.hasListeners('x')).toBe(true);
    for (const each of [end, ...calls]) each();
    const { result } = trace(() => saved.send('x', {}));
    expect(result.map(([, response]) => response)).toEqual(['a', undefined]);
    expect(trace(() => trace(() => saved.send('x', {})).trace).trace.sends).toEqual([]);
  });

  test('refuses what is no function', () => {
    expect(() => trace(undefined as never)).toThrow(/trace\(\) runs a function, not undefined/);
  });

  test('signals with odd names and senders', () => {
    const odd = make('');
    odd.connect(() => 'anonymous');
    const hostile = {
      get name(): string {
        throw new Error('no');
      },
      toString() {
        throw new Error('no');
      },
    };
    const { trace: traced } = trace(() => odd.send(hostile, {}));
    expect(traced.sends[0]).toMatchObject({ signal: '(unnamed signal)', receivers: [{ receiver: '(anonymous)' }] });
    expect([ordered, mailed].map(({ connections }) => connections.length)).toEqual([0, 0]);
  });
});

describe('renderings', () => {
  const hostile = '</script><script>alert("x")</script>\u2028`${1}`';
  const signal = make(hostile);
  const origins = recordOrigins();
  signal.connect(
    function receive() {
      throw new Error(hostile);
    },
    { sender: hostile, priority: 2, once: true, dispatchUid: hostile },
  );
  origins[Symbol.dispose]();
  const listing = inspect(signal);
  let traced = undefined as unknown as Trace;
  try {
    trace(() => signal.send(hostile, {}), {
      done: (each) => {
        traced = each;
      },
    });
  } catch {
    // what it throws is in the trace
  }

  test('toText() is a tree, with colour only where it is wanted', () => {
    const [outer, inner] = [make('outer'), make('inner')];
    outer.connect(function first() {
      inner.send('x', {});
    });
    outer.connect(
      function last() {
        /* for its name */
      },
      { priority: -1 },
    );
    const text = toText(trace(() => outer.send('a', {})).trace, { color: false }).replace(/[\d.]+ ms/g, '# ms');
    expect(text).toBe(
      '2 sends in # ms\n└─ outer "a"  send, # ms\n   ├─ first  returned, # ms\n   │  └─ inner "x"  send, # ms\n   └─ last  returned, # ms',
    );
    expect(toText(inspect(outer), { color: false })).toBe(
      'outer\n├─ first  any sender\n└─ last  any sender, priority -1',
    );
    expect(toText([inspect(inner)], { color: false })).toBe('inner\n└─ nobody listens');
    expect(toText(inspect(outer), { color: true })).toContain('\u001b[1mouter\u001b[0m');
    // a test runner's output is no terminal
    expect(toText(inspect(outer))).not.toContain('\u001b');
    expect(toText(listing, { color: false })).toMatch(
      /receive {2}".*", priority 2, once, uid .* {2}.*tracing\.test\.ts:\d+:\d+$/s,
    );
    expect(toText(traced, { color: false })).toContain('threw');
  });

  test('toMermaid() takes names as text', () => {
    for (const chart of [toMermaid(listing), toMermaid(traced)]) {
      expect(chart).not.toMatch(/<|alert\("|`/);
      for (const line of chart.split('\n').slice(1))
        expect(line).toMatch(/^ {2}n\d+(\(\["[^"]*"\]\)|\["[^"]*"\]| -->(\|"[^"]*"\|)? n\d+)$/);
    }
  });

  test('toHtml() is one page that needs nothing else, and takes names as text', () => {
    const page = toHtml({ listings: [listing], trace: traced }, { title: hostile });
    expect(page).not.toMatch(/src=|href=|https?:|@import|url\(/);
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page).not.toContain('alert("x")');
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '') as {
      listings: { name: string }[];
      trace: Trace;
    };
    expect([data.listings[0]?.name, data.trace.sends[0]?.sender]).toEqual([hostile, traced.sends[0]?.sender]);
  });
});

describe('publishDiagnostics()', () => {
  const names = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
  const listen = (log: string[]): (() => void) => {
    const undo = ['send', 'receiver'].flatMap((kind) =>
      names.map((name) => {
        const listener = (message: unknown): void => {
          const { receiver, signal, parent } = message as {
            receiver?: { name: string };
            signal?: { name: string };
            parent?: object;
          };
          log.push(
            `${kind} ${name} ${receiver?.name ?? signal?.name ?? ''}${kind === 'send' && parent !== undefined ? ' inside' : ''}`,
          );
        };
        const published = `tracing:tocsin:${kind}:${name}`;
        subscribe(published, listener);
        return () => unsubscribe(published, listener);
      }),
    );
    return () => {
      for (const each of undo) each();
    };
  };

  test('however often it is asked for, it publishes once, until the last has ended', () => {
    const log: string[] = [];
    const stop = listen(log);
    const [first, second] = [publishDiagnostics(), publishDiagnostics()];
    const saved = make('saved');
    saved.send('a', {});
    expect(log).toEqual(['send start saved', 'send end saved']);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    saved.send('a', {});
    expect(log).toHaveLength(4);
    second[Symbol.dispose]();
    saved.send('a', {});
    expect(log).toHaveLength(4);
    stop();
  });

  test('redact: subscribers get what it gives; one that throws hides; what any of several hides is hidden', () => {
    const messages: { sender: unknown; args: unknown; result: unknown; error: unknown }[] = [];
    const listener = (message: unknown): void => void messages.push({ ...(message as (typeof messages)[number]) });
    subscribe('tracing:tocsin:send:end', listener);
    const plain = publishDiagnostics();
    const hiding = publishDiagnostics({ redact: (value, kind) => (kind === 'args' ? { hidden: true } : value) });
    const failing = publishDiagnostics({
      redact: (value, kind) => {
        if (kind === 'error') throw new Error('cannot');
        return value;
      },
    });
    const saved = make('saved');
    saved.connect(() => {
      throw new Error('params: hunter2');
    });
    const args = { password: 'hunter2' };
    expect(() => saved.send('a', args)).toThrow('hunter2');
    expect(messages).toMatchObject([{ sender: 'a', args: { hidden: true }, error: '(redacted)' }]);
    for (const each of [plain, hiding, failing]) each[Symbol.dispose]();
    unsubscribe('tracing:tocsin:send:end', listener);
    expect(() => publishDiagnostics({ redact: 1 as never })).toThrow(/redact must be a function .*not 1/);
  });

  test('publishes the parts of sends and calls, in order, nested ones with their parent; and nothing when it has ended', async () => {
    const [outer, inner] = [make('outer'), make('inner')];
    outer.connect(function call() {
      inner.send('x', {});
    });
    inner.connect(function fail() {
      throw new Error('no');
    });
    const log: string[] = [];
    const stop = listen(log);
    const published = publishDiagnostics();
    expect(() => outer.send('a', {})).toThrow('no');
    expect(log).toEqual([
      'send start outer',
      'receiver start call',
      'send start inner inside',
      'receiver start fail',
      'receiver error fail',
      'receiver end fail',
      'send error inner inside',
      'send end inner inside',
      'receiver error call',
      'receiver end call',
      'send error outer',
      'send end outer',
    ]);
    log.length = 0;
    const slow = make('slow');
    slow.connect(async function wait() {
      await pause(1);
    });
    await slow.sendAsync('a', {});
    await pause(1);
    expect(log).toEqual([
      'send start slow',
      'receiver start wait',
      'receiver end wait',
      'receiver asyncStart wait',
      'receiver asyncEnd wait',
      'send end slow',
      'send asyncStart slow',
      'send asyncEnd slow',
    ]);
    published[Symbol.dispose]();
    log.length = 0;
    slow.send('a', {});
    expect(log).toEqual([]);
    stop();
  });

  test('without subscribers it looks at nothing', () => {
    using published = publishDiagnostics();
    const saved = make('saved');
    saved.connect(() => 'a');
    expect(saved.send('x', {})).toHaveLength(1);
    expect(published).toBeDefined();
  });
});
