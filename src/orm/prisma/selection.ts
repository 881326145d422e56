import { isObject } from '../../core/describe.ts';
import type { Row } from '../rows.ts';
import { type Args, type Client, fieldsOf } from './client.ts';

/** What a write is asked to resolve to: a part of a row, where the signals need all of it. */
export interface Selection {
  /** The arguments, for all columns beside what is asked for. */
  readonly widen: (args: Args) => Args;
  /** What was asked for, of a row that has all columns: what Prisma itself would have read. */
  readonly narrow: (row: Row) => Row;
}

/** Undefined for a selection that Prisma refuses, or that is not understood here. */
export function selectionOf(client: Client, model: string, { select, include, omit }: Args): Selection | undefined {
  const fields = fieldsOf(client, model);
  const columns = fields.filter(({ kind }) => kind === 'scalar' || kind === 'enum').map(({ name }) => name);
  const relations = fields.filter(({ kind }) => kind === 'object').map(({ name }) => name);
  const computed = client._extensions.getAllComputedFields?.(model) ?? {};
  const needsOf = (name: string): readonly string[] =>
    Object.hasOwn(computed, name) ? (computed[name]?.needs ?? []) : [];
  const isFlag = (value: unknown): boolean => typeof value === 'boolean' || value === undefined;

  if (isObject(select)) {
    if (isObject(include) || isObject(omit)) return undefined;
    const understood = Object.entries(select).every(([name, value]) =>
      columns.includes(name) || Object.hasOwn(computed, name)
        ? isFlag(value)
        : relations.includes(name) || name === '_count',
    );
    const asked = Object.keys(select).filter((name) => Boolean(select[name]));
    const read = new Set(asked.flatMap((name) => [name, ...needsOf(name)]));
    if (!understood || ![...read].some((name) => !Object.hasOwn(computed, name) || columns.includes(name)))
      return undefined;
    const all = Object.fromEntries(columns.map((name) => [name, true]));
    return {
      widen: (args) => ({ ...args, select: { ...select, ...all } }),
      narrow: (row) => only(row, (name) => read.has(name)),
    };
  }

  const everywhere = client._globalOmit?.[model.charAt(0).toLowerCase() + model.slice(1)];
  if (!isObject(omit) && everywhere === undefined) return { widen: (args) => args, narrow: (row) => row };
  const given = Object.entries(isObject(omit) ? omit : {});
  const omitted: Record<string, unknown> = { ...everywhere, ...Object.fromEntries(given) };
  const understood = given.every(
    ([name, value]) => isFlag(value) && (columns.includes(name) || Object.hasOwn(computed, name)),
  );
  const isNeeded = (column: string): boolean =>
    Object.keys(computed).some((name) => omitted[name] !== true && needsOf(name).includes(column));
  const left = new Set(columns.filter((name) => omitted[name] !== true || isNeeded(name)));
  if (!understood || left.size === 0) return undefined;
  const none = Object.fromEntries(
    Object.keys(omitted).map((name) => [name, Object.hasOwn(computed, name) ? omitted[name] : false]),
  );
  return {
    widen: (args) => ({ ...args, omit: none }),
    narrow: (row) => only(row, (name) => left.has(name) || !columns.includes(name)),
  };
}

function only(row: Row, isAskedFor: (name: string) => boolean): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => isAskedFor(name)));
}
