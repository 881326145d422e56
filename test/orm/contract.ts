/**
 * What every ORM adapter must do, told once. An adapter plugs in with a `Harness`: its ORM's own calls, on a real
 * engine, behind a few verbs. What only one ORM has is tested beside its harness.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers, onError } from '../../src/index.ts';
import * as models from '../../src/models.ts';
import { trace, type Trace } from '../../src/tracing.ts';

/** The models of the contract: a User has a Profile. */
export interface UserRow {
  id: Id;
  name: string;
  email: string;
}
/** A number in SQL databases, text in MongoDB. */
export type Id = number | string;
export interface ProfileRow {
  id: Id;
  userId: Id;
  bio: string;
}
export type ModelName = 'User' | 'Profile';
export interface Rows {
  User: UserRow;
  Profile: ProfileRow;
}

export type BulkPolicy = 'signal' | 'warn' | 'throw' | 'individual';

export interface Harness<Tx> {
  /** What receivers connect to: the class, or what the ORM has in its place. Read anew after `attach()`. */
  readonly senders: Record<ModelName, object | string>;
  /** Open the database with empty tables, and attach the signals. */
  open(): Promise<void>;
  close(): Promise<void>;
  attach(options?: { bulk?: BulkPolicy; using?: string }): void | Promise<void>;
  detach(): void;
  /** The ORM's ordinary calls, in the given transaction or on their own. */
  insert<M extends ModelName>(model: M, values: Partial<Rows[M]>, tx?: Tx): Promise<Rows[M]>;
  /** An insert that begins when it is awaited, for an ORM that has such. */
  insertLazily?<M extends ModelName>(model: M, values: Partial<Rows[M]>, tx: Tx): PromiseLike<unknown>;
  /** Save an instance as it is. */
  saveUnchanged(model: 'User', instance: UserRow): Promise<unknown>;
  /** The signals that that sends, in order: what users of the ORM expect. */
  readonly unchanged: readonly SignalName[];
  /** Several instances by one call. */
  insertMany<M extends ModelName>(model: M, values: Partial<Rows[M]>[], tx?: Tx): Promise<Rows[M][]>;
  update<M extends ModelName>(model: M, instance: Rows[M], values: Partial<Rows[M]>, tx?: Tx): Promise<unknown>;
  remove<M extends ModelName>(model: M, instance: Rows[M], tx?: Tx): Promise<unknown>;
  all<M extends ModelName>(model: M, tx?: Tx): Promise<Rows[M][]>;
  /** A transaction, or a savepoint in the one given. */
  transaction<T>(run: (tx: Tx) => Promise<T>, tx?: Tx): Promise<T>;
  bulkUpdate(model: ModelName, where: Partial<UserRow>, values: Partial<UserRow>): Promise<unknown>;
  bulkDelete(model: ModelName, where: Partial<UserRow>): Promise<unknown>;
  /** The `where` of a `postBulk`, with its values readable, for an ORM whose conditions are not plain objects. */
  readonly describeWhere?: (where: unknown) => unknown;
  /**
   * Whether two handles are of one transaction, for an ORM that gives receivers one of their own. Default: they are the
   * same object.
   */
  readonly sameTransaction?: (one: Tx, other: Tx) => boolean;
  /** Whether a transaction surrounds an ordinary call that is not given one. */
  readonly wrapsWrites: boolean;
  readonly savepoints: boolean;
  /**
   * Whether the ORM tells of a savepoint, so that an `onCommit` from outside knows that it is called inside. Default:
   * it does.
   */
  readonly savepointsAreTold?: boolean;
  /** Whether a savepoint in a savepoint works. Default: it does. */
  readonly deepSavepoints?: boolean;
  /** Whether the ORM tells how many rows a bulk write has written. Default: it does. */
  readonly countsBulk?: boolean;
  /** Whether transactions run side by side, on connections of their own. */
  readonly concurrent: boolean;
}

