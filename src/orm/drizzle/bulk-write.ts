import { is, SQL } from 'drizzle-orm';
import { postBulk } from '../../models.ts';
import type { ScopedWrite } from '../write-scope.ts';
import type { Undecoded } from './decode.ts';
import { executeWhole } from './execute.ts';
import type { Handle } from './handle.ts';
import { type Builder, partOf } from './internals.ts';
import { bulkOperation, type Query, type Run } from './query.ts';

const ADVICE = 'Write rows by their primary key, listen to postBulk, or wrap with another `bulk` option.';

/**
 * Be loud about what is done as a whole.
 *
 * @throws Error with `bulk: 'throw'`.
 */
export function announce({ writes, site }: Pick<Run, 'writes' | 'site'>, { shared }: Handle): void {
  for (const each of writes) shared.bulk.announce(bulkOperation(each), each.table, ADVICE, site);
}

export function isBulkHeard({ writes }: Run): boolean {
  return writes.some(({ table }) => postBulk.hasListeners(table));
}

/** What a write comes to for its caller, whose transaction is over; throws what it fails with, though it is written. */
export type Settled = () => unknown;

export function settled(result: unknown, failure: Undecoded | undefined): Settled {
  return () => {
    if (failure !== undefined) throw failure.error;
    return result;
  };
}

/** Run a query as it is, in the session of the handle, and send `postBulk` for what it writes. */
export async function writeWhole(run: Run, handle: Handle): Promise<Settled> {
  const { builder, method, args, natively } = run;
  const write = handle.write();
  const { session } = handle;
  const isDecoded = method !== 'values' && partOf(builder, 'returning') !== undefined;
  if (builder.session === session && !isDecoded)
    return settled(await sendAfter(natively() as Promise<unknown>, run, write), undefined);
  const running = executeWhole(builder, session, method, args);
  await sendAfter(
    running.then(({ result }) => result),
    run,
    write,
  );
  const { result, failure } = await running;
  return settled(result, failure);
}

export async function sendAfter(running: Promise<unknown>, run: Run, write: ScopedWrite): Promise<unknown> {
  const result = await running;
  for (const each of run.writes) {
    const count = each.builder === run.builder ? countOf(result, each.builder, run.method) : undefined;
    await sendBulk(each, count, write);
  }
  return result;
}

/** Send `postBulk` for a write that has been done as a whole. */
export async function sendBulk(query: Query, count: number | undefined, write: ScopedWrite): Promise<void> {
  const { builder, table, given } = query;
  const where = partOf(builder, 'where');
  // `insert().select()` is given a query.
  const values = is(given, SQL) ? undefined : given;
  await write.send(postBulk, table, { operation: bulkOperation(query), where, values, count });
}

/** How many rows a driver says it has written; undefined if it does not say. */
export function countOf(result: unknown, builder: Builder, method: string): number | undefined {
  const returns = partOf(builder, 'returning') !== undefined;
  if (returns && Array.isArray(result)) return result.length;
  if (returns || method === 'get' || typeof result !== 'object' || result === null) return undefined;
  const { rowCount, affectedRows, rowsAffected, changes, count } = result as Record<string, unknown>;
  const found = [rowCount, affectedRows, rowsAffected, changes, count].find((each) => typeof each === 'number');
  return found;
}
