import { AsyncLocalStorage } from 'node:async_hooks';
import { type Client, createClient } from '@libsql/client';
import { eq, sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import * as pgCore from 'drizzle-orm/pg-core';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import { npmVersion } from 'drizzle-orm/version';
import pg from 'pg';
import { type SignalsOptions, withSignals } from '../../../src/drizzle.ts';
import { collectGarbage } from '../../support/gc.ts';
import { commits, type CommitSubject } from '../commits.ts';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return -- two dialects, which have no type in common */
function open(url: string, max: number): { db: any; items: any; run: string; close(): unknown } {
  if (!url.startsWith('postgres')) {
    const client = healing(createClient({ url: `file:${url}` }));
    const items = sqliteCore.sqliteTable('items', { id: sqliteCore.integer().primaryKey(), note: sqliteCore.text() });
    return { db: drizzleLibsql({ client }), items, run: 'run', close: () => client.close() };
  }
  const pool = new pg.Pool({ connectionString: url, max });
  pool.on('error', () => undefined);
  const items = pgCore.pgTable('items', { id: pgCore.integer().primaryKey(), note: pgCore.text() });
  return { db: drizzlePostgres({ client: pool }), items, run: 'execute', close: () => pool.end() };
}

/**
 * A statement that libsql's driver finds the database locked for stays unfinished until it is collected: what its
 * connection writes meanwhile is not committed, though it says so, and locks out all others. Without signals as with
 * them, whichever ORM.
 */
function healing(client: Client): Client {
  for (const method of ['execute', 'batch', 'transaction'] as const) {
    const original = client[method].bind(client) as (...args: unknown[]) => Promise<unknown>;
    const healed = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await original(...args);
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error;
        // A stack that nobody has read keeps what was on it.
        for (let each: unknown = error; each instanceof Error; each = each.cause) void each.stack;
        await collectGarbage();
        throw error;
      }
    };
    Object.assign(client, { [method]: healed });
  }
  return client;
}

function drizzle(name: string, options: SignalsOptions): CommitSubject<any> {
  return {
    // The suite runs on two releases at once, each on a database of its own.
    orm: `Drizzle ${npmVersion.charAt(0)}${name}`,
    engines: ['sqlite', 'postgres'],
    open(_engine, { url }, max) {
      const { db: bare, items, run, close } = open(url, max);
      const db: any = withSignals(bare, options);
      const ambient = new AsyncLocalStorage<any>();
      return Promise.resolve({
        sender: items,
        insert: (id, tx = ambient.getStore() ?? db) => tx.insert(items).values({ id, note: 'new' }).execute(),
        ids: async () => (await db.select().from(items)).map((item: { id: number }) => item.id),
        transaction: (body, tx = db) => tx.transaction(body),
        ambient: (body) => db.transaction((tx: unknown) => ambient.run(tx, body)),
        getOrCreate: async (id, tx) => {
          const [found] = await tx.select().from(items).where(eq(items.id, id));
          return found ?? tx.insert(items).values({ id, note: 'new' }).returning();
        },
        execute: (statement, tx) => tx[run](sql.raw(statement)).then((result: unknown) => result),
        close: async () => void (await close()),
      });
    },
  };
}
/* eslint-enable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return */

commits(drizzle('', {}));
commits(drizzle(' not atomic', { atomic: false }));
