/** A database of TypeORM's, for the equivalence suite. */
import { DataSource, type DataSourceOptions, EntitySchema, type EntitySubscriberInterface, type Logger } from 'typeorm';
import { attachSignals } from '../../../src/typeorm.ts';
import { type Engine, freshDatabase } from '../../support/databases.ts';
import type { Session } from '../equivalence.ts';
import { perform, type Step } from './typeorm.ts';

/** With a constructor and an initialiser, which a row must not see. */
export class Author {
  id!: number;
  name!: string;
  code!: string | null;
  role!: string;
  posts!: Post[];
}
export class Post {
  id!: number;
  title = 'initialised';
  views!: number;
  authorId!: number | null;
  author!: Author | null;
  tags!: Tag[];
  deletedAt!: Date | null;
  version!: number;
}
export class Tag {
  id!: number;
  label!: string;
  posts!: Post[];
}
export class Seat {
  line!: number;
  place!: number;
  guest!: string | null;
  constructor(line: { toFixed(): string }) {
    line.toFixed();
  }
}

const id = { type: Number, primary: true, generated: 'increment' } as const;
const text = { type: 'varchar', length: 50 } as const;
const SCHEMAS = [
  new EntitySchema<Author>({
    name: 'Author',
    target: Author,
    columns: {
      id,
      name: { ...text, default: 'anonymous' },
      code: { ...text, nullable: true, unique: true },
      role: { ...text, default: 'reader', update: false },
    },
    relations: { posts: { type: 'one-to-many', target: 'Post', inverseSide: 'author', cascade: true } },
  }),
  new EntitySchema<Post>({
    name: 'Post',
    target: Post,
    columns: {
      id,
      title: text,
      views: { type: Number, default: 0 },
      authorId: { type: Number, nullable: true },
      deletedAt: { type: Date, deleteDate: true },
      version: { type: Number, version: true },
    },
    relations: {
      author: {
        type: 'many-to-one',
        target: 'Author',
        inverseSide: 'posts',
        joinColumn: { name: 'authorId' },
        nullable: true,
        onDelete: 'CASCADE',
        orphanedRowAction: 'delete',
        cascade: ['insert'],
      },
      tags: { type: 'many-to-many', target: 'Tag', inverseSide: 'posts', joinTable: true, cascade: true },
    },
  }),
  new EntitySchema<Tag>({
    name: 'Tag',
    target: Tag,
    columns: { id, label: text },
    relations: { posts: { type: 'many-to-many', target: 'Post', inverseSide: 'tags' } },
  }),
  new EntitySchema<Seat>({
    name: 'Seat',
    target: Seat,
    columns: {
      line: { type: Number, primary: true },
      place: { type: Number, primary: true },
      guest: { ...text, nullable: true },
    },
  }),
];
export const CLASSES = { Author, Post, Tag, Seat };
const TABLES = { author: 'id', post: 'id', tag: 'id', post_tags_tag: '1, 2', seat: 'line, place' };

/** All of an app's hooks but those of transactions: the adapter opens some of its own where there are receivers. */
const EVENTS = ['Insert', 'Update', 'Remove', 'SoftRemove', 'Recover'].flatMap((event) => [
  `before${event}`,
  `after${event}`,
]);

export async function openTypeorm(engine: Engine, name: string): Promise<Session<Step>> {
  const database = await freshDatabase(engine, name);
  const hooks: string[] = [];
  const statements: string[] = [];
  const note = (query: string, parameters: unknown): void =>
    void statements.push(`${query} ${JSON.stringify(parameters)}`);
  const logger = { logQuery: note, logQueryError: () => undefined, logQuerySlow: () => undefined };
  const connection: DataSourceOptions =
    engine === 'sqlite'
      ? { type: 'sqljs' }
      : engine === 'postgres'
        ? { type: 'postgres', url: database.url, extra: { max: 4 } }
        : { type: 'mysql', url: database.url, extra: { connectionLimit: 4 } };
  const dataSource = await new DataSource({
    ...connection,
    entities: SCHEMAS,
    entitySkipConstructor: true,
    synchronize: true,
    logger: { ...logger, logSchemaBuild() {}, logMigration() {}, log() {} } as unknown as Logger,
  }).initialize();
  dataSource.subscribers.push(subscriber(hooks));
  const run = (sql: string): Promise<unknown> => dataSource.query(sql);
  let attachment: Disposable | undefined;
  const detach = (): void => {
    attachment?.[Symbol.dispose]();
    attachment = undefined;
  };
  return {
    async reset() {
      for (const statement of resetting(engine)) await run(statement);
      hooks.length = statements.length = 0;
    },
    attach(options) {
      attachment = attachSignals(dataSource, options);
    },
    detach,
    perform: (step) => perform(step, dataSource.manager),
    async rows() {
      const rows: Record<string, unknown> = {};
      for (const [table, key] of Object.entries(TABLES))
        rows[table] = withoutTimes(await run(`select * from ${table} order by ${key}`));
      return rows;
    },
    hooks: () => hooks,
    statements: () => statements,
    async close() {
      detach();
      await dataSource.destroy();
      await database.drop();
    },
  };
}

function subscriber(hooks: string[]): EntitySubscriberInterface {
  const methods = EVENTS.map((event) => [
    event,
    ({ entity, metadata }: { entity?: unknown; metadata: { name: string } }) => {
      const shown = JSON.stringify(entity, (key, value: unknown) => (key === 'deletedAt' ? typeof value : value));
      hooks.push(`${event} ${metadata.name} ${shown}`);
    },
  ]);
  const afterLoad = (entity: object): void => void hooks.push(`afterLoad ${entity.constructor.name}`);
  return { ...Object.fromEntries(methods), afterLoad } as EntitySubscriberInterface;
}

/** When a row was deleted is not the same twice; whether it was, is. */
function withoutTimes(rows: unknown): unknown {
  return (rows as Record<string, unknown>[]).map((row) =>
    (row.deletedAt ?? null) === null ? row : { ...row, deletedAt: 'a time' },
  );
}

function resetting(engine: Engine): string[] {
  const tables = Object.keys(TABLES);
  if (engine === 'postgres') return [`truncate ${tables.join()} restart identity cascade`];
  if (engine === 'sqlite') return [...tables.map((table) => `delete from ${table}`), 'delete from sqlite_sequence'];
  return ['set foreign_key_checks = 0', ...tables.map((table) => `truncate ${table}`), 'set foreign_key_checks = 1'];
}
