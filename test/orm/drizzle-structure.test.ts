/** A wrapped database of Drizzle, and what it gives, has what the bare one has. */
import { createClient } from '@libsql/client';
import { PGlite } from '@electric-sql/pglite';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import * as pgCore from 'drizzle-orm/pg-core';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import { expect, test } from 'vitest';
import { withSignals } from '../../src/drizzle.ts';
import { structureOf } from './structure.ts';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-assignment -- two dialects, which have no type in common */
const sqlite = async () => {
  const client = createClient({ url: ':memory:' });
  await client.execute('create table users (id integer primary key, name text)');
  const users = sqliteCore.sqliteTable('users', { id: sqliteCore.integer().primaryKey(), name: sqliteCore.text() });
  return {
    db: drizzleLibsql({ client }) as any,
    users: users as any,
    close: async () => {
      await Promise.resolve();
      client.close();
    },
  };
};
const postgres = async () => {
  const client = await PGlite.create();
  await client.query('create table users (id serial primary key, name text)');
  const users = pgCore.pgTable('users', { id: pgCore.serial().primaryKey(), name: pgCore.text() });
  return { db: drizzlePglite({ client }) as any, users: users as any, close: () => client.close() };
};

test.each([
  ['libsql', sqlite],
  ['PGlite', postgres],
])(
  '%s: a wrapped database, its transactions, builders and prepared queries look like the bare ones',
  async (_name, open) => {
    const { db: bare, users, close } = await open();
    const handles: Record<string, (db: any) => unknown> = {
      database: (db) => db,
      query: (db) => db.query,
      client: (db) => db.$client,
      internals: (db) => db._,
      transaction: (db) => db.transaction((tx: unknown) => Promise.resolve({ tx })),
      'insert()': (db) => db.insert(users),
      'insert().values()': (db) => ({ query: db.insert(users).values({ name: 'a' }) }),
      'insert().returning()': (db) => ({ query: db.insert(users).values({ name: 'a' }).returning().$dynamic() }),
      'update()': (db) => db.update(users),
      'update().set()': (db) => ({ query: db.update(users).set({ name: 'a' }) }),
      'delete()': (db) => ({ query: db.delete(users) }),
      'select()': (db) => ({ query: db.select().from(users) }),
      'with()': (db) => db.with(db.$with('a').as(db.select().from(users))),
      $count: (db) => ({ query: db.$count(users) }),
      prepared: (db) => ({ query: db.insert(users).values({ name: 'a' }).prepare('a') }),
    };
    for (const [name, handle] of Object.entries(handles)) {
      const [wrapped, expected] = [await handle(withSignals(bare)), await handle(bare)];
      expect(structureOf(wrapped, { depth: 2 }), name).toEqual(structureOf(expected, { depth: 2 }));
    }
    const insert = withSignals(bare).insert(users).values({ name: 'a' });
    expect(insert.returning()).toBe(insert);
    await close();
  },
);
