import { postBulk } from '../../models.ts';
import type { ScopedWrite } from '../write-scope.ts';
import type { Handle } from './handle.ts';
import { type Builder, copyOf, partOf, runQuery } from './internals.ts';
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

/** Run a query as it is, in the session of the handle, and send `postBulk` for what it writes. */
export function writeWhole(run: Run, handle: Handle): Promise<unknown> {
  const { builder, method, args, natively } = run;
  const write = handle.write();
  const { session } = handle;
  const running = builder.session === session ? natively() : runQuery(copyOf(builder, session), method, args);
  return sendAfter(running as Promise<unknown>, run, write);
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
  await write.send(postBulk, table, { operation: bulkOperation(query), where, values: given, count });
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
