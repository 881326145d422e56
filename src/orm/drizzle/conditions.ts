import { Column, getTableColumns, is, Param, Placeholder, SQL, StringChunk, type Table } from 'drizzle-orm';
import type { Row } from '../rows.ts';

/**
 * The values that a condition demands of columns of the table, by property name: those of the terms `eq(column, value)`
 * joined by `and()`.
 */
export function equalities(where: unknown, table: Table): Row {
  const demanded: Row = {};
  for (const term of termsOf(where)) {
    const [column, operator, value, ...rest] = chunksOf(term);
    if (rest.length > 0 || !is(column, Column) || column.table !== table || !isText(operator, ' = ')) continue;
    if (!is(value, Param) || value.value === null || value.value === undefined || is(value.value, Placeholder))
      continue;
    const property = Object.entries(getTableColumns(table)).find(([, { name }]) => name === column.name)?.[0];
    if (property !== undefined) demanded[property] = value.value;
  }
  return demanded;
}

/** Words and signs that compare the columns of a row with values, and nothing else. */
const COMPARING =
  /^(?:\s|[(),]|<=|>=|<>|=|<|>|\b(?:and|or|not|is|null|in|like|ilike|between|true|false|asc|desc)\b)*$/i;

/**
 * Whether a condition looks at nothing but the row itself: columns of the table and values. Then it does not matter in
 * which order rows are written, nor what becomes of the others.
 */
export function isOfRowAlone(where: unknown, table: Table): boolean {
  if (where === undefined) return true;
  if (Array.isArray(where)) return where.every((each) => isOfRowAlone(each, table));
  if (is(where, StringChunk)) return COMPARING.test([where.value].flat().join(''));
  if (is(where, Column)) return where.table === table;
  if (is(where, Param)) return !is(where.value, Placeholder);
  return is(where, SQL) && where.queryChunks.every((each) => isOfRowAlone(each, table));
}

/** What `and()` joins. */
function termsOf(condition: unknown): SQL[] {
  if (!is(condition, SQL)) return [];
  const chunks = chunksOf(condition);
  const inner = isText(chunks[0], '(') && isText(chunks.at(-1), ')') ? chunks.slice(1, -1) : chunks;
  const joined = inner.every((chunk, index) => (index % 2 === 0 ? is(chunk, SQL) : isText(chunk, ' and ')));
  return joined ? inner.flatMap(termsOf) : [condition];
}

function chunksOf(condition: SQL): unknown[] {
  return condition.queryChunks.filter((chunk) => !isText(chunk, ''));
}

function isText(chunk: unknown, text: string): boolean {
  return is(chunk, StringChunk) && [chunk.value].flat().join('') === text;
}
