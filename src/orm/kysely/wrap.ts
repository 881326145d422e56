/** Kysely's handles, whose queries run through an executor of ours. */
import type { Command, ConnectionBuilder, QueryCreator, QueryCreatorProps, QueryExecutor } from 'kysely';
import { describe, isObject } from '../../core/describe.ts';
import { shared } from '../../core/shared.ts';
import type { TransactionNode } from '../transaction.ts';
import { WrappedDatabase, WriteScope } from '../write-scope.ts';
import { dialectOf } from './dialect.ts';
import { SignalExecutor } from './executor.ts';
import { lookAlike } from './look-alike.ts';
import { type AnyKysely, type AnyTransaction, begun, connecting, Runner } from './runner.ts';
import { type KyselySettings, parseSettings } from './settings.ts';
import { SqlTransaction } from './sql-transaction.ts';
import { controlled, watchCommand, watchControlled, watchTransaction } from './transactions.ts';

type Creator = QueryCreator<Record<string, never>>;
type Methods = Readonly<Record<PropertyKey, (...args: unknown[]) => unknown>>;

const wrapped: WeakSet<object> = shared('wrapped', () => new WeakSet());

/** A Kysely that sends signals for what is written through it. */
export function wrapKysely<TDatabase extends object>(database: TDatabase, options: unknown): TDatabase {
  if (!isObject(database) || !('insertInto' in database && 'getExecutor' in database))
    throw new TypeError(`withSignals() takes a Kysely, not ${describe(database)}`);
  if (wrapped.has(database))
    throw new Error('This Kysely is wrapped in withSignals() already: its signals would be sent twice.');
  const kysely = database as unknown as AnyKysely;
  const executor = kysely.getExecutor();
  assertBuilders(kysely, executor);
  const dialect = dialectOf(executor);
  if (!executor.adapter.supportsReturning && dialect !== 'mysql')
    throw new TypeError(
      'withSignals() needs PostgreSQL, SQLite, MySQL or MariaDB, or a database that returns what it has written: the dialect of this Kysely says that its does not.',
    );
  const settings = parseSettings(options, dialect);
  const scope = new WriteScope<KyselySettings>(new WrappedDatabase(settings));
  // Kysely has one connection to SQLite.
  const sql = settings.dialect === 'sqlite' ? new SqlTransaction((node) => void node.settle()) : undefined;
  return (scope.tx = wrap(kysely, scope, sql)) as unknown as TDatabase;
}

/** A handle like `target`: a Kysely, a transaction, or what one of their methods gives. */
function wrap<T extends AnyKysely>(target: T, scope: WriteScope<KyselySettings>, sql?: SqlTransaction): T {
  const executor = new SignalExecutor(target.getExecutor(), new Runner(target, scope, wrap, sql));
  const { prototype, creator } = creatorFor(target, executor);
  const commands =
    'rollbackToSavepoint' in target ? controlled(target as unknown as AnyTransaction, scope, wrap) : undefined;
  const handle = lookAlike(target, (name, original) => {
    const command = commands?.[name as string];
    if (command !== undefined) {
      return (savepoint) =>
        watchCommand(original(savepoint) as Command<unknown>, (execute) => command(execute, savepoint as string));
    }
    switch (name) {
      case 'getExecutor':
        return () => executor;
      case 'executeQuery':
        return (query, ...rest) => executor.executeQuery(compiledOf(query), ...rest);
      case 'transaction':
        return () => watchTransaction(original() as never, scope, wrap);
      case 'startTransaction':
        return () => watchControlled(original() as never, scope, wrap);
      case 'connection':
        return () => watchConnection(original() as never, scope);
      default:
        if (holderOf(target, name) === prototype) return begin(creator, name);
        // withSchema(), withPlugin() and their like give another handle of the same kind
        return (...args) => {
          const result = original(...args);
          return isObject(result) && 'getExecutor' in result
            ? wrap(result as unknown as AnyKysely, scope, sql)
            : result;
        };
    }
  });
  wrapped.add(handle);
  return handle;
}

/** A method of Kysely's that begins a query. */
function begin(creator: Creator, name: PropertyKey): (...args: unknown[]) => unknown {
  const method = (creator as unknown as Methods)[name] as Methods[string];
  return method.bind(creator);
}

/** What begins queries, of Kysely's own class, on an executor of ours. */
function creatorFor(target: object, executor: QueryExecutor): { prototype: object; creator: Creator } {
  const prototype = holderOf(target, 'insertInto') as { constructor: new (props: QueryCreatorProps) => Creator };
  return { prototype, creator: new prototype.constructor({ executor }) };
}

function holderOf(target: object, name: PropertyKey): object | undefined {
  for (let each: object | null = target; each !== null; each = Object.getPrototypeOf(each) as object | null) {
    if (Object.hasOwn(each, name)) return each;
  }
  return undefined;
}

/** Builders must run their queries through the executor that their creator is given. */
function assertBuilders(kysely: AnyKysely, executor: QueryExecutor): void {
  let kind: string | undefined;
  try {
    const { creator } = creatorFor(kysely, new SignalExecutor(executor.withoutPlugins(), undefined as never));
    const builder = creator.insertInto('a').defaultValues();
    ({ kind } = builder.toOperationNode());
  } catch {
    // told below
  }
  if (kind !== 'InsertQueryNode')
    throw new TypeError('withSignals() supports Kysely 0.27 to 0.29, and this is another: install one of these.');
}

function compiledOf(query: unknown): never {
  return (isObject(query) && 'compile' in query ? (query as { compile(): unknown }).compile() : query) as never;
}

/** `connection().execute(callback)` gives its callback another Kysely, which is in no transaction but one of SQL. */
function watchConnection(
  builder: ConnectionBuilder<Record<string, never>>,
  outer: WriteScope<KyselySettings>,
): ConnectionBuilder<Record<string, never>> {
  return lookAlike(builder, (name, original) => {
    if (name !== 'execute') return (...args) => original(...args);
    return async (callback, ...rest) => {
      const ended: TransactionNode[] = [];
      const sql = new SqlTransaction((node) => ended.push(node));
      try {
        const use = (connection: AnyKysely): Promise<unknown> => {
          const scope = new WriteScope(outer.database);
          const handle = wrap(connection, scope, sql);
          scope.tx = handle;
          return (callback as (connection: AnyKysely) => Promise<unknown>)(handle);
        };
        return await connecting(
          outer,
          'connection()',
          (begin) => original(begun(begin, use), ...rest) as Promise<unknown>,
        );
      } finally {
        for (const node of ended) await node.settle();
      }
    };
  });
}
