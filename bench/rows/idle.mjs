/**
 * Row 13: what a save costs with an adapter attached while nobody listens, for each ORM, in memory, where only
 * computing counts. In one process and in turns: bare, attached, bare again. Attached and detached between the turns,
 * for some adapters patch what all databases of the ORM share. The mean of the middle half of the paired ratios, and
 * the interval in which 95 % of means would lie.
 */
import 'reflect-metadata';

const BLOCK = 40;
const ROUNDS = 200;
let saved = 0;
const name = () => `ada ${saved++}`;

const ORMS = {
  async TypeORM() {
    const { DataSource, EntitySchema } = await import('typeorm');
    const { attachSignals } = await import('../../dist/typeorm.js');
    class Customer {}
    const columns = { id: { type: Number, primary: true, generated: true }, name: { type: String } };
    const entity = new EntitySchema({ name: 'Customer', target: Customer, columns });
    const dataSource = await new DataSource({ type: 'sqljs', entities: [entity], synchronize: true }).initialize();
    const repository = dataSource.getRepository(Customer);
    return {
      save: () => repository.save(Object.assign(new Customer(), { name: name() })),
      attach: () => attachSignals(dataSource),
      clear: () => repository.clear(),
    };
  },
  async Mongoose() {
    const { Mongoose } = await import('mongoose');
    const { signals } = await import('../../dist/mongoose.js');
    const { startServer } = await import('../../test/orm/mongodb-server.ts');
    const server = process.env.MONGODB_URL ?? (await startServer()).url;
    const connect = async (plugin) => {
      const mongoose = new Mongoose();
      if (plugin) mongoose.plugin(plugin);
      const Customer = mongoose.model('Customer', new mongoose.Schema({ name: String }));
      await mongoose.connect(server, { dbName: 'tocsin_idle' });
      return Customer;
    };
    const [bare, attached] = [await connect(), await connect(signals())];
    let Customer = bare;
    return {
      save: () => new Customer({ name: name() }).save(),
      attach() {
        Customer = attached;
        return { [Symbol.dispose]: () => void (Customer = bare) };
      },
      clear: () => bare.deleteMany({}),
    };
  },
  async Prisma() {
    const { PrismaLibSql } = await import('@prisma/adapter-libsql');
    const { PrismaClient } = await import('../../test/orm/prisma/sqlite/client/client.ts');
    const { signals } = await import('../../dist/prisma.js');
    const bare = new PrismaClient({ adapter: new PrismaLibSql({ url: ':memory:' }) });
    await bare.$executeRawUnsafe(
      'create table contract_users (id integer primary key autoincrement, name text not null, email text, age integer, born datetime, handle text unique)',
    );
    return switching(
      bare,
      bare.$extends(signals()),
      (prisma) => prisma.user.create({ data: { name: name() } }),
      () => bare.user.deleteMany(),
    );
  },
  async Sequelize() {
    const { DataTypes, Model, Sequelize } = await import('sequelize');
    const { sqlite3 } = await import('../../test/support/sqlite3.ts');
    const { attachSignals } = await import('../../dist/sequelize.js');
    const sequelize = new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, storage: ':memory:', logging: false });
    class Customer extends Model {}
    Customer.init({ name: DataTypes.TEXT }, { sequelize, timestamps: false });
    await sequelize.sync();
    return {
      save: () => Customer.create({ name: name() }),
      attach: () => attachSignals(sequelize),
      clear: () => Customer.destroy({ where: {} }),
    };
  },
  async Drizzle() {
    const { createClient } = await import('@libsql/client');
    const { drizzle } = await import('drizzle-orm/libsql');
    const { integer, sqliteTable, text } = await import('drizzle-orm/sqlite-core');
    const { withSignals } = await import('../../dist/drizzle.js');
    const customers = sqliteTable('customers', { id: integer().primaryKey(), name: text() });
    const bare = drizzle(createClient({ url: ':memory:' }));
    await bare.run('create table customers (id integer primary key, name text)');
    return switching(
      bare,
      withSignals(bare),
      (db) => db.insert(customers).values({ name: name() }).returning(),
      () => bare.delete(customers),
    );
  },
  async MikroORM() {
    const { EntitySchema, MikroORM } = await import('@mikro-orm/libsql');
    const { attachSignals } = await import('../../dist/mikro-orm.js');
    class Customer {}
    const properties = { id: { type: 'integer', primary: true }, name: { type: 'string' } };
    const orm = await MikroORM.init({
      dbName: ':memory:',
      entities: [new EntitySchema({ class: Customer, properties })],
    });
    await orm.schema.refresh();
    return {
      save: () => {
        const em = orm.em.fork();
        em.create(Customer, { name: name() });
        return em.flush();
      },
      attach: () => attachSignals(orm),
      clear: () => orm.em.fork().nativeDelete(Customer, {}),
    };
  },
  async Kysely() {
    const { Kysely, SqliteDialect } = await import('kysely');
    const { default: Sqlite } = await import('libsql');
    const { withSignals } = await import('../../dist/kysely.js');
    const bare = new Kysely({ dialect: new SqliteDialect({ database: new Sqlite(':memory:') }) });
    await bare.schema
      .createTable('customers')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('name', 'text')
      .execute();
    return switching(
      bare,
      withSignals(bare),
      (db) => db.insertInto('customers').values({ name: name() }).execute(),
      () => bare.deleteFrom('customers').execute(),
    );
  },
  async Objection() {
    const { Model } = await import('objection');
    const { knexOnSqlite } = await import('../../test/support/knex-sqlite.ts');
    const { withSignals } = await import('../../dist/objection.js');
    const knex = knexOnSqlite(':memory:');
    await knex.schema.createTable('customers', (table) => {
      table.increments('id');
      table.text('name');
    });
    const modelOf = (Base) => {
      class Customer extends Base {
        static tableName = 'customers';
      }
      Customer.knex(knex);
      return Customer;
    };
    const bare = modelOf(class extends Model {});
    return switching(
      bare,
      modelOf(class extends withSignals(Model) {}),
      (model) => model.query().insert({ name: name() }),
      () => bare.query().delete(),
    );
  },
};

