import type { EntityTarget, ObjectLiteral } from 'typeorm';
import { currentCall, WriteCall } from '../causal-context.ts';
import type { TransactionNode } from '../transaction.ts';
import type { RunnerTransaction } from './runner-transaction.ts';

/** What an {@link OrmCall} is of. */
export interface OrmCallOptions {
  readonly method: string;
  /** The instances given to it, and the class, EntitySchema or name given beside them. */
  readonly roots?: readonly object[];
  readonly target?: EntityTarget<ObjectLiteral> | undefined;
}

/** One call of a method of TypeORM: what its events do not tell. */
export class OrmCall extends WriteCall {
  readonly method: string;
  readonly roots: readonly object[];
  readonly target: EntityTarget<ObjectLiteral> | undefined;
  /** The transaction that it has begun itself, if it has: the app's code in it may begin others. */
  began: RunnerTransaction | undefined = undefined;
  /** The transaction or savepoint in which receivers have last been told of it. */
  toldIn: TransactionNode | undefined = undefined;
  /** Where its last statement was executed; null outside a transaction. */
  writtenIn: TransactionNode | null | undefined = undefined;

  constructor({ method, roots = [], target }: OrmCallOptions) {
    super();
    this.method = method;
    this.roots = roots;
    this.target = target;
  }

  /** Whether TypeORM's events of instances belong to it, and not to what a query builder writes. */
  get persists(): boolean {
    return PERSISTING.has(this.method);
  }
}

const PERSISTING: ReadonlySet<string> = new Set(['save', 'remove', 'softRemove', 'recover']);

/** The call that the current code or event is part of; undefined in a receiver. */
export function currentOrmCall(): OrmCall | undefined {
  const call = currentCall();
  return call instanceof OrmCall ? call : undefined;
}

/** The instance that was asked to be written, if that is not `entity` itself and there is only one. */
export function rootOf(entity: object | undefined): object | undefined {
  const roots = currentOrmCall()?.roots ?? [];
  return roots.length === 1 && !(entity !== undefined && roots.includes(entity)) ? roots[0] : undefined;
}
