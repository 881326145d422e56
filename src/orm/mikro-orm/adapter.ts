import { AsyncLocalStorage } from 'node:async_hooks';
import { type EntityManager, type MikroORM, TransactionContext } from '@mikro-orm/core';
import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { callSite } from '../../core/origin.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard, nobodyListens } from '../bulk.ts';
import { currentCall, currentCause } from '../causal-context.ts';
import { OutsideGuard } from '../outside.ts';
import { sendModelSignal } from '../send-model-signal.ts';
import { poolIsFull } from './pool.ts';
import { Transactions } from './transactions.ts';

/** The signals of one MikroORM. */
export class MikroOrmAdapter {
  readonly orm: MikroORM;
  readonly options: Required<AdapterOptions>;
  readonly bulk: BulkGuard;
  readonly transactions: Transactions;
  private readonly outside: OutsideGuard;

  constructor(orm: MikroORM, options: Required<AdapterOptions>) {
    this.orm = orm;
    this.transactions = new Transactions(orm.em.getDriver().getDependencies());
    this.options = options;
    this.bulk = new BulkGuard(options.bulk);
    this.outside = new OutsideGuard(options.outside);
  }

  /** Send to the receivers, one after the other. */
  async send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    em: EntityManager,
    args: () => object,
    handle: object | undefined = em.getTransactionContext<object>(),
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return;
    const transaction = await this.transactions.of(handle);
    // An EntityManager that outlives its transaction can write nothing: the ORM says so.
    if (transaction?.hasEnded === true) return;
    // The one that is flushing cannot flush again, and would lose what it is given to persist.
    const tx = em.fork();
    tx.setTransactionContext(handle);
    await sendModelSignal(signal, sender, args, {
      database: this,
      using: this.options.using,
      tx,
      transaction: signal.name.startsWith('pre') ? transaction?.node.innermost : transaction?.nodeOfLastWrite,
      leaveTransaction: (run) => this.leaveTransaction(run),
    });
  }

  /**
   * Notice a receiver whose write is not part of its transaction. `handle` is the transaction that it is part of.
   *
   * @returns undefined where there is nothing to wait for: MikroORM may read what it is given before it waits
   * @throws Error as the option `outside` says.
   */
  checkOutside(handle: object | undefined, description: () => string): Promise<void> | undefined {
    if (currentCause() === undefined || this.options.outside === 'ignore') return undefined;
    return this.checkReceiver(handle, description(), callSite());
  }

  /** The class of an entity, by whatever it may be named; undefined if MikroORM does not know it. */
  classOf(name: unknown): unknown {
    try {
      return this.orm.getMetadata().find(name as never)?.class;
    } catch {
      return undefined;
    }
  }

  /** A class, and those that extend it: their rows may be in the same table. */
  familyOf(sender: unknown): unknown[] {
    const others = [...this.orm.getMetadata().getAll().values()].map((meta): unknown => meta.class);
    return [sender, ...others.filter((each) => extendsClass(each, sender))];
  }

  private async checkReceiver(handle: object | undefined, description: string, site: string): Promise<void> {
    const transaction = await this.transactions.of(handle);
    const isFull = transaction === undefined && (await poolIsFull(this.orm.em.getConnection('write')));
    this.outside.check({
      database: this,
      transaction: transaction?.node,
      description,
      poolIsFull: () => isFull,
      site,
    });
  }

  /**
   * Run what waited for the commit where `orm.em` is not the EntityManager of a transaction that has ended: it is the
   * one of the request, or a fresh fork where there is none, or while that one is flushing something else.
   */
  private leaveTransaction<T>(run: () => T): T {
    const { config, em } = this.orm;
    const ofRequest = config.get('context')(em.name);
    const isFree = ofRequest !== undefined && !flushing.has(ofRequest.getUnitOfWork(false));
    const free = isFree ? ofRequest : em.fork({ disableContextResolution: true, useContext: true });
    return afterTransaction.run(true, () => TransactionContext.create(free, run));
  }
}

function extendsClass(each: unknown, base: unknown): boolean {
  return typeof each === 'function' && typeof base === 'function' && each.prototype instanceof base;
}

/**
 * Whether MikroORM can be left alone: nobody listens, and the code is part of no receiver and of no call that is
 * followed. What is begun so is followed from the first receiver on that is connected meanwhile.
 */
export function isIdle(): boolean {
  return nobodyListens() && currentCall() === undefined && currentCause() === undefined;
}

/** The adapters at work, by the configuration that an EntityManager shares with its MikroORM. */
export const attached = new WeakMap<object, MikroOrmAdapter>();

/** The flushes that are running, by unit of work. MikroORM runs those of one unit of work one after the other. */
export const flushing = new WeakMap<object, { readonly done: Promise<void> }>();

/** Set where something runs that has waited for the end of a transaction. */
export const afterTransaction = new AsyncLocalStorage<true>();
