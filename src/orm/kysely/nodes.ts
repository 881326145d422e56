/** What Kysely's operation nodes say of a write. They are plain immutable objects; nothing of Kysely runs here. */
import type {
  ColumnNode,
  DeleteQueryNode,
  InsertQueryNode,
  MergeQueryNode,
  OperationNode,
  SelectionNode,
  TableNode,
  UpdateQueryNode,
  ValueNode,
  WithNode,
} from 'kysely';
import type { PostBulkArgs } from '../../core/model-types.ts';
import type { Row } from '../rows.ts';
import type { Dialect } from './dialect.ts';

export type WriteNode = InsertQueryNode | UpdateQueryNode | DeleteQueryNode | MergeQueryNode;
/** A write of which every part is understood, so that it can be done with other values. */
export type PlainWrite = InsertQueryNode | UpdateQueryNode | DeleteQueryNode;

const OPERATIONS: Readonly<Record<string, PostBulkArgs['operation']>> = {
  InsertQueryNode: 'insert',
  UpdateQueryNode: 'update',
  DeleteQueryNode: 'delete',
  MergeQueryNode: 'upsert',
};

export function isWrite(node: OperationNode): node is WriteNode {
  return Object.hasOwn(OPERATIONS, node.kind);
}

/** An insert that may change or leave out rows is an upsert. */
export function operationOf(node: WriteNode): PostBulkArgs['operation'] {
  if (node.kind !== 'InsertQueryNode') return OPERATIONS[node.kind] as PostBulkArgs['operation'];
  const { replace, onConflict, onDuplicateKey, orAction, ignore } = node as InsertQueryNode & { ignore?: boolean };
  const isUpsert = replace === true || ignore === true || [onConflict, onDuplicateKey, orAction].some(isGiven);
  return isUpsert ? 'upsert' : 'insert';
}

/** All that a query writes: in its common table expressions, then itself. */
export function writesIn(node: OperationNode): WriteNode[] {
  const { with: expressions } = node as { with?: WithNode };
  const inner = expressions?.expressions.flatMap(({ expression }) => writesIn(expression)) ?? [];
  return isWrite(node) ? [...inner, node] : inner;
}

/** The name of the table, with its schema if that was given, without an alias; undefined for an expression. */
export function senderOf(node: WriteNode): string | undefined {
  const table = tableOf(node);
  if (table === undefined) return undefined;
  const { schema, identifier } = table.table;
  return schema === undefined ? identifier.name : `${schema.name}.${identifier.name}`;
}

/** The only table that is written, as the query names it. */
export function tableOf(node: WriteNode): TableNode | undefined {
  const named = targetOf(node) as (OperationNode & { node?: OperationNode }) | undefined;
  const table = named?.kind === 'AliasNode' ? named.node : named;
  return table?.kind === 'TableNode' ? (table as TableNode) : undefined;
}

/** That table with its alias. */
export function targetOf(node: WriteNode): OperationNode | undefined {
  if (node.kind === 'UpdateQueryNode') return node.table;
  if (node.kind !== 'DeleteQueryNode') return node.into;
  return node.from.froms.length === 1 ? node.from.froms[0] : undefined;
}

const UNDERSTOOD: Readonly<Record<string, readonly string[]>> = {
  InsertQueryNode: ['into', 'columns', 'values', 'defaultValues', 'returning'],
  UpdateQueryNode: ['table', 'updates', 'where', 'returning'],
  DeleteQueryNode: ['from', 'where', 'returning'],
};

/** Whether every part of a write is understood. What is not is handed on as it is. */
export function isPlain(node: WriteNode, dialect: Dialect): node is PlainWrite {
  const understood = UNDERSTOOD[node.kind];
  if (understood === undefined || tableOf(node) === undefined) return false;
  for (const [part, value] of Object.entries(node)) {
    if (part !== 'kind' && isGiven(value) && !understood.includes(part)) return false;
  }
  const plain = node as PlainWrite;
  if (plain.returning?.selections.some((selection) => !isStar(selection) && nameOf(selection) === undefined) === true)
    return false;
  // What the database refuses as it is must be refused with the same words.
  const isMysql = dialect === 'mysql';
  if (plain.kind === 'InsertQueryNode') {
    if (plain.defaultValues === true) return !isMysql;
    return (isMysql || plain.columns?.length !== 0) && (rowsOf(plain)?.length ?? 0) > 0;
  }
  if (isMysql && plain.kind === 'UpdateQueryNode' && plain.returning !== undefined) return false;
  if (plain.kind === 'DeleteQueryNode') return true;
  const { updates = [] } = plain;
  return updates.length > 0 && updates.every(({ column }) => columnOf(column) !== undefined);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false;
}

