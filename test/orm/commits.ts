/**
 * What waits for a commit tells the truth. Random scripts of transactions run on every ORM: nested savepoints,
 * siblings of which one fails, swallowed errors, a COMMIT that fails, a lost connection, receivers that come and go,
 * that ask late, that write through `tx` or through a queue, on pools of 1, 2 and 10, more requests than connections
 * (one after the other on SQLite, which has one writer). Whatever waited must have run exactly once if its row is
 * visible from another connection, and never if not; `onRollback` the other way round.
 *
 * How to plug an ORM in: a file `test/orm/commits/<orm>.test.ts` that calls `commits(subject)`. See `CommitSubject` and
 * `World`; Sequelize's is an example. The tables are made here:
 *
 * - `items (id integer primary key, note text)`: the watched model. Ids are given by the script, never by the database.
 * - on PostgreSQL, `parents (id integer primary key)` and `children (id integer primary key, parent_id integer
 *   references parents deferrable initially deferred)`, of which the ORM need not know.
 *
 * A failure prints the seed, the shortest script found, and what was wrong. COMMITS_SEED=… repeats it; `npm run
 * check:commits -- --minutes 10 --orm sequelize --engine postgres` is the long run.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { postSave, preSave } from '../../src/models.ts';
import {
  type AnyEngine,
  availableEngines,
  type Engine,
  type FreshDatabase,
  freshDatabase,
} from '../support/databases.ts';
import { collectGarbage } from '../support/gc.ts';
import { connectRaw, type RawConnection } from './commits/raw.ts';

/** An ORM with the adapter attached, as a script can use it. `Tx` is its handle of a transaction. */
export interface World<Tx> {
  /** What receivers of the model `items` connect to. */
  readonly sender: object | string;
  /** The ORM's ordinary save of a new item, in the given transaction or on its own. */
  insert(id: number, tx?: Tx): Promise<unknown>;
  /** The ids of all items, read through the app's ordinary handle. */
  ids(): Promise<readonly number[]>;
  /** A transaction as the ORM's manual shows it, or a savepoint in the given one. */
  transaction<T>(run: (tx: Tx) => Promise<T>, tx?: Tx): Promise<T>;
  /** A transaction that the app ends by hand, for an ORM that has such. `release` gives its connection back. */
  readonly manual?: () => Promise<Manual<Tx>>;
  /** A transaction in the async context: writes inside that are given no `tx` are part of it. */
  readonly ambient?: <T>(run: () => Promise<T>) => Promise<T>;
  /** Find the item, else insert it, as the ORM does. */
  readonly getOrCreate?: (id: number, tx: Tx) => Promise<unknown>;
  /** A statement by hand, in the transaction: one of PostgreSQL's, `select 1`, or what fails. */
  execute(sql: string, tx: Tx): Promise<unknown>;
  close(): Promise<void>;
}

export interface Manual<Tx> {
  readonly tx: Tx;
  commit(): Promise<unknown>;
  rollback(): Promise<unknown>;
  release?(): Promise<unknown>;
}

export interface CommitSubject<Tx, TEngine extends AnyEngine = Engine> {
  readonly orm: string;
  readonly engines: readonly TEngine[];
  /** Default: they are real. False where the ORM has none. */
  readonly savepoints?: boolean;
  /** Savepoints in savepoints work. Default true. */
  readonly deepSavepoints?: boolean;
  /** The ORM gives its pool a place back when a connection was lost in a transaction. Default true. */
  readonly freesLostConnections?: boolean;
  open(engine: TEngine, database: FreshDatabase<TEngine>, pool: number): Promise<World<Tx>>;
}

type Step =
  | { readonly write: 'direct' | 'queued' }
  | { readonly getOrCreate: true }
  | { readonly pause: number }
  | { readonly failing: 'swallowed' | 'thrown' }
  | { readonly savepoint: readonly Step[]; readonly fails: boolean }
  | { readonly siblings: number; readonly failsAfter: number | null }
  | { readonly receivers: 'disconnect' | 'connect' }
  | { readonly deferred: 'violation' }
  | { readonly connection: 'lost' };

interface Request {
  readonly kind: 'managed' | 'manual' | 'ambient' | 'plain';
  readonly steps: readonly Step[];
  readonly fails: boolean;
}

