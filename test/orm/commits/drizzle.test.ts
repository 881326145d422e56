import { AsyncLocalStorage } from 'node:async_hooks';
import { createClient } from '@libsql/client';
import { eq, sql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import * as pgCore from 'drizzle-orm/pg-core';
import * as sqliteCore from 'drizzle-orm/sqlite-core';
import { npmVersion } from 'drizzle-orm/version';
import pg from 'pg';
import { type SignalsOptions, withSignals } from '../../../src/drizzle.ts';
import { commits, type CommitSubject } from '../commits.ts';

/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-return -- two dialects, which have no type in common */
function open(url: string, max: number): { db: any; items: any; run: string; close(): unknown } {
  if (!url.startsWith('postgres')) {
    const client = createClient({ url: `file:${url}` });
    const items = sqliteCore.sqliteTable('items', { id: sqliteCore.integer().primaryKey(), note: sqliteCore.text() });
    return { db: drizzleLibsql({ client }), items, run: 'run', close: () => client.close() };
  }
  const pool = new pg.Pool({ connectionString: url, max });
  pool.on('error', () => undefined);
  const items = pgCore.pgTable('items', { id: pgCore.integer().primaryKey(), note: pgCore.text() });
  return { db: drizzlePostgres({ client: pool }), items, run: 'execute', close: () => pool.end() };
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
