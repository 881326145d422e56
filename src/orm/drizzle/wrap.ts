import type { Table } from 'drizzle-orm';
import { describe } from '../../core/describe.ts';
import { callSite } from '../../core/origin.ts';
import { shared } from '../../core/shared.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { hasReceivers } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import { announce, countOf, sendBulk } from './bulk-write.ts';
import { Handle, WrappedDrizzle } from './handle.ts';
import { type Hook, intercept } from './intercept.ts';
import { beginIdle, type IdleQuery, idleQueryOf, isIdle, watchIdle } from './idle.ts';
import { type Builder, type Database, isDatabase } from './internals.ts';
import { perform, performPrepared, performSelect } from './perform.ts';
import type { Operation, Query, Run } from './query.ts';

const wrapped: WeakSet<object> = shared('wrapped', () => new WeakSet());
/** What the queries write that have been built through wrapped databases, subqueries included. */
const written = new WeakMap<object, readonly Query[]>();

function writesOf(query: object): readonly Query[] | undefined {
  const idle = idleQueryOf(query);
  return idle === undefined ? written.get(query) : [idle];
}

/** A database that sends signals for what is written through it. */
export function wrapDatabase<TDatabase extends object>(database: TDatabase, options: unknown): TDatabase {
  if ((database as { resultKind?: unknown } | undefined)?.resultKind === 'sync') {
    throw new TypeError(
      'withSignals() cannot wait for receivers with a synchronous driver of SQLite, such as better-sqlite3. Use libsql, or one over the network.',
    );
  }
  if (!isDatabase(database))
    throw new TypeError(`withSignals() takes a Drizzle database of PostgreSQL or SQLite, not ${describe(database)}`);
  if (wrapped.has(database))
    throw new Error('This database is wrapped in withSignals() already: its signals would be sent twice.');
  const parsed = parseAdapterOptions(options, 'withSignals()', { atomic: true, beforeImage: true });
  return new Handle(database, new WrappedDrizzle(database, parsed, wrap)).wrapped as TDatabase & Database;
}

/** The database of a handle, with the methods hooked that write. */
function wrap(handle: Handle): Database {
  const proxy: Database = intercept(
    handle.database,
    new Map<PropertyKey, Hook>([
      ...writers(handle, []),
      ['with', (queries, original) => wrapWith(handle, queries as object[], original(...queries) as object)],
      ['$with', (args, original) => wrapSubquery(original(...args) as object)],
      ['transaction', ([run, ...config]) => runTransaction(handle, run as (tx: Database) => Promise<unknown>, config)],
      ['batch', (args, original) => runBatch(handle, args[0] as object[], () => original(...args))],
    ]),
  );
  wrapped.add(proxy);
  return proxy;
}

function writers(handle: Handle, ctes: readonly Query[]): [Operation, Hook][] {
  return (['insert', 'update', 'delete'] as const).map((operation) => [
    operation,
    (args, original) => {
      const table = args[0] as Table;
      const idle = ctes.length === 0 && isIdle(handle);
      const site = idle ? '' : siteOf(operation, table, handle);
      const watch = (built: object, given: unknown): object => {
        const query = { builder: built as Builder, operation, table, given };
        return idle ? watchIdle({ handle, query, hooks: idleHooks }) : watchQuery(handle, query, ctes, site);
      };
      const begun = original(...args) as object;
      if ('_prepare' in begun) return watch(begun, undefined);
      if (idle) return beginIdle(begun, watch);
      const step: Hook = (given, build) => {
        const built = build(...given) as object;
        return built === begun ? built : watch(built, given[0]);
      };
      return intercept(begun, new Map(['values', 'set', 'select'].map((name) => [name, step])));
    },
  ]);
}

/** How the runs are hooked of a query that was built while nobody listened: who listens then is heard all the same. */
function idleHooks({ handle, query }: IdleQuery): ReturnType<IdleQuery['hooks']> {
  const about = { builder: query.builder, writes: [query], site: '' };
  return {
    query: runs(about, (run) => perform({ ...run, args: run.args.slice(0, 1) }, query, handle)),
    prepared: runs(about, (run) => performPrepared(run, query, handle)),
  };
}

