/** What stands around the examples of each adapter: a database of its ORM, and the names that they take for granted. */
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { createClient } from '@libsql/client';
import { EntitySchema } from '@mikro-orm/core';
import { MikroORM } from '@mikro-orm/libsql';
import { drizzle } from 'drizzle-orm/libsql';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { Kysely, SqliteDialect } from 'kysely';
import Sqlite from 'libsql';
import mongoose from 'mongoose';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Model as ObjectionModel } from 'objection';
import { Model, Sequelize } from 'sequelize';
import { DataSource } from 'typeorm';
import * as drizzleAdapter from '../../src/drizzle.ts';
import * as kyselyAdapter from '../../src/kysely.ts';
import * as mikroOrmAdapter from '../../src/mikro-orm.ts';
import * as mongooseAdapter from '../../src/mongoose.ts';
import * as objectionAdapter from '../../src/objection.ts';
import * as prismaAdapter from '../../src/prisma.ts';
import * as sequelizeAdapter from '../../src/sequelize.ts';
import * as testing from '../../src/testing.ts';
import { matchers } from '../../src/testing/matchers.ts';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import * as tracing from '../../src/tracing.ts';
import * as typeormAdapter from '../../src/typeorm.ts';
import { knexOnSqlite } from '../support/knex-sqlite.ts';
import { PrismaClient } from '../orm/prisma/sqlite/client/client.ts';

interface Surrounding extends AsyncDisposable {
  readonly scope: object;
}
interface Surroundings {
  open(): Promise<Surrounding>;
  /** The same names, for the compiler. */
  declarations(code: string): string;
}

export function declares(code: string, name: string): boolean {
  return new RegExp(`(class|const|function) ${name}\\b`).test(code);
}

const within = (scope: object, close: () => unknown = () => undefined): Surrounding => ({
  scope,
  [Symbol.asyncDispose]: async () => void (await close()),
});
/** A SQLite file with the tables of the examples. */
async function sqliteFile(): Promise<{ url: string; path: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-docs-'));
  const path = join(folder, 'example.db');
  const client = createClient({ url: `file:${path}` });
  await client.batch([
    'create table users (id integer primary key autoincrement, name text)',
    'create table contract_users (id integer primary key autoincrement, name text, email text, age integer, born datetime, handle text)',
  ]);
  client.close();
  return {
    url: `file:${path}`,
    path,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

/** Imports of what an example uses of an entry point. */
function importsOf(exported: object, entry: string, code: string): string {
  const used = Object.keys(exported).filter((name) => new RegExp(`\\b${name}\\b`).test(code) && !declares(code, name));
  return used.length === 0 ? '' : `import { ${used.join(', ')} } from '${entry}';`;
}

const withTools: Surroundings = {
  open: async () => within({ ...testing, ...tracing, matchers, subscribe, unsubscribe }),
  declarations: (code) =>
    `${importsOf({ subscribe, unsubscribe }, 'node:diagnostics_channel', code)} ${importsOf(tracing, 'tocsin/tracing', code)} ${importsOf(testing, 'tocsin/testing', code)} ${importsOf({ matchers }, 'tocsin/testing/matchers', code)}`,
};

export const surroundings: Readonly<Record<string, Surroundings>> = {
  index: withTools,
  testing: withTools,
  tracing: withTools,
  typeorm: {
    open: async () => within({ ...typeormAdapter, DataSource, User: class User {}, Profile: class Profile {} }),
    declarations: () =>
      "import { attachSignals } from 'tocsin/typeorm'; import { DataSource } from 'typeorm'; class User {} class Profile { user?: User }",
  },
  sequelize: {
    open: async () =>
      within({
        ...sequelizeAdapter,
        sequelize: new Sequelize('postgres://localhost/example', { logging: false }),
        User: class User extends Model {},
      }),
    declarations: () =>
      "import { attachSignals } from 'tocsin/sequelize'; import { Model, Sequelize } from 'sequelize'; declare const sequelize: Sequelize; class User extends Model {}",
  },
  mongoose: {
    open: async () => within({ ...mongooseAdapter, Mongoose: mongoose.Mongoose }),
    declarations: () => "import { signals } from 'tocsin/mongoose'; import { Mongoose } from 'mongoose'",
  },
  drizzle: {
    async open() {
      const { url, remove } = await sqliteFile();
      const client = createClient({ url });
      return within(
        {
          ...drizzleAdapter,
          drizzle,
          client,
          users: sqliteTable('users', { id: integer().primaryKey(), name: text().notNull() }),
        },
        () => {
          client.close();
          remove();
        },
      );
    },
    declarations: () =>
      "import { withSignals } from 'tocsin/drizzle'; import { drizzle } from 'drizzle-orm/libsql'; import type { Client } from '@libsql/client'; import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'; declare const client: Client; const users = sqliteTable('users', { id: integer().primaryKey(), name: text().notNull() })",
  },
  kysely: {
    async open() {
      const { path, remove } = await sqliteFile();
      const database = new Sqlite(path);
      return within({ ...kyselyAdapter, Kysely, dialect: new SqliteDialect({ database: database }) }, () => {
        database.close();
        remove();
      });
    },
    declarations: () =>
      "import { withSignals } from 'tocsin/kysely'; import { type Dialect, type Generated, Kysely } from 'kysely'; declare const dialect: Dialect; interface Database { users: { id: Generated<number>; name: string } }",
  },
  prisma: {
    async open() {
      const { url, remove } = await sqliteFile();
      return within({ ...prismaAdapter, PrismaClient, adapter: new PrismaLibSql({ url }) }, remove);
    },
    declarations: () =>
      "import { signals } from 'tocsin/prisma'; import type { PrismaLibSql } from '@prisma/adapter-libsql'; import { PrismaClient } from '../../orm/prisma/sqlite/client/client.ts'; declare const adapter: PrismaLibSql",
  },
  objection: {
    async open() {
      const { path, remove } = await sqliteFile();
      const knex = knexOnSqlite(path);
      return within({ ...objectionAdapter, Model: ObjectionModel, knex }, async () => {
        await knex.destroy();
        remove();
      });
    },
    declarations: () =>
      "import { withSignals } from 'tocsin/objection'; import { Model } from 'objection'; import type { Knex } from 'knex'; declare const knex: Knex",
  },
  'mikro-orm': {
    async open() {
      const { path, remove } = await sqliteFile();
      class User {
        id!: number;
        name!: string;
      }
      class Profile {
        id!: number;
        userId!: number;
      }
      const id = { type: 'integer', primary: true } as const;
      const orm = await MikroORM.init({
        dbName: path,
        entities: [
          new EntitySchema({ class: User, properties: { id, name: { type: 'string' } } }),
          new EntitySchema({ class: Profile, properties: { id, userId: { type: 'integer' } } }),
        ],
      });
      await orm.schema.refresh();
      return within({ ...mikroOrmAdapter, orm, User, Profile }, async () => {
        await orm.close();
        remove();
      });
    },
    declarations: () =>
      "import { attachSignals } from 'tocsin/mikro-orm'; import type { MikroORM, Opt } from '@mikro-orm/core'; declare const orm: MikroORM; declare class User { id: number & Opt; name: string } declare class Profile { id: number & Opt; userId: number }",
  },
};
