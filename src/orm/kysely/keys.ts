/** Which columns tell the rows of a table apart: the database is asked, once for each table. */
import type { KyselyPlugin, TableNode } from 'kysely';
import { type Dialect, rawQuery } from './dialect.ts';
import type { Queries } from './queries.ts';

/** The columns of a primary key or a unique constraint. */
export type Key = readonly string[];

/** What there is of one table: each index column by column, the primary key first. */
const QUERIES: Readonly<Record<Dialect, string | undefined>> = {
  postgres: `select i.indexrelid as "index", a.attname as "column"
    from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1])
    where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid and i.indimmediate
      and i.indpred is null and i.indexprs is null
    order by i.indisprimary desc, i.indexrelid`,
  sqlite: `select '' as "index", name as "column" from pragma_table_info(?) where pk > 0
    union all
    select list.name, info.name from pragma_index_list(?) list, pragma_index_info(list.name) info
    where list."unique" = 1 and list.partial = 0`,
  other: undefined,
};

/** The keys of one table, as the app names them with these plugins. */
interface Known {
  readonly plugins: readonly KyselyPlugin[];
  readonly keys: readonly Key[];
}

export class KeyCatalog {
  private readonly dialect: Dialect;
  private readonly known = new Map<string, Known[]>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /** The keys of a table; none if the database has none, or cannot be asked. At once, if they are known. */
  keysOf(table: TableNode, queries: Queries): readonly Key[] | Promise<readonly Key[]> {
    const { plugins } = queries.executor;
    const { schema, identifier } = table.table;
    const path = [schema?.name, identifier.name].filter((each) => each !== undefined);
    const name = path.join('\0');
    const isSame = (other: Known): boolean =>
      other.plugins.length === plugins.length && other.plugins.every((plugin, index) => plugin === plugins[index]);
    const known = this.known.get(name)?.find(isSame);
    if (known !== undefined) return known.keys;
    return this.read(path, queries).then((keys) => {
      this.known.set(name, [...(this.known.get(name) ?? []), { plugins, keys }]);
      return keys;
    });
  }

  private async read(path: readonly string[], queries: Queries): Promise<readonly Key[]> {
    const sql = QUERIES[this.dialect];
    if (sql === undefined) return [];
    const quoted = path.map((each) => `"${each.replaceAll('"', '""')}"`).join('.');
    // SQLite looks for the name in all its databases.
    const parameters = this.dialect === 'postgres' ? [quoted] : [path.at(-1), path.at(-1)];
    const query = rawQuery<{ index: unknown; column: string | null }>(sql, parameters);
    const { rows } = await queries.executor.withoutPlugins().executeQuery(query);
    const columns = new Map<unknown, (string | null)[]>();
    for (const { index, column } of rows) columns.set(index, [...(columns.get(index) ?? []), column]);
    // An expression in an index has no column.
    const keys = [...columns.values()].filter((key): key is string[] => !key.includes(null));
    return Promise.all(keys.map((key) => queries.namesOf(key)));
  }
}
