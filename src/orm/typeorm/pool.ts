import type { DataSource, QueryRunner } from 'typeorm';

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
  readonly master?: Partial<PgPool>;
  readonly pool?: Partial<MysqlPool>;
  readonly queryRunner?: QueryRunner;
}

/** The one query runner of a driver that has one connection, such as those for SQLite; undefined for a pool. */
export function singleRunner(dataSource: DataSource): QueryRunner | undefined {
  return (dataSource.driver as unknown as Driver | undefined)?.queryRunner;
}

/** Whether whoever asks for a connection now has to wait until another is released; false where that is not known. */
export function isPoolFull(dataSource: DataSource): boolean {
  const { master, pool } = dataSource.driver as unknown as Driver;
  if (master?.totalCount !== undefined && master.options !== undefined) {
    return master.totalCount >= master.options.max && master.idleCount === 0;
  }
  if (pool?._allConnections !== undefined && pool.config !== undefined) {
    return pool._allConnections.length >= pool.config.connectionLimit && pool._freeConnections?.length === 0;
  }
  return false;
}
