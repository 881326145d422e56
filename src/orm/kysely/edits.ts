/** Kysely's operation nodes, made and changed: writes with other values, and reads of what they write. */
import type {
  ColumnNode,
  ColumnUpdateNode,
  DeleteQueryNode,
  InsertQueryNode,
  OperationNode,
  SelectionNode,
  SelectQueryNode,
  UpdateQueryNode,
  WhereNode,
} from 'kysely';
import type { Row } from '../rows.ts';
import type { Dialect } from './dialect.ts';
import { columnOf, Expression, isStar, nameOf, type PlainWrite, rowsOf, targetOf } from './nodes.ts';

/** A node that Kysely's compiler takes as its own: its factories make nothing else. */
function make<TNode extends OperationNode>(kind: TNode['kind'], parts: object): TNode {
  return Object.freeze({ kind, ...parts }) as TNode;
}

const identifier = (name: string): OperationNode => make('IdentifierNode', { name });
const column = (name: string): ColumnNode => make('ColumnNode', { column: identifier(name) });
const literal = (value: unknown): OperationNode =>
  value instanceof Expression ? value.node : make('ValueNode', { value });
const STAR: SelectionNode = make('SelectionNode', { selection: make('SelectAllNode', {}) });

/**
 * The insert of these rows in place of those that it has; itself, if they are the same. For SQLite, which knows no
 * `default` among values, one for each row if receivers have given them different columns.
 */
export function withRows(insert: InsertQueryNode, rows: readonly Row[], dialect: Dialect): readonly InsertQueryNode[] {
  const given = rowsOf(insert) ?? [];
  if (rows.every((row, index) => isSame(row, knownOf(given[index])))) return [insert];
  const own = (insert.columns ?? []).map((each) => each.column.name);
  const cells = rows.map((row, index): Row => {
    const original = given[index] as Row;
    // What the caller has left to Kysely stays so, which inserts null on SQLite.
    const left = own.filter((name) => !Object.hasOwn(original, name)).map((name) => [name, undefined]);
    return { ...Object.fromEntries(left), ...expressionsOf(original), ...definedOf(row) } as Row;
  });
  const columnsOf = (of: readonly Row[]): string[] => [
    ...new Set([...own.filter((name) => of.some((row) => Object.hasOwn(row, name))), ...of.flatMap(Object.keys)]),
  ];
  const all = columnsOf(cells);
  const isEven = cells.every((row) => Object.keys(row).length === all.length);
  const groups = isEven || dialect !== 'sqlite' ? [cells] : cells.map((row) => [row]);
  return groups.map((group) => insertOf(insert, columnsOf(group), group, dialect));
}

function insertOf(
  insert: InsertQueryNode,
  columns: readonly string[],
  rows: readonly Row[],
  dialect: Dialect,
): InsertQueryNode {
  // MySQL knows no `default values`, but rows without columns.
  if (columns.length === 0 && dialect !== 'mysql')
    return make('InsertQueryNode', { ...insert, columns: undefined, values: undefined, defaultValues: true });
  const cell = (value: unknown): OperationNode =>
    value === undefined ? make('DefaultInsertValueNode', {}) : literal(value);
  const lists = rows.map((row) => make('ValueListNode', { values: columns.map((name) => cell(row[name])) }));
  const values = make('ValuesNode', { values: lists });
  return make('InsertQueryNode', { ...insert, defaultValues: undefined, columns: columns.map(column), values });
}

/** The values of a row without those that only the database knows. */
export function knownOf(row: Row = {}): Row {
  return filtered(row, (value) => !(value instanceof Expression));
}

const expressionsOf = (row: Row = {}): Row => filtered(row, (value) => value instanceof Expression);
const definedOf = (row: Row): Row => filtered(row, (value) => value !== undefined);

function filtered(row: Row, isKept: (value: unknown) => boolean): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => isKept(value)));
}

function isSame(one: Row, other: Row): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => Object.is(one[name], other[name]));
}

