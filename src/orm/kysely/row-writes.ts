/** Writes of rows: signals before, the query, signals after. */
import type { DeleteQueryNode, InsertQueryNode, QueryResult, UpdateQueryNode } from 'kysely';
import { postDelete, postSave, preDelete } from '../../models.ts';
import { fieldsOnly } from '../difference.ts';
import { insertRows, type PreparedUpdate, prepareUpdate, type Row } from '../rows.ts';
import type { ScopedWrite } from '../write-scope.ts';
import { knownOf, withKey, withRows, withUpdates } from './edits.ts';
import { identityOf, type Recognised } from './identity.ts';
import type { Key, TableKeys } from './keys.ts';
import { demandedBy, Expression, type PlainWrite, rowsOf, updatesOf } from './nodes.ts';
import type { Queries, ReadBack, Statement, Written } from './queries.ts';
import { readDeleted, readInserted, readUpdated } from './read-back.ts';

export interface RowWrite {
  readonly statement: Statement;
  readonly sender: string;
  readonly kind: Recognised;
  readonly queries: Queries;
  readonly write: ScopedWrite;
  readonly beforeImage: boolean;
}

/** What the caller gets, before plugins; undefined if it turned out to be about several rows. */
type Outcome = Promise<QueryResult<Row> | undefined>;

export async function insert(
  statement: Statement,
  node: InsertQueryNode,
  sender: string,
  queries: Queries,
  write: ScopedWrite,
  table: TableKeys | undefined,
): Promise<QueryResult<Row>> {
  let result: QueryResult<Row> | undefined;
  await insertRows(write.send, sender, (rowsOf(node) ?? []).map(knownOf), async (drafts) => {
    write.issue();
    const edited = withRows(node, drafts, queries.dialect);
    const readBack = (each: PlainWrite): ReadBack | undefined => table && readInserted(each as InsertQueryNode, table);
    const written = await writeAll(statement, edited, queries, readBack);
    ({ result } = written);
    return written.rows;
  });
  return result as unknown as QueryResult<Row>;
}

export async function updateRows(node: UpdateQueryNode, run: RowWrite): Outcome {
  const { sender, kind, write } = run;
  const images = run.beforeImage || !kind.isCertain ? await imagesOf(node, run) : [undefined];
  if (images === undefined) return undefined;
  const values = updatesOf(node);
  const isExpression = (value: unknown): boolean => value instanceof Expression;
  const prepared: PreparedUpdate[] = [];
  for (const before of images)
    prepared.push(await prepareUpdate(write.send, sender, { before, key: demandedBy(node), values, isExpression }));
  write.issue();
  const written = await writeUpdates(node, images, prepared, run);
  for (const [row, index] of matched(written.rows, images, kind.identity)) {
    const update = prepared[index];
    if (update !== undefined) await update.written(row);
    else await write.send(postSave, sender, cameMeanwhile(row, values));
  }
  return written.result;
}

/** As one statement, if no receiver has changed anything on one of several rows. */
async function writeUpdates(
  node: UpdateQueryNode,
  images: readonly (Row | undefined)[],
  prepared: readonly PreparedUpdate[],
  { statement, sender, kind, queries }: RowWrite,
): Promise<Written> {
  const changes = prepared.map(({ changed }) => changed);
  const readBack = queries.dialect === 'mysql' ? readUpdated(node, images, prepared, kind) : undefined;
  if (changes.every((changed) => Object.keys(changed).length === 0)) return queries.write(statement, node, readBack);
  const { identity } = kind;
  if (kind.isCertain || identity === undefined) {
    const written = await queries.write(statement, withUpdates(node, changes[0] as Row), readBack);
    if (written.rows.length > 1) throw severalRows(sender);
    return written;
  }
  const edited = images.map((image, index) => {
    const key = Object.fromEntries(identity.map((column) => [column, image?.[column]]));
    return withKey(withUpdates(node, changes[index] as Row), key);
  });
  return writeAll(
    statement,
    edited,
    queries,
    (_each, index) => readBack && readUpdated(node, [images[index]], [prepared[index] as PreparedUpdate], kind),
    ({ rows }) => {
      if (rows.length > 1) throw severalRows(sender);
    },
  );
}

