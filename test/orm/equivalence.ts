/**
 * Attaching changes nothing. Random programs over the whole write API of an ORM run twice, on a database of each: bare,
 * and with signals attached and receivers that do nothing. Every value, error, row and hook must be the same; without
 * receivers every statement, too.
 *
 * How to plug an ORM in: a file `test/orm/equivalence/<orm>.test.ts` that calls `equivalence(subject)`.
 *
 * - `api`: the prototypes that hold the ORM's methods, by name: `{ InsertQueryBuilder: InsertQueryBuilder.prototype
 *   }`; a plain object of functions will do as well. `entries` and `excused` together must name each method once at
 *   least, as `Class.method`; a method of a new release fails the test until someone has looked at it.
 * - `entries`: what a program may do. `step` makes one step: small, JSON-like, readable when printed, no functions and
 *   no instances; `perform()` makes calls of it. Callbacks are written as data (Kysely's file has a tiny interpreter).
 *   Entries that contain steps, such as transactions, are functions: `step: (nested) => fc.record({ transaction:
 *   nested })`. `covers` names the methods that it calls.
 * - `excused`: methods that are left out, each with the reason. `Class.*` is all of a class, `Class.with*` a part of
 *   it.
 * - `options`: the options of the adapter besides `bulk`, each with the values to try: `{ atomic: [true, false] }`.
 * - `open(engine, name)` makes a database (`freshDatabase()` for one on a server) with a fixed schema: a table with
 *   defaults, a composite key, a unique column, and nothing random in it. It returns a `Session`; two are open at
 *   once, and every program begins with `reset()`. `attach(options)` attaches signals, `detach()` takes them off
 *   again: programs alternate between bare and attached. `hooks()` tells the ORM's own hooks that have run (which, in
 *   which order), `statements()` what was sent to the database, both since `reset()`.
 * - `perform(step)` returns what the call resolves to, and throws what it throws. Steps that run several calls return
 *   all outcomes: `settle()` makes something comparable of a promise that may reject.
 * - Values are compared with their classes and own keys, in order, hidden ones included. `leaf(value)` shortens what
 *   must not be walked into (a DataSource, a driver's client) or cannot be the same (a time): it returns the text to
 *   compare.
 * - An option that is there to change something, such as `atomic`, is compared with what it promises: before each run
 *   `imitate(options)` has the bare session do that by itself.
 * - `inParts(step)`: calls that write by several statements without a transaction. If `bulk: 'throw'` refuses one of
 *   them, those before it have been done.
 *
 * A failure prints the seed, the shortest program found, and the first difference. EQUIVALENCE_SEED=… repeats it; `npm
 * run check:equivalence -- --minutes 10 --orm kysely --engine postgres` is the long run.
 *
 * Beside it, `structureOf()` of `test/orm/structure.ts` holds each wrapped handle against the bare one.
 */
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import * as models from '../../src/models.ts';
import { type AnyEngine, availableEngines, type Engine } from '../support/databases.ts';
import { methodsOf, notHeldBy } from './equivalence/api.ts';
import { firstDifference, type Leaf, snapshotOf, snapshotOfError } from './equivalence/snapshot.ts';

export type { Engine } from '../support/databases.ts';
export { settle } from './equivalence/snapshot.ts';

/** An ORM, with its write API as programs can use it. */
export interface Subject<TStep, TEngine extends AnyEngine = Engine> {
  readonly orm: string;
  readonly engines: readonly TEngine[];
  readonly api: Readonly<Record<string, object>>;
  readonly entries: Readonly<Record<string, Entry<TStep, TEngine>>>;
  readonly excused: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, readonly unknown[]>>;
  readonly leaf?: Leaf;
  readonly inParts?: (step: TStep) => boolean;
  open(engine: TEngine, name: string): Promise<Session<TStep>>;
}

export interface Entry<TStep, TEngine extends AnyEngine = Engine> {
  readonly covers: readonly string[];
  readonly step: fc.Arbitrary<TStep> | ((nested: fc.Arbitrary<TStep[]>) => fc.Arbitrary<TStep>);
  /** How often, compared with the others. Default 1. */
  readonly weight?: number;
  /** Default: all. */
  readonly engines?: readonly TEngine[];
}

/** One database, and a handle of the ORM for it. */
export interface Session<TStep> {
  /** Empty every table, begin its ids anew, forget hooks and statements. */
  reset(): Promise<void>;
  attach(options: object): void | Promise<void>;
  imitate?(options: object): void;
  detach(): void | Promise<void>;
  perform(step: TStep): Promise<unknown>;
  /** The rows of every table, in the order of their keys, read past the ORM's hooks. */
  rows(): Promise<Readonly<Record<string, unknown>>>;
  hooks(): readonly string[];
  statements(): readonly string[];
  close(): Promise<void>;
}

interface Configuration {
  readonly name: string;
  readonly options: object;
  readonly receivers: boolean;
}