/** The update, which sets these values beside its own. */
export function withUpdates(update: UpdateQueryNode, values: Row): UpdateQueryNode {
  const names = Object.keys(values);
  if (names.length === 0) return update;
  const kept = update.updates?.filter((each) => !names.includes(columnOf(each.column) as string)) ?? [];
  const added = names.map((name) =>
    make<ColumnUpdateNode>('ColumnUpdateNode', { column: column(name), value: literal(values[name]) }),
  );
  return make('UpdateQueryNode', { ...update, updates: [...kept, ...added] });
}

/** The conditions that a row has these values. */
function equalities(key: Row): OperationNode[] {
  return Object.entries(key).map(([name, value]) =>
    make('BinaryOperationNode', {
      leftOperand: make('ReferenceNode', { column: column(name) }),
      operator: make('OperatorNode', { operator: '=' }),
      rightOperand: literal(value),
    }),
  );
}

const both = (left: OperationNode, right: OperationNode): OperationNode => make('AndNode', { left, right });

/** The write, of the row that has these values only. */
export function withKey<TNode extends UpdateQueryNode | DeleteQueryNode>(write: TNode, key: Row): TNode {
  const terms = equalities(key);
  const own = write.where?.where;
  const all = own === undefined ? terms : [make('ParensNode', { node: own }), ...terms];
  const where = all.reduce(both);
  return make(write.kind, { ...write, where: make<WhereNode>('WhereNode', { where }) });
}

/** A read of the rows that an update or a delete is about, which locks them if asked. */
export function readOf(write: PlainWrite, lock?: 'ForUpdate' | 'ForNoKeyUpdate'): SelectQueryNode {
  return selectFrom(write, (write as UpdateQueryNode).where, lock);
}

/** A read of the rows of the table of a write that have one of these keys. */
export function readOfKeys(write: PlainWrite, keys: readonly Row[]): SelectQueryNode {
  const rows = keys.map((key) => make('ParensNode', { node: equalities(key).reduce(both) }));
  const where = rows.reduce((left, right) => make('OrNode', { left, right }));
  return selectFrom(write, make('WhereNode', { where }));
}

function selectFrom(
  write: PlainWrite,
  where: WhereNode | undefined,
  lock?: 'ForUpdate' | 'ForNoKeyUpdate',
): SelectQueryNode {
  return make('SelectQueryNode', {
    from: make('FromNode', { froms: [targetOf(write)] }),
    selections: [STAR],
    ...(where === undefined ? {} : { where }),
    ...(lock === undefined ? {} : { endModifiers: [make('SelectModifierNode', { modifier: lock })] }),
  });
}

/** A write that returns all columns of its rows beside what it returns anyway. */
export interface Returning {
  readonly node: PlainWrite;
  /** Take apart a row that it returns: the row itself, and what was asked for. */
  readonly split: (row: Row) => { readonly all: Row; readonly asked: Row };
}

/** Letters only: plugins that change the case of names must leave it. No column is called so. */
const PRIVATE = 'tocsinreturning';

export function returningAll(write: PlainWrite): Returning {
  const asked = write.returning?.selections ?? [];
  const privateNames = asked.map((selection, index) => (isStar(selection) ? undefined : PRIVATE + letters(index)));
  const selections = asked.map((selection, index) => {
    const alias = privateNames[index];
    if (alias === undefined) return selection;
    const { kind, node } = selection.selection as OperationNode & { node?: OperationNode };
    const expression = kind === 'AliasNode' ? node : selection.selection;
    return make<SelectionNode>('SelectionNode', {
      selection: make('AliasNode', { node: expression, alias: identifier(alias) }),
    });
  });
  const all = asked.some(({ selection }) => selection.kind === 'SelectAllNode') ? selections : [STAR, ...selections];
  return {
    node: make(write.kind, { ...write, returning: make('ReturningNode', { selections: all }) }),
    split(row) {
      const all = Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith(PRIVATE)));
      const columns = Object.entries(all);
      const entries = asked.flatMap((selection, index): [string, unknown][] => {
        const alias = privateNames[index];
        return alias === undefined ? columns : [[nameOf(selection) as string, row[alias]]];
      });
      return { all, asked: Object.fromEntries(entries) };
    },
  };
}

function letters(index: number): string {
  const digit = String.fromCharCode(97 + (index % 26));
  return index < 26 ? digit : letters(Math.floor(index / 26) - 1) + digit;
}
