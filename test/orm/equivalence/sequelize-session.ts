/** A database of Sequelize's, for the equivalence suite. */
import { DataTypes, Model, type ModelStatic, Sequelize } from 'sequelize';
import { attachSignals, type SignalsOptions } from '../../../src/sequelize.ts';
import { type Engine, freshDatabase } from '../../support/databases.ts';
import { sqlite3 } from '../../support/sqlite3.ts';
import type { Session } from '../equivalence.ts';
import { Row } from './sequelize-row.ts';
import { atomically, perform, type Step } from './sequelize.ts';

export type Models = Readonly<Record<'Person' | 'Seat' | 'Task' | 'Ticket' | 'Tag', ModelStatic<Model>>>;

const HOOKS = [
  ...['Create', 'Update', 'Destroy', 'Restore', 'Save', 'Upsert', 'Validate', 'Find'],
  ...['BulkCreate', 'BulkUpdate', 'BulkDestroy', 'BulkRestore'],
].flatMap((name) => [`before${name}`, `after${name}`]);

export async function openSequelize(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const statements: string[] = [];
  const hooks: string[] = [];
  const logging = (sql: string): void => void statements.push(withoutChance(sql));
  const sequelize =
    engine === 'sqlite'
      ? new Sequelize({ dialect: 'sqlite', dialectModule: sqlite3, storage: ':memory:', logging })
      : new Sequelize(database.url, { logging, pool: { max: 3, acquire: 5_000 } });
  const models = define(sequelize);
  await sequelize.sync();
  for (const hook of HOOKS) {
    sequelize.addHook(hook as 'beforeSave', (...args: unknown[]) => {
      // What is read for receivers is no call of the app's, and what a hook is given shows in what it leaves.
      hooks.push(`${hook} ${args.map(textOf).join(' ')}`);
    });
  }
  const tables = Object.values(sequelize.models);
  const empty: Readonly<Record<Engine, readonly string[]>> = {
    sqlite: [
      // What an ignored insert is given as its key is the last one of the connection, also of another program.
      'INSERT OR REPLACE INTO tags (id) VALUES (1)',
      ...tables.map(({ tableName }) => `DELETE FROM ${tableName}`),
      'DELETE FROM sqlite_sequence',
    ],
    postgres: [`TRUNCATE ${tables.map(({ tableName }) => tableName).join()} RESTART IDENTITY CASCADE`],
    mariadb: tables.map(({ tableName }) => `TRUNCATE ${tableName}`),
  };
  let attached: Disposable | undefined;
  let isAtomic = false;
  let imitates = false;
  return {
    async reset() {
      for (const statement of empty[engine]) await sequelize.query(statement, { logging: false });
      hooks.length = statements.length = 0;
    },
    attach(options) {
      isAtomic = (options as SignalsOptions).atomic === true;
      attached = attachSignals(sequelize, options);
    },
    detach() {
      attached?.[Symbol.dispose]();
    },
    imitate(options) {
      imitates = true;
      isAtomic = (options as SignalsOptions).atomic === true;
    },
    async perform(step) {
      const before = hooks.length;
      // Sequelize runs the hooks of these instances at once: their order is that of their waits.
      const isAtOnce = /individualHooks|include|setT|addT/.test(JSON.stringify(step));
      try {
        return await (isAtomic && imitates ? atomically : perform)(step, sequelize, models);
      } catch (error) {
        // The rollback keeps the rows that have not been begun from being written: which those are is a matter of time.
        if (isAtomic && isAtOnce) hooks.length = before;
        throw error;
      } finally {
        if (isAtOnce) hooks.push(...hooks.splice(before).sort());
      }
    },
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const { tableName } of tables) {
        const [found] = await sequelize.query(`SELECT * FROM ${tableName} ORDER BY 1, 2`, { logging: false });
        rows[tableName] = (found as object[]).map((row) =>
          Object.fromEntries(Object.entries(row).map(([key, value]) => [key, isTime(key) && value ? 'a time' : value])),
        );
      }
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      await sequelize.close();
      await database.drop();
    },
  };
}

