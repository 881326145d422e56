import type { DataSource, QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';

type Parts = Readonly<Record<string, unknown>>;

/** What is looked at: nothing of it needs a connection. */
interface Looked {
  readonly runner: Parts;
  readonly other: unknown;
  readonly driver: Parts;
  readonly builder: () => Steps;
}

/** The steps of query builders, and what they leave behind. */
type Steps = Readonly<Record<string, (...args: readonly unknown[]) => Steps>> & {
  readonly expressionMap?: Parts;
  readonly queryRunner?: unknown;
};

/**
 * What the adapter reads of TypeORM without its documentation promising it. Were one of them another, writes would be
 * told wrongly, and nothing would say so.
 */
const MEMBERS: readonly (readonly [name: string, isAsKnown: (looked: Looked) => boolean])[] = [
  ['QueryRunner.transactionDepth', ({ runner }) => typeof runner.transactionDepth === 'number'],
  ['QueryRunner.isReleased', ({ runner }) => typeof runner.isReleased === 'boolean'],
  ['QueryRunner.isTransactionActive', ({ runner }) => typeof runner.isTransactionActive === 'boolean'],
  ['Driver.queryRunner', ({ runner, other, driver }) => runner !== other || driver.queryRunner === runner],
  ['QueryRunner.broadcaster.isAllowedSubscriber()', ({ runner }) => asksForAudience(runner.broadcaster)],
  ['QueryBuilder.queryRunner', ({ builder }) => 'queryRunner' in builder()],
  ['expressionMap.queryType', ({ builder }) => builder().insert?.().expressionMap?.queryType === 'insert'],
  [
    'expressionMap.callListeners',
    ({ builder }) => builder().insert?.().callListeners?.(false).expressionMap?.callListeners === false,
  ],
  [
    'expressionMap.valuesSet',
    ({ builder }) => {
      const values = {};
      return [values].includes(builder().insert?.().values?.(values).expressionMap?.valuesSet as object);
    },
  ],
  ['expressionMap.onIgnore', ({ builder }) => builder().insert?.().orIgnore?.().expressionMap?.onIgnore === true],
  [
    'expressionMap.onUpdate',
    ({ builder }) => isObject(builder().insert?.().orUpdate?.(['a'], ['b']).expressionMap?.onUpdate),
  ],
  [
    'expressionMap.wheres',
    ({ builder }) => {
      const wheres = builder().delete?.().where?.('1 = 1').expressionMap?.wheres;
      return Array.isArray(wheres) && wheres.length === 1;
    },
  ],
  [
    'expressionMap.mainAlias.hasMetadata',
    ({ builder }) => {
      const { mainAlias } = builder().select?.('1').from?.('no_table_of_ours', 'a').expressionMap ?? {};
      return (mainAlias as Parts | undefined)?.hasMetadata === false;
    },
  ],
];

/** The members that are not as the adapter knows them. */
export function unknownMembers(dataSource: DataSource): string[] {
  const driver = dataSource.driver as unknown as Parts & { createQueryRunner(mode: 'master'): QueryRunner };
  const before = driver.queryRunner;
  const runner = driver.createQueryRunner('master') as unknown as Parts;
  const other = driver.createQueryRunner('master');
  const builder = (): Steps => dataSource.createQueryBuilder(runner as unknown as QueryRunner) as unknown as Steps;
  const looked: Looked = { runner, other, driver, builder };
  try {
    return MEMBERS.filter(([, isAsKnown]) => !holds(isAsKnown, looked)).map(([name]) => name);
  } finally {
    // A driver with one connection has made its one query runner now, perhaps before there is that connection.
    if (runner === (other as unknown)) (driver as { queryRunner?: unknown }).queryRunner = before;
  }
}

/** A step that fails is not as it was, either. */
function holds(isAsKnown: (looked: Looked) => boolean, looked: Looked): boolean {
  try {
    return isAsKnown(looked);
  } catch {
    return false;
  }
}

/** Whether TypeORM asks what `listenTo()` returns whether it is a prototype of the target: see `audience()`. */
function asksForAudience(broadcaster: unknown): boolean {
  const { isAllowedSubscriber } = Object(broadcaster) as { isAllowedSubscriber?: unknown };
  if (typeof isAllowedSubscriber !== 'function') return false;
  return [true, false].every((answer) => {
    const subscriber = { listenTo: () => ({ isPrototypeOf: () => answer }) };
    return Reflect.apply(isAllowedSubscriber, broadcaster, [subscriber, String]) === answer;
  });
}