/** Later, when a query is awaited, the line that asks for it is in no stack any more. */
function siteOf(operation: Operation, table: Table, { shared: { options } }: Handle): string {
  const mayWarn = (options.bulk !== 'signal' && hasReceivers(operation, table)) || currentCause() !== undefined;
  return mayWarn ? callSite() : '';
}

/** The methods that run a query; awaiting it calls the first. */
const RUN = ['execute', 'run', 'all', 'get', 'values'];

function watchQuery(handle: Handle, query: Query, ctes: readonly Query[], site: string): object {
  const { builder } = query;
  const writes = [...ctes, query];
  const about = { builder, writes, site };
  const prepare: Hook = (args, original) =>
    intercept(
      original(...args) as object,
      runs(about, (run) => performPrepared(run, query, handle)),
    );
  const hooks = runs(about, (run) => perform(run, query, handle));
  const watched = intercept<object>(builder, hooks.set('prepare', prepare));
  written.set(watched, writes);
  return watched;
}

function runs(about: Pick<Run, 'builder' | 'writes' | 'site'>, run: (run: Run) => unknown): Map<PropertyKey, Hook> {
  const hook =
    (method: string): Hook =>
    (args, original) =>
      run({ ...about, method, args, natively: () => original(...args) });
  return new Map(RUN.map((method) => [method, hook(method)]));
}

/** A query may be built with others that write. */
function wrapWith(handle: Handle, queries: readonly object[], begun: object): object {
  const ctes = queries.flatMap((query) => writesOf(query) ?? []);
  const hooks = new Map<PropertyKey, Hook>(writers(handle, ctes));
  const [first] = ctes;
  if (first !== undefined) {
    const site = siteOf(first.operation, first.table, handle);
    const select: Hook = (args, original) =>
      intercept(original(...args) as object, new Map([['from', (from, build) => watchSelect(build(...from))]]));
    const watchSelect = (built: unknown): unknown => {
      const builder = built as Builder;
      const hooks = runs({ builder, writes: ctes, site }, (run) => performSelect(run, handle));
      return intercept<object>(builder, hooks);
    };
    for (const name of ['select', 'selectDistinct', 'selectDistinctOn']) hooks.set(name, select);
  }
  return intercept(begun, hooks);
}

/** `$with('name').as(query)`: what that query writes is written when the subquery is used. */
function wrapSubquery(begun: object): object {
  const as: Hook = ([query, ...rest], original) => {
    let writes = writesOf(query as object);
    const built = (...args: unknown[]): unknown => {
      const result = (query as (...args: unknown[]) => object)(...args);
      writes = writesOf(result);
      return result;
    };
    const subquery = original(typeof query === 'function' ? built : query, ...rest) as object;
    if (writes !== undefined) written.set(subquery, writes);
    return subquery;
  };
  return intercept(begun, new Map([['as', as]]));
}

async function runTransaction(
  handle: Handle,
  run: (tx: Database) => Promise<unknown>,
  config: readonly unknown[],
): Promise<unknown> {
  const { effective } = handle;
  if (effective.scope.transaction === undefined) effective.checkOutside('transaction()');
  return handle.transaction('transaction()', async (inside) => run(inside.wrapped), config, false);
}

/** A batch is sent to the database as a whole: nothing can be asked or done between its queries. */
async function runBatch(handle: Handle, queries: readonly object[], natively: () => unknown): Promise<unknown> {
  const batch = queries.map((query) => writesOf(query) ?? []);
  const writes = batch.flat();
  if (writes.length > 0) handle.checkOutside('batch()');
  announce({ writes, site: '' }, handle);
  const write = handle.write();
  const results = (await handle.plainly('batch()', natively)) as unknown[];
  for (const [index, of] of batch.entries()) {
    for (const each of of) {
      await sendBulk(each, each === of.at(-1) ? countOf(results[index], each.builder, 'execute') : undefined, write);
    }
  }
  return results;
}