const { EQUIVALENCE_MINUTES, EQUIVALENCE_SEED, EQUIVALENCE_ENGINE } = process.env;
const LONG = EQUIVALENCE_MINUTES !== undefined;
/** The short run is the same on every machine, so that it does not fail in the work of somebody else. */
const SEED = Number(EQUIVALENCE_SEED ?? (LONG ? Date.now() % 1e9 : 12));
const PROGRAMS = LONG ? 25 : 12;
const SHORT_MS = 60_000;
const SHRINK_MS = 60_000;
/** No program takes longer, unless it hangs. */
const HANG_MS = 10_000;

/** Registers the tests of an ORM. */
export function equivalence<TStep, TEngine extends AnyEngine = Engine>(subject: Subject<TStep, TEngine>): void {
  const { orm, api, entries, excused } = subject;
  const chosen = subject.engines.filter((engine) => [undefined, engine].includes(EQUIVALENCE_ENGINE as TEngine));
  const engines = availableEngines(...chosen);
  const configurations = configurationsOf(subject.options);
  const budget = LONG ? (Number(EQUIVALENCE_MINUTES) * 60_000) / (engines.length * configurations.length) : SHORT_MS;

  describe(`${orm}, equivalence`, () => {
    test('every method of the ORM is in the table, or excused with a reason', () => {
      const covered = Object.values(entries).flatMap((entry) => entry.covers);
      expect(notHeldBy(methodsOf(api), covered, excused)).toEqual({ missing: [], stale: [], both: [] });
    });

    describe.each(engines)('%s', (engine) => {
      let sessions: Pair<TStep>;
      const open = async (): Promise<void> => {
        const name = `${orm.toLowerCase().replace(/\W/g, '')}_equivalence`;
        sessions = {
          bare: await subject.open(engine, `${name}_bare`),
          attached: await subject.open(engine, `${name}_attached`),
        };
      };
      const printers = process.listeners('warning');
      beforeAll(async () => {
        // bulk writes are warned of by the hundred
        process.removeAllListeners('warning').on('warning', () => undefined);
        await open();
      });
      afterAll(async () => {
        process.removeAllListeners('warning');
        for (const print of printers) process.on('warning', print);
        const { bare, attached } = sessions;
        for (const session of [bare, attached]) await within(HANG_MS, session.close(), undefined);
      }, 3 * HANG_MS);

      for (const configuration of configurations) {
        const { name } = configuration;
        test(name, { timeout: budget + SHRINK_MS + 30_000 }, async () => {
          const program = programs(entries, engine);
          const until = Date.now() + budget;
          let seed = SEED;
          do {
            const failure = await tryPrograms(program, seed++, until, async (steps) => {
              const difference = await compare(subject, sessions, configuration, steps);
              if (difference?.startsWith('hangs') === true) await open();
              return difference;
            });
            if (failure !== undefined) throw new Error(failure);
          } while (LONG && Date.now() < until);
        });
      }
    });
  });
}

interface Pair<TStep> {
  readonly bare: Session<TStep>;
  readonly attached: Session<TStep>;
}

/** Without receivers; with them, and each option by itself. */
function configurationsOf(options: Subject<unknown>['options']): Configuration[] {
  const each = { bulk: ['signal', 'throw', 'individual'], ...options };
  return [
    { name: 'no receivers', options: {}, receivers: false },
    { name: 'receivers', options: {}, receivers: true },
    ...Object.entries(each).flatMap(([option, values]) =>
      values.map((value) => ({
        name: `receivers, ${option}: ${JSON.stringify(value)}`,
        options: { [option]: value },
        receivers: true,
      })),
    ),
  ];
}

function programs<TStep, TEngine extends AnyEngine>(
  entries: Subject<TStep, TEngine>['entries'],
  engine: TEngine,
): fc.Arbitrary<TStep[]> {
  const usable = Object.values(entries).filter((entry) => entry.engines?.includes(engine) ?? true);
  const { program } = fc.letrec<{ program: TStep[] }>((tie) => ({
    program: fc.array(
      fc.oneof(
        { maxDepth: 2, withCrossShrink: true },
        ...usable.map(({ step, weight = 1 }) => ({
          arbitrary: typeof step === 'function' ? step(tie('program')) : step,
          weight,
        })),
      ),
      { minLength: 1, maxLength: 6, depthIdentifier: 'program' },
    ),
  }));
  return program;
}

