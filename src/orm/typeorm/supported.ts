import type { DataSource } from 'typeorm';
import { describe, isObject } from '../../core/describe.ts';
import { unknownMembers } from './members.ts';

/**
 * TypeORM does not say its version at run time, so that what the adapter relies on is looked at.
 *
 * @throws TypeError if it is no DataSource, or one of a version or kind that the adapter was not written for.
 */
export function assertDataSource(dataSource: unknown): asserts dataSource is DataSource {
  if (!isObject(dataSource) || !('subscribers' in dataSource) || !('createQueryBuilder' in dataSource)) {
    throw new TypeError(`attachSignals() takes a TypeORM DataSource, not ${describe(dataSource)}`);
  }
  const { options, manager } = dataSource as unknown as DataSource;
  if (options.type === 'mongodb') {
    throw new TypeError("tocsin/typeorm is for SQL databases, not for TypeORM's MongoDB driver: use tocsin/mongoose.");
  }
  const missing = [
    ...METHODS.filter((name) => typeof (manager as unknown as Record<string, unknown>)[name] !== 'function'),
    ...(isSinceLowest(dataSource as unknown as DataSource)
      ? []
      : ['createQueryBuilder(queryRunner) of query builders']),
  ];
  if (missing.length > 0) {
    throw new TypeError(
      `tocsin supports TypeORM from 0.3.20 on, and 1.x; this DataSource lacks ${missing.join(', ')}. ` +
        'Install a supported version of typeorm; without an adapter, signals can still be sent by hand.',
    );
  }
  const unknown = unknownMembers(dataSource as unknown as DataSource);
  if (unknown.length === 0) return;
  throw new TypeError(
    `tocsin/typeorm reads ${unknown.join(', ')} of TypeORM, which this version has not, or has otherwise. ` +
      'Install a newer tocsin, or the version of typeorm that you had before; nothing is attached.',
  );
}

const METHODS = [
  ...(['save', 'remove', 'softRemove', 'recover', 'transaction', 'clear'] as const),
  ...(['insert', 'upsert', 'update', 'delete', 'softDelete', 'restore', 'increment', 'decrement'] as const),
];

/** TypeORM 0.3.20 is the first whose query builders take a query runner for another. */
function isSinceLowest(dataSource: DataSource): boolean {
  return dataSource.createQueryBuilder().createQueryBuilder.length === 1;
}
