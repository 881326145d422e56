import type { EntityManager } from '@mikro-orm/core';
import { WriteCall } from '../causal-context.ts';
import { ownerOf, patch } from '../patch.ts';
import type { TransactionNode } from '../transaction.ts';
import { afterTransaction, attached, flushing, isIdle } from './adapter.ts';

/** A call of an EntityManager, and the transactions that have ended in it: what waits for them runs when it is done. */
export class EntityManagerCall extends WriteCall {
  readonly method: string;
  readonly ended: Set<TransactionNode>;

  constructor(method: string, ended = new Set<TransactionNode>()) {
    super();
    this.method = method;
    this.ended = ended;
  }

  /** Do it, and then what waited for the transactions that have ended in it. */
  async perform<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.run(work);
    } finally {
      for (const node of this.ended) await node.settle();
    }
  }
}

/** A write past the unit of work. */
export class BulkCall extends EntityManagerCall {
  /** How many rows MikroORM says that it has upserted: it only changes an entity that it knows already. */
  upserted = 0;
}

/** The flushes of one unit of work that are running. */
class Flushes {
  readonly ended = new Set<TransactionNode>();
  readonly done: Promise<void>;
  private count = 0;
  private finish: () => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  /** MikroORM may run one in the call of another, and forgets what is persisted before the last has ended. */
  async perform(unit: object, flush: () => Promise<void>): Promise<void> {
    this.count++;
    const call = new EntityManagerCall('flush', this.ended);
    try {
      await call.run(flush);
    } finally {
      if (--this.count === 0) {
        flushing.delete(unit);
        this.finish();
      }
      if (this.ended.size > 0) await this.done;
      for (const node of this.ended) await node.settle();
    }
  }
}

type Method = (...args: unknown[]) => Promise<unknown>;

async function flush(em: EntityManager, natively: () => Promise<void>, isAfterTransaction: boolean): Promise<void> {
  const unit = em.getUnitOfWork();
  // MikroORM takes what runs after a flush, in its async context, to be in it: it would refuse to wait in line.
  if (isAfterTransaction) await flushing.get(unit)?.done;
  const flushes = (flushing.get(unit) as Flushes | undefined) ?? new Flushes();
  flushing.set(unit, flushes);
  return flushes.perform(unit, natively);
}

/** Know which call of an EntityManager a transaction ends in. Returns what ends that. */
export function interceptCalls(em: EntityManager): () => void {
  const undo = ['begin', 'commit', 'rollback', 'transactional'].map((name) =>
    patch(ownerOf(em, name), name, (original) => {
      return function (this: EntityManager, ...args: unknown[]) {
        const natively = (): Promise<unknown> => Reflect.apply(original as Method, this, args);
        return attached.has(this.config) ? new EntityManagerCall(name).perform(natively) : natively();
      };
    }),
  );
  undo.push(
    patch(ownerOf(em, 'flush'), 'flush', (original) => {
      return function (this: EntityManager, ...args: unknown[]) {
        const natively = (): Promise<void> => Reflect.apply(original as Method, this, args) as Promise<void>;
        const isAfterTransaction = afterTransaction.getStore() === true;
        if (!attached.has(this.config) || (isIdle() && !isAfterTransaction)) return natively();
        return flush(this, natively, isAfterTransaction);
      };
    }),
  );
  return () => {
    for (const step of undo) step();
  };
}
