/** Deciding what a write is: of rows, each with its signals, or of many, which is announced. */
import type { InsertQueryNode, QueryResult, TableNode, UpdateQueryNode } from 'kysely';
import { callSite } from '../../core/origin.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import type { Row } from '../rows.ts';
import type { ScopedWrite, WriteScope } from '../write-scope.ts';
import { recognise } from './identity.ts';
import type { TableKeys } from './keys.ts';
import {
  Expression,
  isPlain,
  isWrite,
  operationOf,
  type PlainWrite,
  rowsOf,
  senderOf,
  tableOf,
  updatesOf,
  type WriteNode,
  writesIn,
} from './nodes.ts';
import type { Queries, Statement } from './queries.ts';
import { isMixed } from './read-back.ts';
import { deleteRows, insert, updateRows } from './row-writes.ts';
import type { KyselySettings } from './settings.ts';

/** Where a write happens. */
export interface Place {
  readonly scope: WriteScope<KyselySettings>;
  /** Do the work in the transaction that surrounds it, or in one of its own. */
  within<T>(queries: Queries, work: (queries: Queries, write: ScopedWrite) => Promise<T>): Promise<T>;
}

const ADVICE = 'Write rows by their primary key, listen to postBulk, or wrap with another `bulk` option.';

/** Whether anyone wants to know of a write. Asked for every write, so it makes nothing. */
export function isHeard(node: WriteNode): boolean {
  const sender = senderOf(node);
  if (sender === undefined) return false;
  const [before, after] = node.kind === 'DeleteQueryNode' ? DELETES : SAVES;
  return before.hasListeners(sender) || after.hasListeners(sender) || postBulk.hasListeners(sender);
}

const SAVES = [preSave, postSave] as const;
const DELETES = [preDelete, postDelete] as const;

/** Run a query that writes, with the signals that it sends. */
export async function perform(statement: Statement, queries: Queries, place: Place): Promise<QueryResult<unknown>> {
  const { written } = statement;
  const writes = writesIn(written);
  const { dialect, keys } = place.scope.database.options;
  if (!isWrite(written) || writes.length > 1 || !isPlain(written, dialect)) {
    return performBulk(statement, writes, queries, place);
  }
  const sender = senderOf(written) as string;
  if (written.kind === 'InsertQueryNode') {
    if (!hasReceivers('insert', sender)) return queries.run(statement);
    let table: TableKeys | undefined;
    if (dialect === 'mysql') {
      const known = keys.keysOf(tableOf(statement.compiled.query as PlainWrite) as TableNode, queries);
      const site = callSite();
      table = await known;
      if (isMixed(written, table)) return performBulk(statement, writes, queries, place, site);
    }
    return queries.finish(
      statement,
      await place.within(queries, (inner, write) => insert(statement, written, sender, inner, write, table)),
    );
  }
  const recognised = recognise(statement, written, sender, queries, place.scope);
  // The line of the app is not on the stack any more when the database has been asked.
  const site = recognised instanceof Promise ? callSite() : undefined;
  const kind = recognised instanceof Promise ? await recognised : recognised;
  if (kind.isBulk) return performBulk(statement, writes, queries, place, site);
  if (kind.isCertain && !hasReceivers(operationOf(written), sender)) return queries.run(statement);
  const outcome = await place.within(queries, async (inner, write) => {
    const { beforeImage } = place.scope.database.options;
    const run = { statement, sender, kind, queries: inner, write, beforeImage };
    const rows = await (written.kind === 'UpdateQueryNode' ? updateRows(written, run) : deleteRows(written, run));
    if (rows !== undefined) return { rows };
    announce(written, place, site);
    return { bulk: await runBulk(statement, writes, inner, write) };
  });
  return outcome.rows === undefined ? outcome.bulk : queries.finish(statement, outcome.rows);
}

/** Run a write whose rows are streamed. It has no transaction of its own: its reader is not waited for. */
export async function* performStream(
  statement: Statement,
  stream: () => AsyncIterableIterator<QueryResult<unknown>>,
  { scope }: Place,
): AsyncIterableIterator<QueryResult<unknown>> {
  const writes = writesIn(statement.written);
  for (const node of writes) announce(node, { scope });
  const write = scope.write();
  let count = 0;
  let hasFailed = false;
  try {
    for await (const result of stream()) {
      count += result.rows.length;
      yield result;
    }
  } catch (error) {
    hasFailed = true;
    throw error;
  } finally {
    if (!hasFailed)
      for (const node of writes) await sendBulk(node, node === statement.written ? count : undefined, write);
  }
}

async function performBulk(
  statement: Statement,
  writes: readonly WriteNode[],
  queries: Queries,
  place: Place,
  site?: string,
): Promise<QueryResult<unknown>> {
  for (const node of writes) announce(node, place, site);
  if (!writes.some((node) => postBulk.hasListeners(senderOf(node)))) return queries.run(statement);
  if (writes.some(isOfItsOwn)) return runBulk(statement, writes, queries, place.scope.write());
  return place.within(queries, (inner, write) => runBulk(statement, writes, inner, write));
}

/** @throws Error with `bulk: 'throw'`. */
function announce(node: WriteNode, { scope }: Pick<Place, 'scope'>, site?: string): void {
  const sender = senderOf(node);
  if (sender !== undefined) scope.database.bulk.announce(operationOf(node), sender, ADVICE, site);
}

/** Run the query as it is, and tell of all that it has written. */
async function runBulk(
  statement: Statement,
  writes: readonly WriteNode[],
  queries: Queries,
  write: ScopedWrite,
): Promise<QueryResult<unknown>> {
  write.issue();
  const result = await queries.run(statement);
  for (const node of writes) await sendBulk(node, node === statement.written ? countOf(result) : undefined, write);
  return result;
}

async function sendBulk(node: WriteNode, count: number | undefined, write: ScopedWrite): Promise<void> {
  const sender = senderOf(node);
  if (sender === undefined || !postBulk.hasListeners(sender)) return;
  const { where } = node as UpdateQueryNode;
  await write.send(postBulk, sender, {
    operation: operationOf(node),
    where: where?.where,
    values: valuesOf(node as PlainWrite),
    count,
  });
}

/** SQLite's `insert or fail` keeps what it has written, `or rollback` undoes all: not in a transaction of ours. */
function isOfItsOwn(node: WriteNode): boolean {
  const { orAction } = node as InsertQueryNode;
  return orAction?.action === 'fail' || orAction?.action === 'rollback';
}

/** A row or rows to insert, or what an update sets; expressions as operation nodes. */
function valuesOf(node: PlainWrite): Row | Row[] | undefined {
  if (node.kind === 'UpdateQueryNode') return readable(updatesOf(node));
  const rows = node.kind === 'InsertQueryNode' ? rowsOf(node) : undefined;
  return rows?.length === 1 ? readable(rows[0] as Row) : rows?.map(readable);
}

function readable(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value instanceof Expression ? value.node : value]),
  );
}

/** How many rows were written, by what the driver says of it; SQLite's says nothing if rows are returned. */
function countOf({ numAffectedRows, rows }: QueryResult<unknown>): number {
  return numAffectedRows === undefined ? rows.length : Number(numAffectedRows);
}