export type SignalName = 'preSave' | 'postSave' | 'preDelete' | 'postDelete' | 'm2mChanged' | 'postBulk';

/** The payloads of all signals in one, for receivers that the tests write by the dozen. */
interface Args<Tx> {
  readonly instance: UserRow & ProfileRow;
  readonly created: boolean;
  readonly raw: boolean;
  readonly using: string;
  readonly updateFields: ReadonlySet<string> | null;
  readonly changes: object | null;
  readonly operation: string;
  readonly where: unknown;
  readonly values: unknown;
  readonly count: number;
  readonly tx: Tx;
  readonly onCommit: (callback: () => unknown) => void;
}

/** @param second another database of the same ORM. */
export function contract<Tx>(name: string, harness: Harness<Tx>, second?: Harness<Tx>): void {
  let User: object | string;
  let Profile: object | string;
  const ada = { name: 'Ada', email: 'ada@example.org' };
  // one owner for all receivers of a test, so that none is left behind
  let owner = {};
  let log: string[] = [];
  const listen = (
    signal: SignalName,
    receiver: (args: Args<Tx>, sender: unknown) => unknown,
    sender: unknown = User,
    options: object = {},
  ): void => {
    (models[signal] as AnySignal).connect((from: unknown, args: Args<Tx>) => receiver(args, from), {
      sender,
      owner,
      ...options,
    });
  };
  const attach = async (options?: { bulk?: BulkPolicy; using?: string }): Promise<void> => {
    await harness.attach(options);
    ({ User, Profile } = harness.senders);
  };
  const pause = () => new Promise((resolve) => setTimeout(resolve, 2));

  describe(name, () => {
    beforeAll(async () => harness.open());
    afterAll(async () => harness.close());
    beforeEach(async () => {
      await harness.close();
      await harness.open();
      ({ User, Profile } = harness.senders);
      log = [];
    });
    afterEach(() => {
      disconnectReceivers(owner);
      owner = {};
    });

    describe('1. saves', () => {
      test('an insert sends preSave and postSave with created, sender and instance', async () => {
        listen('preSave', ({ instance, created }, sender) =>
          log.push(`preSave ${instance.name} ${created} ${sender === User}`),
        );
        listen('postSave', ({ instance, created, raw, using }, sender) =>
          log.push(`postSave ${String(instance.id).length > 0} ${created} ${sender === User} ${raw} ${using}`),
        );
        await harness.insert('User', ada);
        expect(log).toEqual(['preSave Ada true true', 'postSave true true true false default']);
      });

      test('an update sends them with created false', async () => {
        const user = await harness.insert('User', ada);
        listen('preSave', ({ instance, created }) => log.push(`preSave ${instance.name} ${created}`));
        listen('postSave', ({ instance, created }) => log.push(`postSave ${instance.name} ${created}`));
        await harness.update('User', user, { name: 'Grace' });
        expect(log).toEqual(['preSave Grace false', 'postSave Grace false']);
      });

      test('other models do not hear it; receivers for every sender do', async () => {
        listen('postSave', () => log.push('profile'), Profile);
        listen('postSave', (_args, sender) => log.push(sender === User ? 'any' : 'wrong'), null);
        await harness.insert('User', ada);
        expect(log).toEqual(['any']);
      });
    });

    describe('2. a change by preSave', () => {
      test('is persisted, on insert and on update, also of a column that the caller did not touch', async () => {
        listen('preSave', ({ instance }) => {
          instance.name = instance.name.toUpperCase();
          instance.email = `${instance.name.toLowerCase()}@changed.org`;
        });
        const user = await harness.insert('User', ada);
        expect(await harness.all('User')).toMatchObject([{ name: 'ADA', email: 'ada@changed.org' }]);
        await harness.update('User', user, { name: 'Grace' });
        expect(await harness.all('User')).toMatchObject([{ name: 'GRACE', email: 'grace@changed.org' }]);
      });
    });

    describe('3. a throw', () => {
      test.each(['sync', 'async'])('of preSave prevents the write: %s', async (kind) => {
        listen('preSave', thrower(kind));
        await expect(harness.insert('User', ada)).rejects.toThrow('no');
        expect(await harness.all('User')).toEqual([]);
      });

      test.each(['sync', 'async'])('of preDelete prevents the delete: %s', async (kind) => {
        const user = await harness.insert('User', ada);
        listen('preDelete', thrower(kind));
        await expect(harness.remove('User', user)).rejects.toThrow('no');
        expect(await harness.all('User')).toHaveLength(1);
      });

      test.each(['sync', 'async'])(
        'of postSave propagates, and a surrounding transaction keeps nothing: %s',
        async (kind) => {
          listen('postSave', thrower(kind));
          if (harness.wrapsWrites) {
            await expect(harness.insert('User', ada)).rejects.toThrow('no');
            expect(await harness.all('User')).toEqual([]);
          }
          await expect(harness.transaction((tx) => harness.insert('User', ada, tx))).rejects.toThrow('no');
          expect(await harness.all('User')).toEqual([]);
        },
      );

      test('of postDelete rolls the delete back', async () => {
        const user = await harness.insert('User', ada);
        listen('postDelete', thrower('async'));
        await expect(harness.transaction((tx) => harness.remove('User', user, tx))).rejects.toThrow('no');
        expect(await harness.all('User')).toHaveLength(1);
      });

      test('for one of several instances keeps none, and receivers of those after it are not called', async () => {
        listen('postSave', ({ instance }) => {
          log.push(instance.name);
          if (instance.name === 'b') throw new Error('no');
        });
        await expect(harness.transaction((tx) => harness.insertMany('User', named('a', 'b', 'c'), tx))).rejects.toThrow(
          'no',
        );
        await pause();
        expect(log).toEqual(['a', 'b']);
        expect(await harness.all('User')).toEqual([]);
      });
    });

    describe('4. a receiver that writes through tx', () => {
      test('is in the same transaction, and fires its own signals', async () => {
        listen('postSave', async ({ instance, created, tx }) => {
          await pause();
          if (created) await harness.insert('Profile', { userId: instance.id, bio: 'new' }, tx);
        });
        listen(
          'postSave',
          async ({ instance, tx }) => {
            log.push(`profile of ${instance.userId}, ${(await harness.all('User', tx)).length} user`);
          },
          Profile,
        );
        const user = await harness.insert('User', ada);
        expect(log).toEqual([`profile of ${String(user.id)}, 1 user`]);
        expect(await harness.all('Profile')).toMatchObject([{ userId: user.id }]);
      });

      test.runIf(harness.insertLazily)('may return a query that it has not awaited', async () => {
        listen('postSave', ({ instance, tx }) =>
          harness.insertLazily?.('Profile', { userId: instance.id, bio: 'lazy' }, tx),
        );
        listen('postSave', ({ instance }) => log.push(instance.bio), Profile);
        await harness.transaction((tx) => harness.insert('User', ada, tx));
        expect(log).toEqual(['lazy']);
        expect(await harness.all('Profile')).toHaveLength(1);
        // nor does a trace begin it twice
        const { trace: traced } = await trace(async () => harness.transaction((tx) => harness.insert('User', ada, tx)));
        expect(traced.sends.map(({ receivers }) => receivers.map(({ sends }) => sends.length))).toEqual([[1]]);
        expect(await harness.all('Profile')).toHaveLength(2);
      });

      test('rolls back with it', async () => {
        listen('postSave', ({ instance, tx }) => harness.insert('Profile', { userId: instance.id, bio: 'new' }, tx));
        listen('postSave', thrower('async'), Profile);
        await expect(harness.transaction((tx) => harness.insert('User', ada, tx))).rejects.toThrow('no');
        expect(await harness.all('User')).toEqual([]);
        expect(await harness.all('Profile')).toEqual([]);
      });
    });

    describe('5. after the commit', () => {
      const both = (label: (args: Args<Tx>) => string): void => {
        listen('postSave', (args) => {
          args.onCommit(() => log.push(`onCommit ${label(args)}`));
        });
        listen('postSave', (args) => log.push(`afterCommit ${label(args)} ${String(args.tx)}`), User, {
          afterCommit: true,
        });
      };

      test('onCommit and afterCommit run once the outermost transaction has committed, in order', async () => {
        both(({ instance }) => instance.name);
        await harness.transaction(async (tx) => {
          await harness.insert('User', { ...ada, name: 'a' }, tx);
          await harness.transaction((inner) => harness.insert('User', { ...ada, name: 'b' }, inner), tx);
          await harness.insert('User', { ...ada, name: 'c' }, tx);
          expect(log).toEqual([]);
        });
        expect(log).toEqual(['a', 'b', 'c'].flatMap((each) => [`onCommit ${each}`, `afterCommit ${each} undefined`]));
      });

      test('the row is there for other transactions then', async () => {
        listen('postSave', async () => log.push(`${(await harness.all('User')).length}`), User, { afterCommit: true });
        await harness.insert('User', ada);
        expect(log).toEqual(['1']);
      });

      test('are dropped when the transaction rolls back', async () => {
        both(() => 'never');
        await expect(
          harness.transaction(async (tx) => {
            await harness.insert('User', ada, tx);
            throw new Error('rolled back');
          }),
        ).rejects.toThrow('rolled back');
        await harness.insert('Profile', { userId: 1, bio: 'another transaction' });
        expect(log).toEqual([]);
      });

      test.runIf(harness.savepoints)('are dropped with the savepoint they were given in, and no other', async () => {
        both(({ instance }) => instance.name);
        await harness.transaction(async (tx) => {
          await harness.insert('User', { ...ada, name: 'a' }, tx);
          await harness
            .transaction(async (inner) => {
              await harness.insert('User', { ...ada, name: 'dropped' }, inner);
              if (harness.deepSavepoints !== false) {
                await harness.transaction(
                  (innermost) => harness.insert('User', { ...ada, name: 'dropped too' }, innermost),
                  inner,
                );
              }
              throw new Error('to the savepoint');
            }, tx)
            .catch(() => undefined);
          await harness.insert('User', { ...ada, name: 'c' }, tx);
        });
        expect(log.filter((each) => each.startsWith('onCommit'))).toEqual(['onCommit a', 'onCommit c']);
        expect(log).toHaveLength(4);
        expect((await harness.all('User')).map(({ name: each }) => each)).toEqual(['a', 'c']);
      });

      test.runIf(harness.savepoints)(
        'a callback given inside a savepoint is dropped with it, whichever save its onCommit came with',
        async () => {
          listen('postSave', async ({ instance, tx, onCommit }) => {
            if (instance.name !== 'outer') return;
            await harness
              .transaction(async (inner) => {
                await harness.insert('User', { ...ada, name: 'inner' }, inner);
                if (harness.savepointsAreTold !== false) onCommit(() => log.push('given inside'));
                throw new Error('to the savepoint');
              }, tx)
              .catch(() => undefined);
            onCommit(() => log.push('given outside'));
          });
          await harness.transaction((tx) => harness.insert('User', { ...ada, name: 'outer' }, tx));
          expect(log).toEqual(['given outside']);
        },
      );

      test('a throw there is reported, stops nobody, and the save resolves', async () => {
        const reported: string[] = [];
        using handler = onError((error, { signal, sender }) =>
          reported.push(`${(error as Error).message} ${signal.name} ${String(sender === User)}`),
        );
        listen('postSave', ({ onCommit }) => {
          onCommit(() => Promise.reject(new Error('onCommit')));
          onCommit(() => log.push('next'));
        });
        listen('postSave', thrower('sync'), User, { afterCommit: true });
        listen('postSave', () => log.push('last'), User, { afterCommit: true });
        await harness.transaction((tx) => harness.insert('User', ada, tx));
        expect(reported).toEqual(['onCommit postSave true', 'no postSave true']);
        expect(log).toEqual(['next', 'last']);
        expect(await harness.all('User')).toHaveLength(1);
        expect(handler).toBeDefined();
      });

      test('a trace tells what became of them', async () => {
        listen('postSave', () => log.push('called'), User, { afterCommit: true });
        const states = (traced: Trace): string[] =>
          traced.sends.flatMap(({ receivers }) => receivers.map(({ state, afterCommit }) => `${state} ${afterCommit}`));
        const { trace: committed } = await trace(() => harness.transaction((tx) => harness.insert('User', ada, tx)));
        expect(states(committed)).toEqual(['returned true']);
        const { trace: rolledBack } = await trace(async () =>
          harness
            .transaction(async (tx) => {
              await harness.insert('User', ada, tx);
              throw new Error('rolled back');
            })
            .catch(() => undefined),
        );
        expect(states(rolledBack)).toEqual(['dropped by a rollback false']);
        expect(log).toEqual(['called']);
      });

      test('each is awaited before the committing call resolves', async () => {
        listen(
          'postSave',
          async () => {
            await pause();
            log.push('slow');
          },
          User,
          { afterCommit: true },
        );
        await harness.transaction((tx) => harness.insert('User', ada, tx));
        expect(log).toEqual(['slow']);
      });

      test('postDelete with afterCommit: a rolled back delete keeps the file', async () => {
        const user = await harness.insert('User', ada);
        listen('postDelete', ({ instance }) => log.push(`file of ${instance.id}`), User, { afterCommit: true });
        await harness
          .transaction(async (tx) => {
            await harness.remove('User', (await harness.all('User', tx))[0] as UserRow, tx);
            throw new Error('rolled back');
          })
          .catch(() => undefined);
        expect(log).toEqual([]);
        await harness.remove('User', (await harness.all('User'))[0] as UserRow);
        expect(log).toEqual([`file of ${String(user.id)}`]);
      });
    });

    describe('6. updateFields and changes', () => {
      test('name exactly what changed, what preSave changed included', async () => {
        const user = await harness.insert('User', ada);
        listen('preSave', ({ instance }) => {
          instance.email = 'grace@example.org';
        });
        listen('postSave', ({ updateFields, changes }) =>
          log.push([...(updateFields ?? [])].sort().join(), JSON.stringify(changes)),
        );
        await harness.update('User', user, { name: 'Grace' });
        expect(log[0]).toBe('email,name');
        expect(JSON.parse(log[1] ?? '')).toEqual({
          email: { from: 'ada@example.org', to: 'grace@example.org' },
          name: { from: 'Ada', to: 'Grace' },
        });
      });

      test('saving what has not changed sends what the ORM does then, and no fields', async ({ task }) => {
        const user = await harness.insert('User', ada);
        for (const signal of ['preSave', 'postSave'] as const)
          listen(signal, ({ updateFields }) => log.push(`${signal} ${String(updateFields?.size)}`));
        await harness.saveUnchanged('User', user);
        expect(log).toEqual(harness.unchanged.map((signal) => `${signal} 0`));
        // for the table in the README
        const { unchanged, wrapsWrites, savepoints, savepointsAreTold, deepSavepoints, countsBulk } = harness;
        Object.assign(task.meta, { unchanged, wrapsWrites, savepoints, savepointsAreTold, deepSavepoints, countsBulk });
      });

      test('are null for an insert', async () => {
        listen('postSave', ({ updateFields, changes }) => log.push(JSON.stringify({ updateFields, changes })));
        await harness.insert('User', ada);
        expect(log).toEqual(['{"updateFields":null,"changes":null}']);
      });
    });

    describe('7. receivers run one after the other', () => {
      test('in connect order, for one instance', async () => {
        for (const each of ['a', 'b']) {
          listen('postSave', async () => {
            log.push(`>${each}`);
            await pause();
            log.push(`<${each}`);
          });
        }
        await harness.insert('User', ada);
        expect(log).toEqual(['>a', '<a', '>b', '<b']);
      });

      test('for 10 instances written by one call, in order', async () => {
        const names = Array.from({ length: 10 }, (_unused, index) => `user ${String(index)}`);
        let running = 0;
        for (const signal of ['preSave', 'postSave'] as const) {
          listen(signal, async ({ instance }) => {
            expect(++running).toBe(1);
            await pause();
            log.push(`${signal} ${instance.name}`);
            running--;
          });
        }
        await harness.insertMany('User', named(...names));
        expect(log.filter((each) => each.startsWith('pre'))).toEqual(names.map((each) => `preSave ${each}`));
        expect(log.filter((each) => each.startsWith('post'))).toEqual(names.map((each) => `postSave ${each}`));
      });
    });

    describe('8. deletes', () => {
      test('send preDelete and postDelete, the id readable in both', async () => {
        const user = await harness.insert('User', ada);
        const { id } = user;
        listen('preDelete', ({ instance }) => log.push(`preDelete ${instance.id} ${instance.name}`));
        listen('postDelete', async ({ instance, onCommit }) => {
          await pause();
          log.push(`postDelete ${instance.id} ${instance.name}`);
          onCommit(() => log.push(`onCommit ${instance.id}`));
        });
        await harness.remove('User', user);
        expect(log).toEqual([`preDelete ${String(id)} Ada`, `postDelete ${String(id)} Ada`, `onCommit ${String(id)}`]);
        expect(await harness.all('User')).toEqual([]);
      });
    });

    describe('9. bulk writes', () => {
      const warnings = async (run: () => Promise<unknown>): Promise<string[]> => {
        const heard: string[] = [];
        const hear = (warning: Error & { code?: string }): void =>
          void (warning.code === 'TOCSIN_BULK' && heard.push(warning.message));
        process.on('warning', hear);
        await run();
        await pause();
        process.off('warning', hear);
        return heard;
      };

      test("'signal' sends postBulk, and no warning", async () => {
        harness.detach();
        await attach({ bulk: 'signal' });
        await harness.insertMany('User', named('a', 'b'));
        listen('postSave', () => log.push('postSave'));
        const { describeWhere = (where: unknown) => where } = harness;
        listen('postBulk', ({ operation, where, values, count }) =>
          log.push(`${operation} ${JSON.stringify([describeWhere(where), values])} ${count}`),
        );
        expect(
          await warnings(async () => {
            await harness.bulkUpdate('User', { name: 'a' }, { email: 'new' });
            await harness.bulkDelete('User', { name: 'b' });
          }),
        ).toEqual([]);
        const count = harness.countsBulk === false ? 'undefined' : '1';
        expect(log.map((each) => each.split(' ').at(-1))).toEqual([count, count]);
        expect(log).toEqual([
          expect.stringMatching(/^update \[.*"name":"a".*"email":"new"/),
          expect.stringMatching(/^delete \[.*"name":"b"/),
        ]);
      });

      test("'warn', the default, also warns, once per call site, and only if a receiver is passed over", async () => {
        await harness.insertMany('User', named('a'));
        const write = () => harness.bulkUpdate('User', { name: 'a' }, { email: 'new' });
        listen('postBulk', ({ operation }) => log.push(operation));
        listen('postDelete', () => undefined);
        expect(await warnings(write)).toEqual([]);
        listen('postSave', () => undefined);
        const heard = await warnings(async () => {
          await write();
          await write();
        });
        expect(heard).toEqual([
          expect.stringMatching(/A bulk update of \w+ sends no save or delete signals for its rows\..*\.test\.ts:\d+/),
        ]);
        expect(log).toEqual(['update', 'update', 'update']);
      });

      test("'throw' refuses before anything is written", async () => {
        harness.detach();
        await attach({ bulk: 'throw' });
        await harness.insertMany('User', named('a'));
        listen('postSave', () => undefined);
        await expect(harness.bulkUpdate('User', { name: 'a' }, { email: 'new' })).rejects.toThrow(
          "It is refused (bulk: 'throw')",
        );
        await expect(harness.bulkDelete('User', { name: 'a' })).rejects.toThrow('A bulk delete of');
        expect(await harness.all('User')).toEqual([expect.objectContaining({ name: 'a', email: 'x' })]);
      });

      test("'individual' breaks the write into instances", async () => {
        harness.detach();
        await attach({ bulk: 'individual' });
        await harness.insertMany('User', named('a', 'a', 'b'));
        listen('preSave', ({ instance }) => {
          instance.email = `${instance.email}!`;
        });
        listen('postSave', ({ instance, created }) => log.push(`postSave ${instance.name} ${created}`));
        listen('postDelete', ({ instance }) => log.push(`postDelete ${instance.name}`));
        listen('postBulk', () => log.push('postBulk'));
        await harness.bulkUpdate('User', { name: 'a' }, { email: 'new' });
        await harness.bulkDelete('User', { name: 'b' });
        expect(log).toEqual(['postSave a false', 'postSave a false', 'postDelete b']);
        expect((await harness.all('User')).map(({ email }) => email)).toEqual(['new!', 'new!']);
      });
    });

    test('10. endless recursion ends with an error that prints the chain; nothing of it is kept', async () => {
      const again = async ({ tx }: { tx: Tx }): Promise<void> => {
        await harness.insert('Profile', { userId: 1, bio: 'again' }, tx);
      };
      (models.postSave as AnySignal).connect(
        function createProfile(_sender: unknown, args: { tx: Tx }) {
          return again(args);
        },
        { sender: User, owner },
      );
      (models.postSave as AnySignal).connect(
        async function createUser(_sender: unknown, { tx }: { tx: Tx }) {
          await harness.insert('User', ada, tx);
        },
        { sender: Profile, owner },
      );
      await expect(harness.transaction((tx) => harness.insert('User', ada, tx))).rejects.toThrow(
        /postSave \w+ → createProfile → postSave \w+ → createUser → postSave \w+ → createProfile → /,
      );
      expect(await harness.all('User')).toEqual([]);
      expect(await harness.all('Profile')).toEqual([]);
    });

    test('10. endless recursion through afterCommit ends, too, and is reported', async () => {
      const reported: string[] = [];
      using handler = onError((error) => reported.push((error as Error).message));
      listen('postSave', () => harness.insert('User', ada), User, { afterCommit: true });
      await harness
        .transaction((tx) => harness.insert('User', ada, tx))
        .catch((error: unknown) => reported.push((error as Error).message));
      expect(reported.at(-1)).toMatch(/without end/);
      expect((await harness.all('User')).length).toBeLessThan(50);
      expect(handler).toBeDefined();
    });

    test('11. `using` is the name given to attach()', async () => {
      harness.detach();
      await attach({ using: 'replica' });
      listen('postSave', ({ using }) => log.push(using));
      await harness.insert('User', ada);
      expect(log).toEqual(['replica']);
    });

    describe.runIf(second)('11. two databases in one process', () => {
      const other = second as Harness<Tx>;
      beforeEach(async () => {
        await other.open();
        other.detach();
        await other.attach({ using: 'other' });
      });
      afterEach(() => other.close());

      test("do not hear each other's transactions", async () => {
        for (const sender of new Set([User, other.senders.User])) {
          listen(
            'postSave',
            ({ instance, using, onCommit }) => {
              log.push(`${using} ${instance.name}`);
              onCommit(() => log.push(`${using} ${instance.name} is committed`));
            },
            sender,
          );
        }
        await harness
          .transaction(async (tx) => {
            await harness.insert('User', { ...ada, name: 'a' }, tx);
            await other.transaction((otherTx) => other.insert('User', { ...ada, name: 'b' }, otherTx));
            throw new Error('rolled back');
          })
          .catch(() => undefined);
        expect(log).toEqual(['default a', 'other b', 'other b is committed']);
        expect([await harness.all('User'), (await other.all('User')).length]).toEqual([[], 1]);
      });

      test('one receiver writes to both, each in its own transaction', async () => {
        listen('postSave', async ({ instance, tx }) => {
          await harness.insert('Profile', { userId: instance.id, bio: 'here' }, tx);
          await other.insert('Profile', { userId: instance.id, bio: 'there' });
          throw new Error('no');
        });
        await expect(harness.transaction((tx) => harness.insert('User', ada, tx))).rejects.toThrow('no');
        expect([(await harness.all('Profile')).length, (await other.all('Profile')).length]).toEqual([0, 1]);
      });
    });

    test.runIf(harness.concurrent)('12. 200 saves in parallel transactions do not mix', async () => {
      const handles = new Map<string, Tx>();
      const { sameTransaction = Object.is } = harness;
      listen('postSave', async ({ instance, created, tx, onCommit }) => {
        if (!created) return;
        handles.set(instance.name, tx);
        await pause();
        await harness.insert('Profile', { userId: instance.id, bio: instance.name }, tx);
        onCommit(() => log.push(instance.name));
        if (instance.name.endsWith('7')) throw new Error('no');
      });
      const names = Array.from({ length: 200 }, (_unused, index) => `user ${String(index)}`);
      await Promise.allSettled(
        names.map((each) =>
          harness.transaction(async (tx) => {
            await harness.insert('User', { ...ada, name: each }, tx);
            expect(sameTransaction(handles.get(each) as Tx, tx)).toBe(true);
          }),
        ),
      );
      const kept = names.filter((each) => !each.endsWith('7')).sort();
      expect(log.sort()).toEqual(kept);
      expect((await harness.all('User')).map((user) => user.name).sort()).toEqual(kept);
      const users = new Map((await harness.all('User')).map((user) => [user.id, user.name]));
      expect((await harness.all('Profile')).map(({ userId, bio }) => users.get(userId) === bio)).toEqual(
        kept.map(() => true),
      );
    });

    test.runIf(harness.concurrent)(
      '12. receivers after the commit do not wait for a connection that their own transaction holds',
      async () => {
        listen(
          'postSave',
          async ({ instance }) => {
            expect((await harness.all('User')).map((user) => user.id)).toContain(instance.id);
            await harness.insert('Profile', { userId: instance.id, bio: 'after the commit' });
            log.push(instance.name);
          },
          User,
          { afterCommit: true },
        );
        const names = Array.from({ length: 50 }, (_unused, index) => `user ${index}`);
        await Promise.all(
          names.map((each, index) =>
            index % 2 === 0
              ? harness.insert('User', { ...ada, name: each })
              : harness.transaction((tx) => harness.insert('User', { ...ada, name: each }, tx)),
          ),
        );
        expect(log.sort()).toEqual(names.sort());
        expect(await harness.all('Profile')).toHaveLength(50);
      },
    );

    test('13. detaching leaves the ORM as it was', async () => {
      listen('preSave', () => log.push('preSave'));
      listen('postSave', () => log.push('postSave'));
      listen('postBulk', () => log.push('postBulk'));
      harness.detach();
      await harness.insert('User', ada);
      await harness.bulkUpdate('User', { name: 'Ada' }, { name: 'Grace' });
      expect(log).toEqual([]);
      await attach();
      listen('preSave', () => log.push('preSave again'), User, { dispatchUid: 'again' });
      await harness.insert('User', ada);
      expect(log).toContain('preSave again');
    });
  });

  function named(...names: string[]): Partial<UserRow>[] {
    return names.map((each) => ({ name: each, email: 'x' }));
  }
  function thrower(kind: string): () => unknown {
    const fail = (): never => {
      throw new Error('no');
    };
    if (kind === 'sync') return fail;
    return async () => {
      await pause();
      fail();
    };
  }
}