/** The text of a failure, of the shortest program that was found for it. */
async function tryPrograms<TStep>(
  program: fc.Arbitrary<TStep[]>,
  seed: number,
  until: number,
  differs: (steps: TStep[]) => Promise<string | undefined>,
): Promise<string | undefined> {
  let last = until;
  const property = fc.asyncProperty(program, async (steps) => {
    if (Date.now() > last) return;
    const difference = await differs(steps);
    if (difference === undefined) return;
    if (last === until) last = Date.now() + SHRINK_MS;
    throw new Error(difference);
  });
  const { failed, counterexample, errorInstance } = await fc.check(property, { seed, numRuns: PROGRAMS });
  if (!failed) return undefined;
  let failure = { steps: counterexample?.[0] ?? [], difference: (errorInstance as Error).message };
  for (let shorter: typeof failure | undefined = failure; shorter !== undefined;) {
    failure = shorter;
    shorter = await shorten(failure.steps, differs);
  }
  const lines = failure.steps.map((step, index) => `  ${String(index)}. ${fc.stringify(step)}`);
  return [`EQUIVALENCE_SEED=${String(seed)}`, ...lines, failure.difference].join('\n');
}

/** A step less, also in steps of steps: fast-check shortens programs at their beginning only. */
async function shorten<TStep>(
  steps: readonly TStep[],
  differs: (steps: TStep[]) => Promise<string | undefined>,
): Promise<{ steps: TStep[]; difference: string } | undefined> {
  for (const fewer of fewerOf(steps) as TStep[][]) {
    const difference = fewer.length === 0 ? undefined : await differs(fewer);
    if (difference !== undefined) return { steps: fewer, difference };
  }
  return undefined;
}

function fewerOf(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if (!Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => fewerOf(inner).map((fewer) => ({ ...value, [key]: fewer })));
  }
  const whole: readonly unknown[] = value;
  return whole.flatMap((element, index) =>
    typeof element === 'object' && !Array.isArray(element)
      ? [whole.toSpliced(index, 1), ...fewerOf(element).map((fewer) => whole.with(index, fewer))]
      : [],
  );
}

/** The first difference between the two ways to run a program. */
async function compare<TStep>(
  { leaf, inParts }: Pick<Subject<TStep>, 'leaf' | 'inParts'>,
  { bare, attached }: Pair<TStep>,
  { options, receivers }: Configuration,
  steps: readonly TStep[],
): Promise<string | undefined> {
  const runs = async (): Promise<string | undefined> => {
    await attached.reset();
    await attached.attach(options);
    const owner = {};
    if (receivers) connectEverywhere(owner);
    let outcome: Outcome;
    try {
      outcome = await run(attached, steps, leaf);
    } finally {
      disconnectReceivers(owner);
      await attached.detach();
    }
    await bare.reset();
    bare.imitate?.(options);
    // What `bulk: 'throw'` refuses is not done, and nothing after it can be compared.
    const refusal = outcome.steps.findIndex(hasRefusal);
    const expected = await run(bare, refusal === -1 ? steps : steps.slice(0, refusal), leaf);
    const statements = receivers ? 'not compared' : undefined;
    if (refusal === -1) return firstDifference({ ...expected, statements }, { ...outcome, statements });
    const refused = { ...outcome, steps: outcome.steps.slice(0, refusal), hooks: expected.hooks, statements };
    // A transaction may have gone on after the refusal of one of its writes.
    const isPartial = !isRefusal(outcome.steps[refusal]) || inParts?.(steps[refusal] as TStep) === true;
    if (isPartial) refused.rows = expected.rows;
    return firstDifference({ ...expected, statements }, refused);
  };
  return within(HANG_MS, runs(), `hangs for ${String(HANG_MS)} ms`);
}

/** What the promise comes to, or `otherwise` if it takes longer. */
async function within<T>(milliseconds: number, promise: Promise<T>, otherwise: T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(resolve, milliseconds, otherwise);
  });
  return Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
  });
}

interface Outcome {
  readonly steps: readonly unknown[];
  rows: unknown;
  readonly hooks: readonly string[];
  readonly statements: readonly string[];
}

async function run<TStep>(session: Session<TStep>, steps: readonly TStep[], leaf: Leaf | undefined): Promise<Outcome> {
  const outcomes: unknown[] = [];
  for (const [index, step] of steps.entries()) {
    try {
      outcomes[index] = { value: snapshotOf(await session.perform(step), leaf) };
    } catch (error) {
      outcomes[index] = { error: snapshotOfError(error) };
    }
    if (hasRefusal(outcomes[index])) break;
  }
  const hooks = [...session.hooks()];
  const statements = [...session.statements()];
  return { steps: outcomes, rows: snapshotOf(await session.rows()), hooks, statements };
}

/** Whether `bulk: 'throw'` has refused a write of this step. */
function hasRefusal(step: unknown): boolean {
  return JSON.stringify(step).includes("refused (bulk: 'throw')");
}

function isRefusal(step: unknown): boolean {
  const { error } = step as { error?: { message?: string } };
  return error?.message?.includes("refused (bulk: 'throw')") === true;
}

function connectEverywhere(owner: object): void {
  const { preSave, postSave, preDelete, postDelete, m2mChanged, postBulk } = models;
  for (const signal of [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk]) {
    (signal as AnySignal).connect(
      async () => {
        await setImmediate();
      },
      { owner },
    );
  }
}
