import type { Sequelize, Transaction } from 'sequelize';
import { patch } from '../patch.ts';
import { TransactionNode } from '../transaction.ts';
import { doomedError } from '../write-scope.ts';

/** What is used of a transaction that Sequelize's types do not tell. */
interface Internals extends Transaction {
  readonly parent?: Transaction | null;
  readonly sequelize: Sequelize;
  /** Of a savepoint, its name in the database; Sequelize gives one in another the same. */
  readonly name: string;
  readonly options: { readonly [OWN]?: true };
}

/** Marks the options of a transaction that an adapter opens, and not the app. */
export const OWN: unique symbol = Symbol('tocsin.own');

const nodes = new WeakMap<Transaction, TransactionNode>();
const names = new WeakMap<TransactionNode, string>();
const byNode = new WeakMap<TransactionNode, Transaction>();

/** Where what is written in this transaction now is written; undefined outside of one. */
export function nodeOf(transaction: Transaction | null | undefined): TransactionNode | undefined {
  return transaction ? nodes.get(transaction)?.innermost : undefined;
}

/** The transaction whose node this is, or lies in. */
export function transactionOf(node: TransactionNode): Transaction | undefined {
  return byNode.get(node.root);
}

/** Whether an adapter has opened it. */
export function isOwn(transaction: Transaction): boolean {
  return (transaction as Internals).options[OWN] === true;
}

/** Run the work of a transaction or a savepoint: what is asked for in it belongs to it, whichever payload is asked. */
export function runIn<T>(transaction: Transaction, work: () => T): T {
  const node = nodes.get(transaction);
  return node === undefined ? work() : node.run(work);
}

/**
 * Run a transaction of the adapter's own. It rejects if the database does not commit it. `queue` lets it wait for
 * others; what waits for the commit runs when it has left the queue.
 */
export async function ownTransaction<T>(
  sequelize: Sequelize,
  work: (transaction: Transaction) => Promise<T>,
  queue: (run: () => Promise<T>) => Promise<T>,
): Promise<T> {
  let node: TransactionNode | undefined;
  try {
    return await queue(() =>
      sequelize.transaction({ [OWN]: true } as object, (transaction) => {
        node = nodes.get(transaction);
        return work(transaction);
      }),
    );
  } finally {
    await node?.settle();
  }
}

/** Run outside of the transaction that is in the async context: it has ended. */
export function leaveTransaction(sequelize: Sequelize): <T>(run: () => T) => T {
  return <T>(run: () => T): T => {
    const { _cls: namespace } = sequelize.constructor as { _cls?: Namespace };
    if (namespace === undefined) return run();
    let result: T | undefined;
    namespace.run(() => {
      namespace.set('transaction', null);
      result = run();
    });
    return result as T;
  };
}

/** What `Sequelize.useCLS()` was given. */
interface Namespace {
  run(work: () => void): void;
  get(name: string): unknown;
  set(name: string, value: unknown): unknown;
}

/** The transaction that a write with these options is part of. */
export function transactionFor(
  sequelize: Sequelize,
  options: { readonly transaction?: Transaction | null | undefined } | undefined,
): Transaction | undefined {
  const { _cls: namespace } = sequelize.constructor as { _cls?: Namespace };
  const given = options?.transaction;
  return (given === undefined ? (namespace?.get('transaction') as Transaction | undefined) : given) ?? undefined;
}

/**
 * Follow the transactions of a Sequelize. Its hooks tell too little: `afterCommit()` of a nested one is called while
 * the outer one is open, and also when COMMIT has failed; some inner ones are never ended (`findOrCreate()`).
 */
export function followTransactions(sequelize: Sequelize): () => void {
  const { prototype } = (sequelize.constructor as unknown as { Transaction: { prototype: object } }).Transaction;
  type Method = (this: Internals, ...args: never[]) => Promise<unknown>;
  const wrap = (name: string, run: (transaction: Internals, original: () => Promise<unknown>) => Promise<unknown>) =>
    patch(prototype, name, (original) => {
      return async function (this: Internals, ...args: never[]) {
        return run(this, () => Reflect.apply(original as Method, this, args));
      };
    });
  const undo = [
    wrap('prepareEnvironment', async (transaction, begin) => {
      const surrounding = transaction.parent && nodes.get(transaction.parent);
      // The statement of a savepoint is issued now.
      if (surrounding) nodes.set(transaction, namedSavepoint(surrounding, transaction.name));
      const result = await begin();
      if (!surrounding) {
        const node = TransactionNode.begin();
        nodes.set(transaction, node);
        byNode.set(node, transaction);
      }
      return result;
    }),
    wrap('commit', async (transaction, commit) => {
      const node = nodes.get(transaction);
      // Sequelize issues nothing for a savepoint: it goes on to be the innermost.
      if (node === undefined || transaction.parent) return commit();
      return commitNode(node, transaction, commit);
    }),
    wrap('rollback', async (transaction, rollback) => {
      const node = nodes.get(transaction);
      if (node === undefined) return rollback();
      if (transaction.parent) {
        rollBackTo(node, transaction.name);
        return rollback();
      }
      node.rollback();
      try {
        return await rollback();
      } finally {
        if (!isOwn(transaction)) await node.settle();
      }
    }),
  ];
  return () => {
    for (const step of undo) step();
  };
}

async function commitNode(
  node: TransactionNode,
  transaction: Internals,
  commit: () => Promise<unknown>,
): Promise<unknown> {
  const isOfAdapter = isOwn(transaction);
  try {
    if ((isOfAdapter || node.isWatched) && (await isDoomed(transaction))) {
      node.rollback();
      if (isOfAdapter) {
        await transaction.rollback();
        throw doomedError();
      }
    }
    const result = await commit();
    node.commit();
    return result;
  } catch (error) {
    node.rollback();
    throw error;
  } finally {
    if (!isOfAdapter) await node.settle();
  }
}

/**
 * Whether the database will answer COMMIT with a rollback: PostgreSQL when a query has failed and the error was caught,
 * MariaDB when it has ended the transaction by itself, because of a deadlock.
 */
async function isDoomed(transaction: Internals): Promise<boolean> {
  const { sequelize } = transaction;
  const ask = (sql: string): Promise<unknown> => sequelize.query(sql, { transaction, logging: false, raw: true });
  switch (sequelize.getDialect()) {
    case 'postgres':
      return ask('SELECT 1').then(
        () => false,
        (error: unknown) => (error as { original?: { code?: string } }).original?.code === '25P02',
      );
    case 'mariadb':
    case 'mysql':
      return ask('SELECT @@in_transaction AS active').then(
        (answer) => Number((answer as [[{ active?: unknown }]])[0][0].active) === 0,
        // MySQL does not know this variable.
        () => false,
      );
    default:
      return false;
  }
}

function namedSavepoint(surrounding: TransactionNode, name: string): TransactionNode {
  const node = surrounding.root.savepoint();
  names.set(node, name);
  return node;
}

/** `ROLLBACK TO` goes to the last savepoint of that name, and leaves it there. */
function rollBackTo(node: TransactionNode, name: string): void {
  for (let each: TransactionNode | undefined = node.innermost; each !== undefined; each = each.parent) {
    if (names.get(each) !== name) continue;
    each.rollback();
    namedSavepoint(node, name);
    return;
  }
  node.rollback();
}