function define(sequelize: Sequelize): Models {
  class Person extends Row {}
  class Seat extends Row {}
  class Task extends Row {}
  class Ticket extends Row {}
  class Tag extends Row {}
  Person.init(
    {
      name: { type: DataTypes.STRING(20), allowNull: false, validate: { len: [1, 5] } },
      email: { type: DataTypes.STRING(20), unique: true },
      age: { type: DataTypes.INTEGER, defaultValue: 7 },
      role: { type: DataTypes.STRING(20), defaultValue: 'user' },
    },
    { sequelize, tableName: 'people' },
  );
  Seat.init(
    {
      line: { type: DataTypes.INTEGER, primaryKey: true },
      place: { type: DataTypes.INTEGER, primaryKey: true },
      guest: DataTypes.STRING(20),
    },
    { sequelize, tableName: 'seats', timestamps: false },
  );
  Task.init(
    { title: DataTypes.STRING(20), data: DataTypes.JSON, personId: DataTypes.INTEGER },
    { sequelize, tableName: 'tasks', paranoid: true, version: true },
  );
  // Attributes that are called otherwise in the table, setters, a virtual one, a default scope.
  Ticket.init(
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true, field: 'ticket_no' },
      code: {
        type: DataTypes.STRING(20),
        field: 'ticket_code',
        set(value: unknown) {
          this.setDataValue('code' as never, typeof value === 'string' ? value.toUpperCase() : value);
        },
      },
      state: { type: DataTypes.STRING(20), defaultValue: 'open' },
      label: { type: DataTypes.VIRTUAL, get: () => 'a label' },
      price: DataTypes.DECIMAL(8, 2),
    },
    { sequelize, tableName: 'tickets', timestamps: false, defaultScope: { where: { state: 'open' } } },
  );
  Ticket.addScope('shut', { where: { state: 'shut' } });
  Tag.init({ name: DataTypes.STRING(20) }, { sequelize, tableName: 'tags', timestamps: false });
  Person.hasMany(Task, { foreignKey: 'personId', as: 'tasks', constraints: false });
  Task.belongsTo(Person, { foreignKey: 'personId', as: 'person', constraints: false });
  Person.belongsToMany(Tag, { through: 'people_tags', as: 'tags', timestamps: false, constraints: false });
  return { Person, Seat, Task, Ticket, Tag };
}

/** What differs from run to run, whatever is attached. */
export function withoutChance(text: string): string {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'uuid')
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d\d:\d\d|Z)?/g, 'a time');
}

function isTime(key: string): boolean {
  return key.endsWith('At');
}

/** An argument of a hook. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (value instanceof Model) return `${value.constructor.name} ${jsonOf(value.dataValues)} ${changedOf(value)}`;
  return value === undefined ? '' : jsonOf(value);
}

function changedOf(value: Model): string {
  const changed = value.changed();
  return changed === false ? '' : withoutUpdateDate(changed);
}

/** It has changed, or not if the row was written before in the same millisecond. */
export function withoutUpdateDate(changed: Iterable<unknown>): string {
  return [...changed].filter((field) => field !== 'updatedAt').join();
}

const NOT_OF_THE_CALL = /^(transaction|model|logging|include.*|instance|association|parentRecord|parent)$/;

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value, (key, inner: unknown): unknown => {
    if (NOT_OF_THE_CALL.test(key) || inner instanceof Model) return undefined;
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    const symbols = Object.getOwnPropertySymbols(inner).map((symbol) => [
      String(symbol),
      (inner as Record<symbol, unknown>)[symbol],
    ]);
    return symbols.length === 0 ? inner : { ...inner, ...Object.fromEntries(symbols) };
  });
  return withoutChance(text);
}
