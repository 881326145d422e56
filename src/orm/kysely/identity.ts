/** Which rows an update or a delete is about, as far as that can be known before it is run. */
import type { DeleteQueryNode, TableNode, UpdateQueryNode } from 'kysely';
import { hasReceivers } from '../bulk.ts';
import type { Row } from '../rows.ts';
import type { WriteScope } from '../write-scope.ts';
import type { Key } from './keys.ts';
import { demandedBy, Expression, isOfTheRow, operationOf, type PlainWrite, tableOf, updatesOf } from './nodes.ts';
import type { Queries, Statement } from './queries.ts';
import type { KyselySettings } from './settings.ts';

/** What a write is, before its rows are counted. */
export interface Recognised {
  /** Of several rows, and not to be broken down. */
  readonly isBulk: boolean;
  /** Of one row, as the database says: its conditions name a primary key or a unique constraint. */
  readonly isCertain: boolean;
  /** How the rows are told apart if there are several; undefined if they are not to be broken down. */
  readonly identity: Key | undefined;
  /** The key that the conditions name. */
  readonly named: Key | undefined;
}

/** How the keys of a table are known if the database says nothing: a view, a table without keys. */
const ASSUMED: Key = ['id'];

/** At once, if the keys of the table are known. */
export function recognise(
  { compiled }: Statement,
  node: UpdateQueryNode | DeleteQueryNode,
  sender: string,
  queries: Queries,
  scope: WriteScope<KyselySettings>,
): Recognised | Promise<Recognised> {
  const table = tableOf(compiled.query as PlainWrite) as TableNode;
  const known = scope.database.options.keys.keysOf(table, queries);
  return known instanceof Promise
    ? known.then(({ keys }) => recogniseBy(keys, node, sender, scope))
    : recogniseBy(known.keys, node, sender, scope);
}

function recogniseBy(
  keys: readonly Key[],
  node: UpdateQueryNode | DeleteQueryNode,
  sender: string,
  { database: { options }, transaction }: WriteScope<KyselySettings>,
): Recognised {
  const given = Object.hasOwn(options.primaryKeys, sender) ? options.primaryKeys[sender] : undefined;
  const assumed = given ?? (keys.length === 0 ? ASSUMED : undefined);
  const demanded = demandedBy(node);
  const isNamed = (key: Key): boolean => key.every((column) => Object.hasOwn(demanded, column));
  const named = keys.find(isNamed);
  const isCertain = named !== undefined;
  const canSplit =
    options.bulk === 'individual' &&
    (transaction !== undefined || options.atomic) &&
    hasReceivers(operationOf(node), sender) &&
    isOfTheRow(node.where);
  const identity = canSplit ? (keys[0] ?? given) : undefined;
  const splits = identity !== undefined && (node.kind === 'DeleteQueryNode' || setsValuesBeside(identity, node));
  return {
    isCertain,
    isBulk: !isCertain && !splits && !(assumed !== undefined && isNamed(assumed)),
    identity: splits ? identity : undefined,
    named: named ?? assumed,
  };
}

/** Values are the same for every row; an expression may look at others, and a key that changes tells no row apart. */
function setsValuesBeside(key: Key, node: UpdateQueryNode): boolean {
  return Object.entries(updatesOf(node)).every(
    ([name, value]) => !(value instanceof Expression) && !key.includes(name),
  );
}

/** A text that tells a row from the others; undefined if a column of the key is empty. */
export function identityOf(row: Row, key: Key): string | undefined {
  const values = key.map((column) => row[column]);
  if (values.some((value) => value === undefined || value === null)) return undefined;
  return values.map((value) => JSON.stringify([typeof value, textOf(value)])).join();
}

export function textOf(value: unknown): string {
  if (value instanceof Date) return String(value.getTime());
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value);
}