/** For an ORM that is wrapped: another handle. */
function switching(bare, attached, save, clear) {
  let handle = bare;
  return {
    save: () => save(handle),
    attach() {
      handle = attached;
      return { [Symbol.dispose]: () => void (handle = bare) };
    },
    clear,
  };
}

export const contenders = ORMS;

export async function measure({ save, attach, clear }) {
  const times = { bare: [], attached: [], 'bare again': [] };
  const kinds = Object.keys(times);
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < kinds.length; turn++) {
      const kind = kinds[(turn + round) % kinds.length];
      const attached = kind === 'attached' ? attach() : undefined;
      const began = process.hrtime.bigint();
      for (let time = 0; time < BLOCK; time++) await save();
      times[kind].push(Number(process.hrtime.bigint() - began) / BLOCK);
      attached?.[Symbol.dispose]();
    }
    if (round % 10 === 9) await clear();
  }
  const ratiosTo = (kind) => {
    const ratios = times[kind]
      .map((time, round) => time / times.bare[round])
      .slice(ROUNDS / 4)
      .sort((one, other) => one - other);
    const kept = ratios.slice(Math.floor(ratios.length / 4), Math.ceil((3 * ratios.length) / 4));
    const mean = kept.reduce((sum, each) => sum + each, 0) / kept.length;
    const deviation = Math.sqrt(kept.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (kept.length - 1));
    return { mean, interval: (1.96 * deviation) / Math.sqrt(kept.length) };
  };
  const sorted = [...times.bare].sort((one, other) => one - other);
  return { attached: ratiosTo('attached'), again: ratiosTo('bare again'), microseconds: sorted[ROUNDS / 2] / 1000 };
}