/** What receivers there are when the script begins. */
const RECEIVERS = ['early', 'late', 'afterCommit', 'once', 'writer', 'queuedWriter', 'slow', 'reader', 'pre'] as const;
type ReceiverKind = (typeof RECEIVERS)[number];

interface Script {
  readonly pool: 1 | 2 | 10;
  readonly receivers: readonly ReceiverKind[];
  readonly requests: readonly Request[];
}

const { COMMITS_MINUTES, COMMITS_SEED, COMMITS_ENGINE } = process.env;
const LONG = COMMITS_MINUTES !== undefined;
/** The short run is the same on every machine, so that it does not fail in the work of somebody else. */
const SEED = Number(COMMITS_SEED ?? (LONG ? Date.now() % 1e9 : 12));
const SCRIPTS = LONG ? 40 : 12;
const SHORT_MS = 60_000;
const HANG_MS = 8_000;
const SHRINK_MS = 60_000;

/** Registers the tests of an ORM. */
export function commits<Tx, TEngine extends AnyEngine = Engine>(subject: CommitSubject<Tx, TEngine>): void {
  const chosen = subject.engines.filter((engine) => [undefined, engine].includes(COMMITS_ENGINE as TEngine));
  const engines = availableEngines(...chosen);
  const budget = LONG ? (Number(COMMITS_MINUTES) * 60_000) / engines.length : SHORT_MS;
  describe.each(engines)(`${subject.orm}, commits, on %s`, (engine) => {
    const bench = new Bench(subject, engine);
    afterAll(() => bench.close(), 30_000);

    test('whatever waits for a commit is told the truth', { timeout: budget + SHRINK_MS + 60_000 }, async () => {
      const until = Date.now() + budget;
      let seed = SEED;
      do {
        let last = until;
        const property = fc.asyncProperty(scripts(subject, engine, await bench.world(2)), async (script) => {
          if (Date.now() > last) return;
          const wrong = await bench.run(script);
          if (wrong.length === 0) return;
          if (last === until) last = Date.now() + SHRINK_MS;
          throw new Error(wrong.join('\n'));
        });
        const { failed, counterexample, errorInstance } = await fc.check(property, { seed, numRuns: SCRIPTS });
        if (failed) {
          const script = fc.stringify(counterexample?.[0]);
          throw new Error(`COMMITS_SEED=${String(seed)}\n${script}\n${(errorInstance as Error).message}`);
        }
        seed++;
      } while (LONG && Date.now() < until);
    });

    if (engine === 'postgres') {
      test('who asks after a COMMIT that PostgreSQL has answered with a rollback is told the truth', async () => {
        expect(await bench.askedAfterRefusedCommit()).toEqual(['onRollback']);
      });
    }

    test('nothing of a payload is left in memory', { timeout: 60_000 }, async () => {
      expect(await bench.leaks()).toBe(0);
    });
  });
}

