import type { Model, ModelClass } from 'objection';
import { patch } from '../patch.ts';
import { currentExecution, QueryExecution, runApart } from './execution.ts';
import type { Operation, Query } from './query.ts';

type Method = (this: Query, ...args: unknown[]) => Promise<unknown>;

/**
 * Objection's own builder, of which others may inherit, runs its steps through one method. Static hooks of the models
 * would come to the same, but an app may override them, and a graph writes otherwise if a model has one.
 */
const EXECUTE = 'execute';
const STEP = 'callAsyncOperationMethod';

/** @throws TypeError if it is another version of Objection. */
export function assertObjection(base: ModelClass<Model>): void {
  const builder = base.QueryBuilder.prototype as unknown as Record<string, unknown>;
  const isOther = 'mergeEager' in builder;
  if (isOther || [EXECUTE, STEP, 'toFindQuery', 'childQueryOf', 'parentQuery'].some((each) => !(each in builder)))
    throw new TypeError(
      'withSignals() supports Objection 3, and this is another version, or its QueryBuilder has been replaced. ' +
        'Install objection@3; without an adapter, signals can still be sent by hand.',
    );
}

/** Have the queries of this Objection's builder, and of all that inherit from it, send signals. */
export function watchQueries(base: ModelClass<Model>): void {
  const { prototype } = base.QueryBuilder;
  const execute = rootmost(prototype, EXECUTE);
  const step = rootmost(prototype, STEP);
  if (watching.has(execute)) return;
  watching.add(execute);
  patch(execute, EXECUTE, (original) => {
    const proceed = original as unknown as Method;
    const replacement: Method = function () {
      const execution = QueryExecution.of(this);
      if (execution === undefined) return runApart(() => proceed.call(this));
      return execution.run(() => proceed.call(this));
    };
    return replacement;
  });
  patch(step, STEP, (original) => {
    const proceed = original as unknown as Method;
    const replacement: Method = function (operation, name, args) {
      const execution = currentExecution();
      if (execution === undefined) return proceed.call(this, operation, name, args);
      return execution.step(this, operation as Operation, name as string, args as unknown[], () =>
        proceed.call(this, operation, name, args),
      );
    };
    return replacement;
  });
}

const watching = new WeakSet();

/** The last prototype in the chain that defines the method. */
function rootmost(prototype: object, method: string): object {
  let found = prototype;
  for (let each: object | null = prototype; each !== null; each = Object.getPrototypeOf(each) as object | null)
    if (Object.hasOwn(each, method)) found = each;
  return found;
}