export async function deleteRows(node: DeleteQueryNode, run: RowWrite): Outcome {
  const { statement, sender, kind, queries, write } = run;
  const returnsRows = queries.dialect !== 'mysql' || node.returning !== undefined;
  const isRead = preDelete.hasListeners(sender) || !kind.isCertain || !returnsRows;
  const images = isRead ? await imagesOf(node, run) : [];
  if (images === undefined) return undefined;
  for (const instance of images) await write.send(preDelete, sender, { instance, origin: instance });
  write.issue();
  const { rows, result } = await queries.write(statement, node, returnsRows ? undefined : readDeleted(images));
  for (const [row, index] of matched(rows, images, kind.identity)) {
    const instance = images[index] ?? row;
    await write.send(postDelete, sender, { instance, origin: instance });
  }
  return result;
}

/** The rows as they are before the write; undefined if they are several, and not to be broken down. */
async function imagesOf(
  node: UpdateQueryNode | DeleteQueryNode,
  { kind, queries }: RowWrite,
): Promise<Row[] | undefined> {
  const lock = node.kind === 'UpdateQueryNode' ? 'ForNoKeyUpdate' : 'ForUpdate';
  const images = await queries.read(node, kind.isCertain ? undefined : lock);
  if (images.length <= 1 || kind.isCertain) return images;
  const { identity } = kind;
  const canSplit = identity !== undefined && images.every((image) => identityOf(image, identity) !== undefined);
  return canSplit ? images : undefined;
}

/** Each row that was written, with the index of its image; one that came in after the images were read has none. */
function matched(
  rows: readonly Row[],
  images: readonly (Row | undefined)[],
  identity: Key | undefined,
): [Row, number][] {
  if (identity === undefined || images[0] === undefined) return rows.map((row, index) => [row, index]);
  const byIdentity = new Map(rows.map((row) => [identityOf(row, identity), row]));
  const pairs: [Row, number][] = [];
  for (const [index, image] of images.entries()) {
    const text = identityOf(image as Row, identity);
    const row = byIdentity.get(text);
    byIdentity.delete(text);
    if (row !== undefined) pairs.push([row, index]);
  }
  return [...pairs, ...[...byIdentity.values()].map((row): [Row, number] => [row, -1])];
}

/** What is told of a row that no signal was sent for before. */
function cameMeanwhile(instance: Row, values: Row): object {
  return { instance, raw: false, created: false, ...fieldsOnly(Object.keys(values)) };
}

/** Do in several statements what the caller has asked for in one: all of them, or none. */
async function writeAll(
  statement: Statement,
  edited: readonly PlainWrite[],
  queries: Queries,
  readBack: (write: PlainWrite, index: number) => ReadBack | undefined,
  check?: (written: Written) => void,
): Promise<Written> {
  const [only] = edited;
  if (only !== undefined && edited.length === 1) return queries.write(statement, only, readBack(only, 0));
  return queries.atomically(async (inner) => {
    const all: Written[] = [];
    for (const [index, each] of edited.entries()) {
      const written = await inner.write(statement, each, readBack(each, index));
      check?.(written);
      all.push(written);
    }
    return joined(all);
  });
}

/** One result of several statements that do the work of one. */
function joined(all: readonly Written[]): Written {
  const { result } = all.at(-1) as Written;
  return {
    result: {
      ...result,
      ...summed('numAffectedRows', all),
      ...summed('numChangedRows', all),
      rows: all.flatMap((each) => each.result.rows),
    },
    rows: all.flatMap(({ rows }) => rows),
  };
}

/** A count of all together; nothing if one of them does not tell it. */
function summed(
  count: 'numAffectedRows' | 'numChangedRows',
  all: readonly Written[],
): Pick<QueryResult<Row>, typeof count> {
  const counts = all.flatMap(({ result }) => result[count] ?? []);
  return counts.length < all.length ? {} : { [count]: counts.reduce((sum, each) => sum + each, 0n) };
}

function severalRows(sender: string): Error {
  return new Error(
    `A write of one row of ${sender} has met several, and preSave has changed what is written. It is undone. ` +
      `Name the columns that tell its rows apart: withSignals(db, { primaryKeys: { ${JSON.stringify(sender)}: … } }).`,
  );
}
