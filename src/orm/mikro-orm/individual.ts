import { type EntityManager, type EntityMetadata, LockMode } from '@mikro-orm/core';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { differenceOf } from '../difference.ts';
import { type Divisible, divisibleOf } from './divisible.ts';
import type { BulkWrite } from './bulk-write.ts';
import { silence } from './events.ts';

type Row = Record<string, unknown>;
type Metadata = EntityMetadata<object>;

/**
 * Send the signals of each row for a statement that is understood whole, around that very statement, narrowed to the
 * rows that were read. Rows that a receiver has changed are written by one of their own. All in one transaction.
 *
 * @returns how many rows were written; undefined for a statement that stays a bulk write
 */
export async function writeIndividually(bulk: BulkWrite): Promise<number | undefined> {
  const divisible = await divisibleOf(bulk);
  if (divisible === undefined) return undefined;
  // The app's own hooks hear of no transaction that it has not asked for, and of no instance that it has not read.
  const tx = bulk.em.fork({ keepTransactionContext: true, cloneEventManager: true });
  silence(tx);
  const isOwn = !tx.isInTransaction();
  const around = await bulk.adapter.transactions.of(tx.getTransactionContext<object>());
  if (around?.isReadOnly === true) return undefined;
  if (isOwn) await begin(bulk, tx);
  if (!tx.isInTransaction()) return undefined;
  try {
    const count =
      divisible.data === undefined ? await deleteRows(bulk, divisible, tx) : await updateRows(bulk, divisible, tx);
    // What it knows was only read, and is not to be flushed.
    tx.clear();
    if (isOwn) await tx.commit();
    return count;
  } catch (error) {
    // What it has failed with is what the app is to know, and not that its connection is gone.
    if (isOwn && tx.isInTransaction()) await tx.rollback().catch(() => undefined);
    throw error;
  }
}

/** No transaction is begun where they are switched off. */
async function begin({ adapter }: BulkWrite, tx: EntityManager): Promise<void> {
  await tx.begin();
  const followed = await adapter.transactions.of(tx.getTransactionContext<object>());
  if (followed !== undefined) followed.openedBy = 'call';
}

async function deleteRows(bulk: BulkWrite, { meta, where, key }: Divisible, tx: EntityManager): Promise<number> {
  const { adapter, args, original } = bulk;
  const handle = tx.getTransactionContext<object>();
  const rows = await read(tx, meta, where, key);
  const send = (signal: typeof preDelete | typeof postDelete, instance: Row): Promise<void> =>
    adapter.send(
      signal as typeof preDelete,
      instance.constructor,
      bulk.em,
      () => ({ instance, origin: instance }),
      handle,
    );
  for (const row of rows) await send(preDelete, row);
  const count = (await original(tx, [args[0], narrowed(where, key, rows)])) as number;
  for (const row of rows) await send(postDelete, row);
  return count;
}

async function updateRows(
  bulk: BulkWrite,
  { meta, where, data = {}, key }: Divisible,
  tx: EntityManager,
): Promise<number> {
  const { adapter, em, args, original } = bulk;
  const handle = tx.getTransactionContext<object>();
  const comparator = tx.getComparator();
  const rows = await read(tx, meta, where, key);
  const before = new Map(rows.map((row) => [row[key], comparator.prepareEntity(row) as Row]));
  const unchanged: Row[] = [];
  const changed: [Row, Row][] = [];
  for (const row of rows) {
    tx.assign(row, data as never);
    const given = comparator.prepareEntity(row) as Row;
    const difference = differenceOf(before.get(row[key]) ?? {}, given);
    const payload = { instance: row, raw: false, created: false, ...difference };
    await adapter.send(preSave, row.constructor, em, () => payload, handle);
    const { updateFields } = differenceOf(given, comparator.prepareEntity(row));
    if (updateFields.size === 0) unchanged.push(row);
    else changed.push([row, Object.fromEntries([...updateFields].map((field) => [field, row[field]]))]);
  }
  let count = 0;
  const write = async (some: readonly Row[], values: Row): Promise<void> => {
    count += (await original(tx, [args[0], narrowed(where, key, some), values])) as number;
  };
  if (unchanged.length > 0 || changed.length === 0) await write(unchanged, data);
  for (const [row, values] of changed) await write([row], { ...data, ...values });
  // The instances are the same, and hold now what is stored.
  await read(tx, meta, {}, key, rows);
  for (const row of rows) {
    const difference = differenceOf(before.get(row[key]) ?? {}, comparator.prepareEntity(row));
    const payload = { instance: row, raw: false, created: false, ...difference };
    await adapter.send(postSave, row.constructor, em, () => payload, handle);
  }
  return count;
}

/** The rows, locked where the database can; the instances are the same each time. */
async function read(tx: EntityManager, meta: Metadata, where: Row, key: string, of?: readonly Row[]): Promise<Row[]> {
  const found = await tx.find(meta.class, of === undefined ? where : narrowed(where, key, of), {
    refresh: true,
    flushMode: 'commit',
    ...(tx.isInTransaction() ? { lockMode: LockMode.PESSIMISTIC_WRITE } : {}),
  });
  return found;
}

/** The caller's own condition stays part of it. */
function narrowed(where: Row, key: string, rows: readonly Row[]): object {
  return { $and: [where, { [key]: { $in: rows.map((row) => row[key]) } }] };
}
