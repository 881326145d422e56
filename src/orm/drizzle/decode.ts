import { Column, getTableColumns, is, SQL, type Table } from 'drizzle-orm';
import type { Returned } from './internals.ts';

/** Stands in a row for a value that cannot be decoded: the `fromDriver` of a custom type has thrown. */
export class Undecoded {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

type Decode = (value: unknown, ...more: unknown[]) => unknown;
interface Decoder {
  readonly mapFromDriverValue: Decode & { readonly isNoop?: boolean };
}

/**
 * The same columns, with `Undecoded` in place of what their decoders throw: that comes after the database has written,
 * and must not undo it.
 */
export function leniently(columns: readonly Returned[]): Returned[] {
  return columns.map((column) => {
    // Drizzle 1.0 has the driver's value go through a codec of the dialect first.
    const { codec } = column as { codec?: unknown };
    const own = typeof codec === 'function' ? { codec: attempt(codec as Decode) } : {};
    return { ...column, field: lenientField(column.field), ...own };
  });
}

const selections = new WeakMap<Table, Readonly<Record<string, unknown>>>();

/** All columns of a table, to be selected leniently. */
export function lenientColumns(table: Table): Readonly<Record<string, unknown>> {
  let selection = selections.get(table);
  if (selection === undefined) {
    const columns = Object.entries(getTableColumns(table));
    selection = Object.fromEntries(columns.map(([name, column]) => [name, lenientField(column)]));
    selections.set(table, selection);
  }
  return selection;
}

interface Dialect {
  readonly codecs?: { get(...args: unknown[]): unknown };
}
const dialects = new WeakMap<Dialect, object>();

/** The same query, with `Undecoded` in place of what the codecs of Drizzle 1.0 throw. */
export function withLenientCodecs<T extends object>(query: T): T {
  const { dialect } = query as { dialect?: Dialect };
  const codecs = dialect?.codecs;
  if (dialect === undefined || codecs === undefined) return query;
  let lenient = dialects.get(dialect);
  if (lenient === undefined) {
    const get = (...args: unknown[]): unknown => {
      const codec = codecs.get(...args);
      return typeof codec === 'function' ? attempt(codec as Decode) : codec;
    };
    dialects.set(dialect, (lenient = derived(dialect, { codecs: derived(codecs, { get }) })));
  }
  return Object.assign(query, { dialect: lenient });
}

function lenientField(field: unknown): unknown {
  if (is(field, Column)) return derived(field, lenientDecoder(field));
  if (is(field, SQL)) {
    const { decoder } = field as unknown as { decoder: Decoder };
    return derived(field, { decoder: derived(decoder, lenientDecoder(decoder)) });
  }
  if (is(field, SQL.Aliased)) return derived(field, { sql: lenientField(field.sql) });
  return field;
}

function lenientDecoder(decoder: Decoder): object {
  const { mapFromDriverValue } = decoder;
  if (mapFromDriverValue.isNoop === true) return {};
  return { mapFromDriverValue: attempt((value) => decoder.mapFromDriverValue(value)) };
}

function attempt(decode: Decode): Decode {
  return (value, ...more) => {
    if (value instanceof Undecoded) return value;
    try {
      return decode(value, ...more);
    } catch (error) {
      return new Undecoded(error);
    }
  };
}

function derived(object: object, own: object): object {
  const properties = Object.entries(own).map(([name, value]) => [name, { value: value as unknown }] as const);
  return Object.create(object, Object.fromEntries(properties)) as object;
}

/** The first value of the rows that could not be decoded, in the order in which Drizzle decodes. */
export function firstUndecoded(rows: unknown, columns: readonly Returned[]): Undecoded | undefined {
  for (const row of [rows].flat()) {
    for (const { path } of columns) {
      let value = row;
      for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
      if (value instanceof Undecoded) return value;
    }
  }
  return undefined;
}
