import type { DataSource, EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import { nobodyListens } from '../bulk.ts';
import { ownerOf, patch } from '../patch.ts';
import { attached, dataSourceOf, type TransactionBody, type TypeormAdapter } from './adapter.ts';
import { OrmCall, type OrmCallOptions } from './calls.ts';
import { withCriteria } from './criteria.ts';
import type { CriteriaCall } from './criteria-rows.ts';
import { canBeIndividual, individually } from './individual.ts';

type Method = (this: never, ...args: never[]) => unknown;

/** Learn what the methods of EntityManager, and so those of repositories, are called with. */
export function interceptManager(dataSource: DataSource): () => void {
  const { manager } = dataSource;
  const intercept = (name: string, perform: (call: ManagerCall) => unknown): (() => void) =>
    patch(ownerOf(manager, name), name, (original) => {
      return function (this: EntityManager, ...args: unknown[]) {
        const run = (): unknown => Reflect.apply(original, this as never, args as never[]);
        const adapter = attached.get(dataSourceOf(this));
        if (adapter === undefined || adapter.isIdle()) return run();
        return perform({ adapter, manager: this, name, args, original, run });
      };
    });
  const undo = [
    ...['save', 'remove', 'softRemove', 'recover', 'transaction', 'clear'].map((name) => intercept(name, performCall)),
    ...['update', 'delete', 'softDelete', 'restore'].map((name) => intercept(name, performByCriteria)),
    ...['increment', 'decrement'].map((name) =>
      intercept(name, ({ args, run }) => withCriteria({ where: args[1] }, run)),
    ),
  ];
  return () => {
    for (const step of undo) step();
  };
}

interface ManagerCall {
  readonly adapter: TypeormAdapter;
  readonly manager: EntityManager;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly original: Method;
  readonly run: () => unknown;
}

function performCall({ adapter, manager, name, args, original, run }: ManagerCall): unknown {
  const given = (): Given => (name === 'transaction' ? { roots: [] } : givenIn(args));
  try {
    adapter.assertInside(manager.queryRunner, () => describeCall(name, given()));
  } catch (error) {
    return Promise.reject(error);
  }
  // An async context costs every promise in it, which nobody should pay for nothing.
  if (name === 'clear' || nobodyListens()) return run();
  return adapter.perform(new OrmCall({ method: name, ...given() }), () => {
    if (name !== 'transaction') return run();
    const bodies = args.map((arg) => (typeof arg === 'function' ? adapter.inNode(arg as TransactionBody) : arg));
    return Reflect.apply(original, manager as never, bodies as never[]);
  });
}

function performByCriteria({ adapter, manager, name, args, original, run }: ManagerCall): unknown {
  const [target, where, values] = args as [EntityTarget<ObjectLiteral>, unknown, unknown];
  if (adapter.bulk.policy === 'individual') {
    const write: CriteriaCall = {
      manager,
      name: name as CriteriaCall['name'],
      target,
      criteria: where,
      values,
      run: (tx) => Reflect.apply(original, tx as never, args as never[]) as ReturnType<CriteriaCall['run']>,
    };
    if (canBeIndividual(write)) {
      try {
        adapter.assertInside(manager.queryRunner, () => describeCall(name, { roots: [], target }));
      } catch (error) {
        return Promise.reject(error);
      }
      return individually(adapter, write);
    }
  }
  return withCriteria({ where }, run);
}

type Given = Pick<OrmCallOptions, 'target'> & Required<Pick<OrmCallOptions, 'roots'>>;

/** The instances among the arguments: a class, an EntitySchema or a name may stand before them, and options after. */
function givenIn([first, second, ...rest]: readonly unknown[]): Given {
  const named = typeof first === 'function' || typeof first === 'string' || (isObject(first) && '@instanceof' in first);
  const hasTarget = named && (second !== undefined || rest.length > 0);
  const given = hasTarget ? second : first;
  return {
    roots: (Array.isArray(given) ? (given as unknown[]) : [given]).filter(isObject),
    ...(hasTarget ? { target: first as EntityTarget<ObjectLiteral> } : {}),
  };
}

function describeCall(name: string, { roots, target }: Given): string {
  const of = target ?? roots[0]?.constructor;
  const model = typeof of === 'function' ? of.name : typeof of === 'string' ? of : undefined;
  return model === undefined ? `${name}()` : `${name}() of ${model}`;
}
