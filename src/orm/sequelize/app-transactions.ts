import type { Sequelize, Transaction } from 'sequelize';
import { isObject } from '../../core/describe.ts';
import { currentCause } from '../causal-context.ts';
import { patch } from '../patch.ts';
import type { TransactionNode } from '../transaction.ts';
import { attached, type SequelizeAdapter } from './adapter.ts';
import { surroundedBy, surroundingOf } from './surrounding.ts';
import { nodeOf, OWN, runIn } from './transactions.ts';

/** Transactions that a receiver has opened: it has been told of them, and not of each write in them. */
const openedByReceivers = new WeakSet<TransactionNode>();

export function isOpenedByReceiver(node: TransactionNode | undefined): boolean {
  return node !== undefined && openedByReceivers.has(node.root);
}

interface TransactionOptions {
  readonly transaction?: Transaction | null;
  readonly [OWN]?: true;
  /** Of `findOrCreate()`, which gives its options to the transaction that it opens. */
  readonly where?: unknown;
}

type Natively = (args: unknown[]) => Promise<unknown>;

/** Know who opens a transaction, and let it wait where SQLite cannot begin it yet. Returns what ends that. */
export function interceptTransactions(sequelize: Sequelize): () => void {
  const { prototype } = sequelize.constructor as unknown as { prototype: object };
  return patch(prototype, 'transaction', (original) => {
    return async function (this: Sequelize, ...args: unknown[]) {
      const natively: Natively = (given) =>
        Reflect.apply(original, this as never, given as never[]) as Promise<unknown>;
      const adapter = attached.get(this);
      return await (adapter === undefined ? natively(args) : transaction(adapter, args, natively));
    };
  });
}

async function transaction(adapter: SequelizeAdapter, args: unknown[], natively: Natively): Promise<unknown> {
  const at = args.slice(0, 2).findIndex((argument) => typeof argument === 'function');
  const options: TransactionOptions = isObject(args[0]) ? args[0] : {};
  const isOfApp = options[OWN] !== true && !options.transaction;
  if (isOfApp) checkOutside(adapter, options);
  const isOfReceiver = isOfApp && currentCause() !== undefined;
  const waits = isOfApp && adapter.isSqlite && surroundingOf(adapter) === undefined;
  const leave = waits ? await adapter.turns.enter(descriptionOf(options)) : undefined;
  const follow = (begun: Transaction): void => {
    const node = nodeOf(begun);
    if (node === undefined) return;
    if (isOfReceiver) openedByReceivers.add(node.root);
    // Before what waits for the commit runs: that may write in turn.
    if (leave !== undefined) node.whenSettled(leave);
  };
  try {
    if (at === -1) {
      const begun = (await natively(args)) as Transaction;
      follow(begun);
      return begun;
    }
    const work = args[at] as (begun: Transaction) => unknown;
    const followed = (begun: Transaction): unknown => {
      follow(begun);
      return surroundedBy(adapter, begun, () => runIn(begun, () => work(begun)));
    };
    return await natively([...args.slice(0, at), followed, ...args.slice(at + 1)]);
  } catch (error) {
    // It may never have begun.
    leave?.();
    throw error;
  }
}

/** A receiver that opens a transaction beside its own waits for a connection; where there is one, for itself. */
function checkOutside(adapter: SequelizeAdapter, options: TransactionOptions): void {
  adapter.outside.check({
    database: adapter,
    transaction: undefined,
    description: descriptionOf(options),
    poolIsFull: () => adapter.hasOneConnection || adapter.poolIsFull(),
  });
}

function descriptionOf({ where }: TransactionOptions): string {
  return where === undefined ? 'transaction()' : 'findOrCreate()';
}