function scripts<Tx, TEngine extends AnyEngine>(
  subject: CommitSubject<Tx, TEngine>,
  engine: TEngine,
  world: World<Tx>,
): fc.Arbitrary<Script> {
  const { savepoints = true, deepSavepoints = true, freesLostConnections = true } = subject;
  const leaf: fc.Arbitrary<Step>[] = [
    fc.record({ write: fc.constantFrom('direct', 'direct', 'direct', 'queued') }),
    fc.record({ pause: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ failing: fc.constantFrom('swallowed', 'thrown') }),
    fc.record({
      siblings: fc.integer({ min: 1, max: 3 }),
      failsAfter: fc.option(fc.integer({ min: 4, max: 20 }), { nil: null }),
    }),
    fc.record({ receivers: fc.constantFrom('disconnect', 'connect') }),
  ];
  if (world.getOrCreate !== undefined) leaf.push(fc.constant({ getOrCreate: true }));
  if (engine === 'postgres') leaf.push(fc.constant({ deferred: 'violation' }));
  if (engine === 'postgres' && freesLostConnections) leaf.push(fc.constant({ connection: 'lost' }));
  const stepsOf = (depth: number): fc.Arbitrary<Step[]> => {
    const step =
      depth === 0 || !savepoints
        ? fc.oneof(...leaf)
        : fc.oneof(
            { weight: 4, arbitrary: fc.oneof(...leaf) },
            { weight: 1, arbitrary: fc.record({ savepoint: stepsOf(depth - 1), fails: fc.boolean() }) },
          );
    return fc.array(step, { minLength: 1, maxLength: 4 });
  };
  const kinds = [
    'managed',
    'managed',
    'plain',
    ...(world.manual ? ['manual'] : []),
    ...(world.ambient ? ['ambient'] : []),
  ];
  return fc.record({
    pool: fc.constantFrom(1, 2, 10),
    receivers: fc.uniqueArray(fc.constantFrom(...RECEIVERS), { minLength: 1, maxLength: 5 }),
    requests: fc.array(
      fc.record({
        kind: fc.constantFrom(...kinds) as fc.Arbitrary<Request['kind']>,
        steps: stepsOf(deepSavepoints ? 2 : 1),
        fails: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  });
}

/** Something that a receiver asked to be told of. */
interface Wait {
  readonly id: number;
  readonly kind: 'onCommit' | 'onRollback';
  readonly context: string | undefined;
  readonly request: number;
  runs: number;
}

/** The databases of one engine, and the running of scripts on them. */
class Bench<Tx, TEngine extends AnyEngine = AnyEngine> {
  private readonly subject: CommitSubject<Tx, TEngine>;
  readonly engine: TEngine;
  private readonly worlds = new Map<number, Promise<World<Tx>>>();
  private database: FreshDatabase<TEngine> | undefined;
  private raw: RawConnection | undefined;
  private nextId = 1;

  constructor(subject: CommitSubject<Tx, TEngine>, engine: TEngine) {
    this.subject = subject;
    this.engine = engine;
  }

  /** The ORM on a pool of that size. */
  async world(pool: number): Promise<World<Tx>> {
    if (this.database === undefined) {
      const name = `${this.subject.orm.toLowerCase().replace(/\W/g, '')}_commits`;
      this.database = await freshDatabase(this.engine, name);
      this.raw = await connectRaw(this.database);
      await this.raw.createTables();
    }
    const { database } = this;
    let world = this.worlds.get(pool);
    if (world === undefined) this.worlds.set(pool, (world = this.subject.open(this.engine, database, pool)));
    return world;
  }

  async close(): Promise<void> {
    for (const world of this.worlds.values()) await Promise.race([(await world).close(), sleep(3_000)]);
    await this.raw?.close();
    await this.database?.drop();
  }

  /** What was wrong, nothing if all went well. */
  async run(script: Script): Promise<string[]> {
    const run = new Run(this, await this.world(script.pool), script);
    const wrong = await Promise.race([run.check(), sleep(HANG_MS, ['hangs'], { ref: false })]);
    run.end();
    // A world that hangs is of no use to the scripts after it; one without a pool is quickly made.
    if (wrong.includes('hangs')) this.worlds.delete(script.pool);
    else if (wrong.length > 0 || this.engine === 'sqlite') {
      this.worlds.delete(script.pool);
      await Promise.race([run.world.close(), sleep(2_000, undefined, { ref: false })]);
    }
    return wrong;
  }

  id(): number {
    return this.nextId++;
  }

  async visible(): Promise<ReadonlySet<number>> {
    return new Set(await (this.raw as RawConnection).ids());
  }

  /** Which callbacks run that are given when a transaction has ended in which an error was swallowed. */
  async askedAfterRefusedCommit(): Promise<string[]> {
    const world = await this.world(2);
    let given: Payload | undefined;
    const keep = (_sender: unknown, payload: Payload): void => {
      given = payload;
    };
    (postSave as AnySignal).connect(keep, { sender: world.sender });
    const told: string[] = [];
    try {
      // Some ORMs say that it was not committed.
      await world
        .transaction(async (tx) => {
          await world.insert(this.id(), tx);
          await world.execute('select * from there_is_no_such_table', tx).catch(() => undefined);
        })
        .catch(() => undefined);
      given?.onCommit(() => told.push('onCommit'));
      given?.onRollback(() => told.push('onRollback'));
      await sleep(20);
    } finally {
      (postSave as AnySignal).disconnect(keep, { sender: world.sender });
    }
    return told;
  }

  /** How many payloads of transactions that have ended are kept. */
  async leaks(): Promise<number> {
    const world = await this.world(2);
    const payloads: WeakRef<object>[] = [];
    const owner = {};
    (postSave as AnySignal).connect(
      (_sender: unknown, payload: Payload) => {
        // What callbacks of the scripts before still write is none of this.
        if (payload.instance.id >= OF_CALLBACKS) return;
        payloads.push(new WeakRef(payload));
        payload.onCommit(() => undefined);
        payload.onRollback(() => undefined);
      },
      { sender: world.sender, owner },
    );
    (postSave as AnySignal).connect(() => undefined, { sender: world.sender, owner, afterCommit: true });
    for (let round = 0; round < 5; round++) {
      await world.insert(this.id());
      await world.transaction((tx) => world.insert(this.id(), tx));
      await world
        .transaction(async (tx) => {
          await world.insert(this.id(), tx);
          throw new Error('rolled back');
        })
        .catch(() => undefined);
    }
    disconnectReceivers(owner);
    // A connection may remember the last it has done: another transaction takes that place.
    await world.transaction((tx) => world.execute('select 1', tx)).catch(() => undefined);
    await sleep(20);
    await collectGarbage();
    expect(payloads).toHaveLength(15);
    return payloads.slice(0, -3).filter((payload) => payload.deref() !== undefined).length;
  }
}

interface Payload {
  readonly instance: { readonly id: number };
  readonly tx: unknown;
  onCommit(callback: () => unknown): void;
  onRollback(callback: () => unknown): void;
}

/** Ids of what callbacks write; nobody asks anything for them. */
const OF_CALLBACKS = 1_000_000_000;
let callbackIds = OF_CALLBACKS;

/** One script, running. */
class Run<Tx> {
  private readonly bench: Bench<Tx>;
  readonly world: World<Tx>;
  private readonly script: Script;
  private readonly context = new AsyncLocalStorage<string>();
  private readonly waits: Wait[] = [];
  private readonly order: Wait[] = [];
  private readonly reached = new Set<number>();
  private readonly afterCommits = new Map<number, number>();
  private readonly requestOf = new Map<number, number>();
  private readonly leftovers: Promise<unknown>[] = [];
  private readonly wrong: string[] = [];
  private readonly owner = {};
  private connected = false;
  private disconnected = false;

  constructor(bench: Bench<Tx>, world: World<Tx>, script: Script) {
    this.bench = bench;
    this.world = world;
    this.script = script;
  }

  end(): void {
    disconnectReceivers(this.owner);
  }

  async check(): Promise<string[]> {
    this.connect();
    const requests = this.script.requests.map((request, index) => () => this.request(request, index));
    if (this.bench.engine === 'sqlite') for (const request of requests) await request().catch(() => undefined);
    else await Promise.allSettled(requests.map((request) => request()));
    await Promise.allSettled(this.leftovers);
    // Late receivers ask now; callbacks of transactions that were ended by hand are waited for by nobody.
    await sleep(15);
    for (let patience = 40; patience > 0 && (await this.differences()).length > 0; patience--) await sleep(25);
    await sleep(5);
    return [...this.wrong, ...(await this.differences())];
  }

  private async differences(): Promise<string[]> {
    const visible = await this.bench.visible();
    const wrong: string[] = [];
    for (const { id, kind, runs, request } of this.waits) {
      const due = visible.has(id) === (kind === 'onCommit') ? 1 : 0;
      if (runs !== due) {
        const row = visible.has(id) ? 'is there' : 'is not there';
        wrong.push(
          `${kind} of item ${String(id)} (request ${String(request)}), whose row ${row}, ran ${String(runs)} times`,
        );
      }
    }
    if (this.script.receivers.includes('afterCommit')) {
      for (const id of this.requestOf.keys()) {
        const runs = this.afterCommits.get(id) ?? 0;
        const due = visible.has(id) ? 1 : 0;
        const certain = this.reached.has(id) && !this.disconnected;
        if (runs > due || (certain && runs !== due)) {
          const row = visible.has(id) ? 'is there' : 'is not there';
          wrong.push(`afterCommit of item ${String(id)}, whose row ${row}, ran ${String(runs)} times`);
        }
      }
    }
    for (const [index, { kind: how }] of this.script.requests.entries()) {
      // Its writes may be in transactions of their own.
      if (how === 'plain') continue;
      const ran = this.order.filter(({ request, kind }) => request === index && kind === 'onCommit');
      const asked = this.waits.filter((wait) => ran.includes(wait));
      if (ran.some((wait, at) => wait !== asked[at])) {
        wrong.push(`request ${String(index)}: run in the order ${idsOf(ran)}, asked in the order ${idsOf(asked)}`);
      }
    }
    return wrong;
  }

  private async request({ kind, steps, fails }: Request, index: number): Promise<void> {
    const { world } = this;
    // One for all requests, or for their receivers too, would wait for itself: that is the app's own affair.
    this.queues[index] = new Queue();
    const run = async (tx: Tx | undefined): Promise<void> => {
      await this.steps(steps, tx, index);
      if (fails) throw new Error('the request fails');
    };
    if (kind === 'managed') await world.transaction(run);
    else if (kind === 'plain') await run(undefined);
    else if (kind === 'ambient') await world.ambient?.(() => run(undefined));
    else {
      const manual = await (world.manual as () => Promise<Manual<Tx>>)();
      try {
        await run(manual.tx);
        await manual.commit();
      } catch (error) {
        await manual.rollback().catch(() => undefined);
        throw error;
      } finally {
        await manual.release?.();
      }
    }
  }

  private async steps(steps: readonly Step[], tx: Tx | undefined, request: number): Promise<void> {
    for (const step of steps) await this.step(step, tx, request);
  }

  private async step(step: Step, tx: Tx | undefined, request: number): Promise<void> {
    const { world } = this;
    if ('write' in step) {
      const write = (): Promise<void> => this.write(tx, request);
      // The async context of a queue knows nothing of an ambient transaction.
      const queued = step.write === 'queued' && this.script.requests[request]?.kind !== 'ambient';
      await (queued ? this.queues[request]?.add(write) : write());
    } else if ('pause' in step) await sleep(step.pause);
    else if ('receivers' in step) {
      if (step.receivers === 'connect') this.connect();
      else {
        this.disconnected = true;
        this.connected = false;
        disconnectReceivers(this.owner);
      }
    } else if ('siblings' in step) await this.siblings(step, tx, request);
    else if (tx === undefined) return;
    else if ('getOrCreate' in step) await this.named(request, (id) => world.getOrCreate?.(id, tx));
    else if ('failing' in step) {
      const failing = world.execute('select * from there_is_no_such_table', tx);
      await (step.failing === 'swallowed' ? failing.catch(() => undefined) : failing);
    } else if ('deferred' in step) {
      await world.execute(`insert into children values (${String(this.bench.id())}, 0)`, tx);
    } else if ('connection' in step) {
      await world.execute('select pg_terminate_backend(pg_backend_pid())', tx).catch(() => undefined);
    } else {
      await world
        .transaction(async (inner) => {
          await this.steps(step.savepoint, inner, request);
          if (step.fails) throw new Error('to the savepoint');
        }, tx)
        .catch((error: unknown) => {
          if ((error as Error).message !== 'to the savepoint') throw error;
        });
    }
  }

  /** Several writes at once, and perhaps one that fails while the receivers of the others are running. */
  private async siblings(
    { siblings, failsAfter }: Extract<Step, { siblings: number }>,
    tx: Tx | undefined,
    request: number,
  ): Promise<void> {
    const writes = Array.from({ length: siblings }, () => this.write(tx, request));
    this.leftovers.push(...writes);
    if (failsAfter !== null) {
      writes.push(sleep(failsAfter).then(() => Promise.reject(new Error('a sibling fails'))));
    }
    await Promise.all(writes);
  }

  private write(tx: Tx | undefined, request: number): Promise<void> {
    return this.named(request, (id) => this.world.insert(id, tx));
  }

  /** Do it in an async context of its own, with an id of its own. */
  private named(request: number, work: (id: number) => Promise<unknown> | undefined): Promise<void> {
    const id = this.bench.id();
    this.requestOf.set(id, request);
    return this.context.run(`item ${String(id)}`, async () => {
      await work(id);
    });
  }

  private connect(): void {
    if (this.connected) return;
    this.connected = true;
    const { receivers } = this.script;
    const listen = (receiver: (payload: Payload) => unknown, options: object = {}): void => {
      const watched = (_sender: unknown, payload: Payload): unknown =>
        payload.instance.id >= OF_CALLBACKS || !this.requestOf.has(payload.instance.id) ? undefined : receiver(payload);
      (postSave as AnySignal).connect(watched, { sender: this.world.sender, owner: this.owner, ...options });
    };
    const child = async ({ instance, tx }: Payload, queued: boolean): Promise<void> => {
      // Only what a request has written itself: a writer would go on for ever.
      const request = this.requestOf.get(instance.id) as number;
      if (tx === undefined || this.children.has(instance.id)) return;
      const write = (): Promise<void> =>
        this.named(request, (id) => {
          this.children.add(id);
          return this.world.insert(id, tx as Tx);
        });
      await (queued ? new Queue().add(write) : write());
    };
    const kinds: Record<ReceiverKind, () => void> = {
      early: () => {
        listen((payload) => {
          this.ask(payload, 'onCommit');
          this.ask(payload, 'onRollback');
        });
      },
      once: () => {
        listen(
          (payload) => {
            this.ask(payload, 'onCommit');
          },
          { once: true },
        );
      },
      writer: () => {
        listen((payload) => child(payload, false));
      },
      queuedWriter: () => {
        listen((payload) => child(payload, true));
      },
      slow: () => {
        listen(() => sleep(6));
      },
      late: () => {
        listen((payload) => {
          const asking = sleep(9).then(() => {
            this.ask(payload, 'onCommit');
            this.ask(payload, 'onRollback');
          });
          this.leftovers.push(asking);
          return payload.instance.id % 2 === 0 ? asking : undefined;
        });
      },
      afterCommit: () => {
        listen(
          (payload) =>
            this.tell(payload.instance.id, () => {
              const { id } = payload.instance;
              this.afterCommits.set(id, (this.afterCommits.get(id) ?? 0) + 1);
            }),
          { afterCommit: true },
        );
        listen(({ instance }) => this.reached.add(instance.id));
      },
      reader: () => {
        listen((payload) => {
          payload.onCommit(() => this.use(payload.instance.id));
        });
      },
      pre: () => {
        (preSave as AnySignal).connect(() => sleep(1), { sender: this.world.sender, owner: this.owner });
      },
    };
    for (const kind of RECEIVERS) if (receivers.includes(kind)) kinds[kind]();
  }
  private readonly children = new Set<number>();
  private readonly queues: Queue[] = [];

  private ask(payload: Payload, kind: Wait['kind']): void {
    const { id } = payload.instance;
    const context = this.context.getStore();
    const wait: Wait = { id, kind, context, request: this.requestOf.get(id) ?? -1, runs: 0 };
    this.waits.push(wait);
    payload[kind](() => {
      wait.runs++;
      this.order.push(wait);
      const here = this.context.getStore();
      if (here !== context) this.wrong.push(`${kind} of item ${String(id)} runs in the context of ${String(here)}`);
      return kind === 'onCommit' ? this.tell(id, () => undefined) : undefined;
    });
  }

  /** A callback after the commit: its row is there. */
  private async tell(id: number, note: () => void): Promise<void> {
    note();
    if (!(await this.bench.visible()).has(id)) this.wrong.push(`told of item ${String(id)} before it was there`);
  }

  /** A callback that uses the app's ordinary handle, which must not wait for its own transaction's connection. */
  private async use(id: number): Promise<void> {
    const { world } = this;
    if (!(await world.ids()).includes(id)) this.wrong.push(`the ordinary handle does not see item ${String(id)}`);
    await world.insert(callbackIds++);
  }
}

function idsOf(waits: readonly Wait[]): string {
  return waits.map(({ id }) => String(id)).join();
}

/** A queue of the app: one task at a time, in the async context of the queue. */
class Queue {
  private readonly tasks: (() => Promise<void>)[] = [];
  private running = false;

  add<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.tasks.push(() => task().then(resolve, reject));
      if (!this.running) detached(() => this.work());
    });
  }

  private async work(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) await task();
    this.running = false;
  }
}

/** Run in an async context that nobody has set anything in. */
const detached = AsyncLocalStorage.snapshot() as (work: () => unknown) => unknown;
