/** What Kysely's operation nodes say of a query, as its callers wrote it: before any plugin has changed the names. */
import type { Row } from '../rows.ts';
import { type Database, replay, type Write } from './builders.ts';

interface Node {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** The values that the conditions of a write demand of columns: those of the terms `column = value` joined by `and`. */
export function demandedBy(write: Write, database: Database): Row {
  const { where } = nodeOf(write, database, ['where', 'whereRef']);
  const demanded: Row = {};
  for (const term of termsOf((where as Node | undefined)?.where as Node | undefined)) {
    const { leftOperand, operator, rightOperand } = term as {
      leftOperand?: Node;
      operator?: Node;
      rightOperand?: Node;
    };
    const name = columnOf(leftOperand);
    if (
      name !== undefined &&
      operator?.operator === '=' &&
      rightOperand?.kind === 'ValueNode' &&
      rightOperand.value !== null
    ) {
      demanded[name] = rightOperand.value;
    }
  }
  return demanded;
}

/** The names of what a write returns; undefined if it is all, or cannot be told. */
export function returnedBy(write: Write, database: Database): readonly string[] | undefined {
  const { returning } = nodeOf(write, database, ['returning', 'returningAll']);
  const names = ((returning as Node | undefined)?.selections as Node[]).map((each) => nameOf(each.selection as Node));
  return names.includes(undefined) ? undefined : (names as string[]);
}

function nodeOf({ table, steps }: Write, database: Database, methods: readonly string[]): Node {
  const builder = replay(
    database.withoutPlugins().deleteFrom(table),
    steps.filter(([method]) => methods.includes(method)),
  );
  return builder.toOperationNode?.() as Node;
}

/** What `and` joins. */
function termsOf(condition: Node | undefined): Node[] {
  if (condition === undefined) return [];
  if (condition.kind === 'ParensNode') return termsOf(condition.node as Node);
  return condition.kind === 'AndNode'
    ? [...termsOf(condition.left as Node), ...termsOf(condition.right as Node)]
    : [condition];
}

function nameOf(selection: Node): string | undefined {
  return selection.kind === 'AliasNode' ? textOf(selection.alias as Node) : columnOf(selection);
}

function columnOf(reference: Node | undefined): string | undefined {
  if (reference?.kind === 'ReferenceNode') return columnOf(reference.column as Node);
  return reference?.kind === 'ColumnNode' ? textOf(reference.column as Node) : undefined;
}

function textOf(identifier: Node): string | undefined {
  return identifier.kind === 'IdentifierNode' ? (identifier.name as string) : undefined;
}
