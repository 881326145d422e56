/** A value that cannot be decoded fails a call when its rows are written: with receivers they stay written, too. */
import { createClient } from '@libsql/client';
import { PGlite } from '@electric-sql/pglite';
import { eq, gt, sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import * as pgCore from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import { npmVersion } from 'drizzle-orm/version';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disconnectReceivers, postBulk, postDelete, postSave, preSave } from '../../src/index.ts';
import { type SignalsOptions, withSignals } from '../../src/drizzle.ts';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-assignment -- two dialects, which have no type in common */
const decode = (value: unknown): string => {
  if (value === 'broken') throw new RangeError('cannot be decoded');
  return String(value);
};
const type = { dataType: () => 'text', fromDriver: decode };
const CREATE = 'create table notes (id integer primary key, text text)';
const engines: [string, () => Promise<{ open: () => any; notes: any; close: () => unknown }>][] = [
  [
    'libsql',
    async () => {
      const client = createClient({ url: ':memory:' });
      await client.execute(CREATE);
      const text = sqliteCore.customType<{ data: string }>(type);
      const notes = sqliteCore.sqliteTable('notes', { id: sqliteCore.integer().primaryKey(), text: text() });
      return {
        open: () => drizzleLibsql({ client }),
        notes,
        close: () => {
          client.close();
        },
      };
    },
  ],
  [
    'PGlite',
    async () => {
      const client = await PGlite.create();
      await client.query(CREATE);
      const text = pgCore.customType<{ data: string }>(type);
      const notes = pgCore.pgTable('notes', { id: pgCore.integer().primaryKey(), text: text() });
      return { open: () => drizzlePglite({ client }), notes, close: () => client.close() };
    },
  ],
];
if (npmVersion.startsWith('1.')) {
  engines.push([
    'PGlite, by a codec',
    async () => {
      const client = await PGlite.create();
      await client.query(CREATE);
      const notes = pgCore.pgTable('notes', { id: pgCore.integer().primaryKey(), text: pgCore.text() });
      const codecs = { text: { normalize: decode } };
      return { open: () => drizzlePglite({ client, codecs } as any), notes, close: () => client.close() };
    },
  ]);
}

describe.each(engines)('Drizzle on %s', (_name, start) => {
  const owner = {};
  let engine: Awaited<ReturnType<typeof start>>;
  let notes: any;
  let log: string[] = [];
  beforeAll(async () => {
    engine = await start();
    ({ notes } = engine);
  });
  afterAll(() => engine.close());
  beforeEach(() => {
    log = [];
  });
  afterEach(() => disconnectReceivers(owner));
  const listen = (): void => {
    preSave.connect((_sender, { created }) => log.push(`preSave ${String(created)}`), { sender: notes, owner });
    postSave.connect(
      (_sender, { instance, onCommit }) => {
        log.push(`postSave ${JSON.stringify(instance)}`);
        onCommit(() => log.push('committed'));
      },
      { sender: notes, owner },
    );
    postDelete.connect(() => log.push('postDelete'), { sender: notes, owner });
    postBulk.connect((_sender, { operation, count }) => log.push(`postBulk ${operation} ${String(count)}`), {
      sender: notes,
      owner,
    });
  };
  /** What becomes of the call, and what is stored then, bare and with receivers. */
  const compare = async (write: (db: any) => Promise<unknown>, options?: SignalsOptions): Promise<unknown> => {
    const bare = engine.open();
    const outcomes: unknown[] = [];
    for (const db of [bare, withSignals(bare, { bulk: 'signal', ...options })]) {
      await bare.delete(notes);
      await bare.insert(notes).values([
        { id: 1, text: 'one' },
        { id: 2, text: 'broken' },
      ]);
      if (db !== bare) listen();
      const outcome = await write(db).then(
        (value) => ({ value }),
        (error: unknown) => ({ error: String(error) }),
      );
      const stored = await bare
        .select({ id: notes.id, text: sql`text` })
        .from(notes)
        .orderBy(notes.id);
      outcomes.push({ outcome, stored });
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    return (outcomes[0] as { outcome: unknown }).outcome;
  };
  const FAILS = { error: 'RangeError: cannot be decoded' };

  test('an insert that returns such a value is kept', async () => {
    expect(await compare((db) => db.insert(notes).values({ id: 3, text: 'broken' }).returning())).toEqual(FAILS);
    expect(log).toEqual(['preSave true', 'postBulk insert 1']);
  });

  test('what only the caller cannot read, receivers are given', async () => {
    const returned = { id: sql`id`.mapWith(() => decode('broken')), alias: sql`id`.mapWith(Number).as('alias') };
    const insert = (db: any) => db.insert(notes).values({ id: 3, text: 'three' }).returning(returned);
    expect(await compare(insert)).toEqual(FAILS);
    expect(log).toEqual(['preSave true', 'postSave {"id":3,"text":"three"}', 'committed']);
  });

  test('what only receivers cannot be given fails no call', async () => {
    const insert = (db: any) => db.insert(notes).values({ id: 3, text: 'broken' }).returning({ id: notes.id });
    expect(await compare(insert)).toEqual({ value: [{ id: 3 }] });
    expect(log).toEqual(['preSave true', 'postBulk insert 1']);
  });

  test.each<SignalsOptions>([{}, { beforeImage: false }])('a row is mended by an update: %j', async (options) => {
    const update = (db: any) => db.update(notes).set({ text: 'two' }).where(eq(notes.id, 2)).returning();
    expect(await compare(update, options)).toEqual({ value: [{ id: 2, text: 'two' }] });
    expect(log.at(-1)).toBe(options.beforeImage === false ? 'committed' : 'postBulk update 1');
  });

  test('an update that breaks a row is kept', async () => {
    const update = (db: any) => db.update(notes).set({ text: 'broken' }).where(eq(notes.id, 1)).returning();
    expect(await compare(update)).toEqual(FAILS);
    expect(log).toEqual(['preSave false', 'postBulk update 1']);
  });

  test.each<SignalsOptions>([{}, { bulk: 'individual' }])('a write of several rows is kept: %j', async (options) => {
    const update = (db: any) => db.update(notes).set({ text: 'broken' }).where(gt(notes.id, 0)).returning();
    expect(await compare(update, options)).toEqual(FAILS);
    expect(log).toEqual(['postBulk update 2']);
  });

  test.each<SignalsOptions>([{}, { atomic: false }])(
    'a write as a whole is told of where it is: %j',
    async (options) => {
      const update = (db: any) => db.update(notes).set({ text: 'broken' }).where(gt(notes.id, 0)).returning();
      const write = (db: any) =>
        options.atomic === false
          ? update(db)
          : db.transaction((tx: any) => update(tx).catch((error: unknown) => `kept: ${String(error)}`));
      await compare(write, options);
      expect(log).toEqual(['postBulk update 2']);
    },
  );

  test('a delete of such a row is kept', async () => {
    expect(await compare((db) => db.delete(notes).where(eq(notes.id, 2)).returning())).toEqual(FAILS);
    expect(log).toEqual(['postBulk delete 1']);
  });

  test("'throw' refuses to leave out receivers", async () => {
    const db = withSignals(engine.open(), { bulk: 'throw' });
    await engine.open().delete(notes);
    listen();
    const written = db.insert(notes).values({ id: 3, text: 'broken' }).returning();
    await expect(Promise.resolve(written)).rejects.toThrow(/It is refused/);
    expect(await db.$count(notes)).toBe(0);
  });
});
