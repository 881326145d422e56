/** Which columns tell the rows of a table apart: the database is asked, once for each table. */
import type { KyselyPlugin, TableNode } from 'kysely';
import { type Dialect, rawQuery } from './dialect.ts';
import type { Queries } from './queries.ts';

/** The columns of a primary key or a unique constraint. */
export type Key = readonly string[];

/** What the database says of a table. */
export interface TableKeys {
  /** The columns of its primary key, then of its unique constraints. */
  readonly keys: readonly Key[];
  /** Whether the database is MariaDB, and one of the columns is counted up by it; undefined if it is not MySQL. */
  readonly mysql?: { readonly isMariaDB: boolean; readonly isCounted: boolean };
  /** The column that MySQL counts up, if it is a key by itself: an insert tells of its first value. */
  readonly counter?: string | undefined;
}

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
  mysql: `select index_name as \`index\`, if(sub_part is null, column_name, null) as \`column\`
    from information_schema.statistics
    where table_schema = coalesce(?, database()) and table_name = ? and non_unique = 0
    order by index_name = 'PRIMARY' desc, index_name, seq_in_index`,
  other: undefined,
};

/** What is known of one table, by the names that the app uses with these plugins. */
interface Known {
  readonly plugins: readonly KyselyPlugin[];
  readonly table: TableKeys;
}

/** What MySQL says beside, for it returns no rows. */
const COUNTER = `select version() like '%mariadb%' as mariadb, (
    select column_name from information_schema.columns
    where table_schema = coalesce(?, database()) and table_name = ? and extra like '%auto_increment%'
  ) as counter`;

export class KeyCatalog {
  private readonly dialect: Dialect;
  private readonly known = new Map<string, Known[]>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /** The keys of a table; none if the database has none, or cannot be asked. At once, if they are known. */
  keysOf(table: TableNode, queries: Queries): TableKeys | Promise<TableKeys> {
    const { plugins } = queries.executor;
    const { schema, identifier } = table.table;
    const path = [schema?.name, identifier.name].filter((each) => each !== undefined);
    const name = path.join('\0');
    const isSame = (other: Known): boolean =>
      other.plugins.length === plugins.length && other.plugins.every((plugin, index) => plugin === plugins[index]);
    const known = this.known.get(name)?.find(isSame);
    if (known !== undefined) return known.table;
    return this.read(path, queries).then((found) => {
      this.known.set(name, [...(this.known.get(name) ?? []), { plugins, table: found }]);
      return found;
    });
  }

  private async read(path: readonly string[], queries: Queries): Promise<TableKeys> {
    const sql = QUERIES[this.dialect];
    if (sql === undefined) return { keys: [] };
    const parameters = PARAMETERS[this.dialect](path);
    const executor = queries.executor.withoutPlugins();
    const { rows } = await executor.executeQuery(rawQuery<{ index: unknown; column: string | null }>(sql, parameters));
    const columns = new Map<unknown, (string | null)[]>();
    for (const { index, column } of rows) columns.set(index, [...(columns.get(index) ?? []), column]);
    // An expression in an index has no column.
    const found = [...columns.values()].filter((key): key is string[] => !key.includes(null));
    const keys = await Promise.all(found.map((key) => queries.namesOf(key)));
    if (this.dialect !== 'mysql') return { keys };
    const { rows: facts } = await executor.executeQuery(
      rawQuery<{ mariadb: unknown; counter: string | null }>(COUNTER, parameters),
    );
    const [{ mariadb, counter } = { mariadb: 0, counter: null }] = facts;
    return {
      keys,
      mysql: { isMariaDB: Number(mariadb) === 1, isCounted: counter !== null },
      counter: keys[found.findIndex((key) => key.length === 1 && key[0] === counter)]?.[0],
    };
  }
}

/** The parameters of these queries, for the name of a table and perhaps of its schema. */
const PARAMETERS: Readonly<Record<Dialect, (path: readonly string[]) => readonly unknown[]>> = {
  postgres: (path) => [path.map((each) => `"${each.replaceAll('"', '""')}"`).join('.')],
  // SQLite looks for the name in all its databases.
  sqlite: (path) => [path.at(-1), path.at(-1)],
  mysql: (path) => [path.at(-2) ?? null, path.at(-1)],
  other: () => [],
};
