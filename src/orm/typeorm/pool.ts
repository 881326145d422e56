import type { DataSource, QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';

/** The pool of pg. */
interface PgPool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly options: { readonly max: number };
}

/** The pool of mysql2 and mysql, which has no public count. */
interface MysqlPool {
  readonly _allConnections: { readonly length: number };
  readonly _freeConnections: { readonly length: number };
  readonly config: { readonly connectionLimit: number };
}

interface Driver {
  readonly master?: PgPool;
  readonly pool?: MysqlPool;
  readonly queryRunner?: QueryRunner;
}

/** The one query runner of a driver that has one connection, such as those for SQLite; undefined for a pool. */
export function singleRunner(dataSource: DataSource): QueryRunner | undefined {
  return (dataSource.driver as unknown as Driver | undefined)?.queryRunner;
}

/**
 * Whether whoever asks for a connection now has to wait until another is released; false for drivers whose pool does
 * not tell, and for several pools.
 *
 * @throws TypeError if the pool of pg or mysql2 no longer tells
 */
export function isPoolFull({ driver, options }: DataSource): boolean {
  const { master, pool } = driver as unknown as Driver;
  if (isObject(master) && PG.has(options.type)) {
    const max = numberIn(master, 'pg', 'options.max', (known) => known.options.max);
    const total = numberIn(master, 'pg', 'totalCount', (known) => known.totalCount);
    return total >= max && numberIn(master, 'pg', 'idleCount', (known) => known.idleCount) === 0;
  }
  if (isObject(pool) && MYSQL.has(options.type)) {
    const max = numberIn(pool, 'mysql2', 'config.connectionLimit', (known) => known.config.connectionLimit);
    const total = numberIn(pool, 'mysql2', '_allConnections', (known) => known._allConnections.length);
    const idle = numberIn(pool, 'mysql2', '_freeConnections', (known) => known._freeConnections.length);
    return total >= max && idle === 0;
  }
  return false;
}

const PG: ReadonlySet<string> = new Set(['postgres', 'cockroachdb']);
const MYSQL: ReadonlySet<string> = new Set(['mysql', 'mariadb']);

function numberIn<T>(pool: T, driver: string, name: string, read: (pool: T) => unknown): number {
  let value: unknown;
  try {
    value = read(pool);
  } catch {
    // Told below.
  }
  if (typeof value === 'number') return value;
  throw new TypeError(
    `tocsin/typeorm reads ${name} of the pool of ${driver}, which has no such number, to know whether a receiver that ` +
      "writes outside its transaction would wait for ever. Attach with { outside: 'throw' } or 'ignore', or install a " +
      `version of ${driver} that typeorm supports.`,
  );
}