/** `*`, or all of a table. */
export function isStar({ selection }: SelectionNode): boolean {
  const { kind, column } = selection as OperationNode & { column?: OperationNode };
  return kind === 'SelectAllNode' || (kind === 'ReferenceNode' && column?.kind === 'SelectAllNode');
}

/** What the database calls a selection in its result; undefined if that is not said. */
export function nameOf({ selection }: SelectionNode): string | undefined {
  const { kind, alias } = selection as OperationNode & { alias?: OperationNode & { name?: string } };
  if (kind !== 'AliasNode') return columnOf(selection);
  return alias?.kind === 'IdentifierNode' ? alias.name : undefined;
}

/** The name of a column that is named, perhaps with its table. */
export function columnOf(node: OperationNode | undefined): string | undefined {
  const { kind, column } = (node ?? {}) as { kind?: string; column?: ColumnNode['column'] | OperationNode };
  if (kind === 'ReferenceNode') return columnOf(column);
  return kind === 'ColumnNode' ? (column as ColumnNode['column']).name : undefined;
}

/** An expression, whose outcome only the database knows. */
export class Expression {
  readonly node: OperationNode;

  constructor(node: OperationNode) {
    this.node = node;
  }
}

/** The values to insert; those of columns that are left to the database are left out. Undefined for a subquery. */
export function rowsOf({ columns = [], values, defaultValues }: InsertQueryNode): Row[] | undefined {
  if (defaultValues === true) return [{}];
  const { kind, values: lists } = (values ?? {}) as { kind?: string; values?: readonly OperationNode[] };
  if (kind !== 'ValuesNode' || lists === undefined) return undefined;
  const rows: Row[] = [];
  for (const list of lists) {
    if (list.kind !== 'PrimitiveValueListNode' && list.kind !== 'ValueListNode') return undefined;
    const cells = (list as unknown as { values: readonly unknown[] }).values;
    const given = columns.map((column, index) => [
      column.column.name,
      list.kind === 'ValueListNode' ? valueOf(cells[index] as OperationNode) : cells[index],
    ]);
    rows.push(Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Row);
  }
  return rows;
}

/** The values that an update sets. */
export function updatesOf({ updates = [] }: UpdateQueryNode): Row {
  return Object.fromEntries(updates.map(({ column, value }) => [columnOf(column), valueOf(value)])) as Row;
}

function valueOf(node: OperationNode): unknown {
  if (node.kind === 'DefaultInsertValueNode') return undefined;
  return node.kind === 'ValueNode' ? (node as ValueNode).value : new Expression(node);
}

/** The values that the conditions demand of columns: those of the terms `column = value` joined by `and`. */
export function demandedBy({ where }: UpdateQueryNode | DeleteQueryNode): Row {
  const demanded: Row = {};
  for (const term of termsOf(where?.where)) {
    const { leftOperand, operator, rightOperand } = term as OperationNode & {
      leftOperand?: OperationNode;
      operator?: OperationNode & { operator?: string };
      rightOperand?: ValueNode;
    };
    const name = columnOf(leftOperand);
    const isValue = rightOperand?.kind === 'ValueNode' && rightOperand.value !== null;
    if (name !== undefined && operator?.operator === '=' && isValue) demanded[name] = rightOperand.value;
  }
  return demanded;
}

/** What `and` joins. */
function termsOf(condition: OperationNode | undefined): OperationNode[] {
  if (condition === undefined) return [];
  const { kind, node, left, right } = condition as OperationNode & Readonly<Record<string, OperationNode>>;
  if (kind === 'ParensNode') return termsOf(node);
  return kind === 'AndNode' ? [...termsOf(left), ...termsOf(right)] : [condition];
}

const OF_THE_ROW = new Set(
  ['Where', 'And', 'Or', 'Parens', 'BinaryOperation', 'UnaryOperation', 'Operator', 'Reference', 'Column', 'Table']
    .concat(['SchemableIdentifier', 'Identifier', 'Value', 'ValueList', 'PrimitiveValueList', 'Tuple'])
    .map((kind) => `${kind}Node`),
);

/** Whether a condition looks at nothing but the row, so that it holds for the same rows when written one by one. */
export function isOfTheRow(condition: unknown): boolean {
  if (typeof condition !== 'object' || condition === null) return true;
  const { kind } = condition as { kind?: unknown };
  if (typeof kind === 'string' && !OF_THE_ROW.has(kind)) return false;
  // what a value is made of is no node
  return kind === 'ValueNode' || kind === 'PrimitiveValueListNode' || Object.values(condition).every(isOfTheRow);
}
