import type { Knex } from 'knex';
import { isDeadlock } from '../deadlock.ts';
import { TransactionNode } from '../transaction.ts';

/** What is used of a client of knex. */
interface Client {
  readonly dialect?: string;
  /** Tells one database from another: the clients of its transactions have the same. */
  readonly config: object;
  readonly pool?: { readonly max: number; numUsed(): number; numPendingAcquires(): number };
  /** Begins every transaction and every savepoint; each dialect has its own. */
  transaction: (this: Client, container: Container, config: unknown, outer?: unknown) => Transaction;
  on(event: 'query-error', listener: (error: unknown) => void): unknown;
}
type Container = (transactor: Transactor) => unknown;

/** What is used of knex's own object for a transaction. It takes its connection a moment after it was made. */
interface Transaction {
  acquireConnection: (config: unknown, use: (connection: unknown) => unknown) => Promise<unknown>;
  savepoint: (connection: unknown) => unknown;
}

/** The handle of a transaction that the app gets. knex's types say that its ends give query builders. */
interface Transactor {
  readonly client: Client;
  readonly executionPromise: Promise<unknown>;
  readonly parentTransaction?: Transactor;
  commit: (value?: unknown) => Promise<unknown>;
  rollback: (error?: unknown) => Promise<unknown>;
  isCompleted(): boolean;
}

const nodes = new WeakMap<Client, TransactionNode>();
const watching = new WeakSet<Client['transaction']>();

/** The client of a knex; undefined for a query builder or a stub: Objection binds models to anything. */
function clientOf(knex: unknown): Client | undefined {
  if (typeof knex !== 'function' || !('raw' in knex)) return undefined;
  const { client } = knex as { client?: Partial<Client> };
  return typeof client === 'object' && typeof client.config === 'object' ? (client as Client) : undefined;
}

export function isTransaction(knex: Knex | Knex.Transaction | null): knex is Knex.Transaction {
  return clientOf(knex) !== undefined && (knex as Knex).isTransaction === true;
}

/** Whether knex refuses every query on this transaction by itself. */
export function hasEnded(knex: Knex | null): boolean {
  return isTransaction(knex) && knex.isCompleted();
}

/** Whether a query on this knex that fails so ends its transaction. In SQLite and MySQL most do not. */
export function abortsTransaction(knex: Knex | null, error: unknown): boolean {
  if (!isTransaction(knex)) return false;
  const { dialect = '' } = clientOf(knex) as Client;
  return !/sqlite|mysql/.test(dialect) || isDeadlock(error);
}

/** What tells the database of a knex, and of its transactions, from others. */
export function databaseOf(knex: Knex | null): object {
  return clientOf(knex)?.config ?? UNBOUND;
}
const UNBOUND = {};

/** Whether a query on this knex would have to wait for a connection. */
export function isPoolFull(knex: Knex | null): boolean {
  const pool = clientOf(knex)?.pool;
  return pool !== undefined && (pool.numUsed() >= pool.max || pool.numPendingAcquires() > 0);
}

/** The transaction, or the savepoint, that this is the handle of; undefined for a knex. */
export function transactionOf(knex: Knex | null): TransactionNode | undefined {
  if (!isTransaction(knex)) return undefined;
  const transactor = knex as unknown as Transactor;
  return nodes.get(transactor.client) ?? adopt(transactor);
}

/**
 * knex tells nobody of a commit. So its transactions are watched from where they are made: whoever waits for one also
 * waits for what runs after its end, when its connection is free again.
 *
 * @throws TypeError if it is a knex that cannot be watched.
 */
export function watchTransactions(knex: unknown): void {
  const client = clientOf(knex);
  if (client === undefined) return;
  if (transactionOf(knex as Knex) === undefined) watchClient(client);
}

function watchClient(client: Client): void {
  const begin = client.transaction;
  if (watching.has(begin)) return;
  if (typeof begin !== 'function') throw unsupported('its client has no method `transaction`');
  const replacement: Client['transaction'] = function (this: Client, container, config, outer) {
    const surrounding = nodes.get(this);
    const watched = surrounding === undefined ? new WatchedRoot() : new WatchedSavepoint(surrounding);
    const transaction = begin.call(
      this,
      (transactor) => {
        const node = watched.enter(transactor);
        return node.run(() => container(transactor));
      },
      config,
      outer,
    );
    watched.watch(transaction);
    return transaction;
  };
  watching.add(replacement);
  Object.defineProperty(client, 'transaction', { value: replacement, writable: true, configurable: true });
}

class WatchedSavepoint {
  private readonly surrounding: TransactionNode;
  private node: TransactionNode | undefined;

  constructor(surrounding: TransactionNode) {
    this.surrounding = surrounding;
  }

  watch(transaction: Transaction): void {
    const set = transaction.savepoint;
    if (typeof set !== 'function') throw unsupported('its transactions have no method `savepoint`');
    // From here on, what others write on this connection is in the savepoint too.
    transaction.savepoint = (connection) => {
      this.node = this.surrounding.savepoint();
      return set.call(transaction, connection);
    };
  }

  enter(transactor: Transactor): TransactionNode {
    const node = (this.node ??= this.surrounding.savepoint());
    const { commit, rollback } = transactor;
    nodes.set(transactor.client, node);
    watchClient(transactor.client);
    transactor.commit = (value) => {
      if (!transactor.isCompleted()) node.release();
      return commit(value);
    };
    transactor.rollback = (error) => {
      if (!transactor.isCompleted()) node.rollback();
      return rollback(error);
    };
    return node;
  }
}

class WatchedRoot {
  private node = TransactionNode.begin();
  /** Those that the database has rolled back by itself. */
  private readonly lost: TransactionNode[] = [];
  private readonly ended: Promise<void>;
  private end!: () => void;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  watch(transaction: Transaction): void {
    const acquire = transaction.acquireConnection;
    if (typeof acquire !== 'function') throw unsupported('its transactions have no method `acquireConnection`');
    transaction.acquireConnection = async (config, use) => {
      try {
        const value = await acquire.call(transaction, config, use);
        this.node.commit();
        return value;
      } catch (error) {
        this.node.rollback();
        throw error;
      } finally {
        await this.settle();
      }
    };
  }

  /** It was begun before its knex was known here: nobody waits for what runs after it. */
  adopt(transactor: Transactor): void {
    this.enter(transactor);
    const settle = async (): Promise<void> => {
      // knex gives the connection back before that.
      await new Promise(setImmediate);
      await this.settle();
    };
    void transactor.executionPromise.then(
      () => {
        this.node.commit();
        return settle();
      },
      () => {
        this.node.rollback();
        return settle();
      },
    );
  }

  enter(transactor: Transactor): TransactionNode {
    const { client, commit, rollback } = transactor;
    nodes.set(client, this.node);
    watchClient(client);
    client.on('query-error', (error) => {
      if (!isDeadlock(error)) return;
      // MariaDB has rolled all of it back, and commits what is written from now on one by one.
      this.node.rollback();
      this.lost.push(this.node);
      this.node = TransactionNode.begin();
      nodes.set(client, this.node);
    });
    transactor.commit = async (value) => {
      const answer = await commit(value);
      if (isRollback(answer)) this.node.rollback();
      await this.ended;
      return answer;
    };
    transactor.rollback = async (error) => {
      if (!transactor.isCompleted()) this.node.rollback();
      const answer = await rollback(error);
      await this.ended;
      return answer;
    };
    return this.node;
  }

  private async settle(): Promise<void> {
    for (const node of [...this.lost, this.node]) await node.settle();
    this.end();
  }
}

function adopt(transactor: Transactor): TransactionNode {
  const { parentTransaction } = transactor;
  if (parentTransaction === undefined) new WatchedRoot().adopt(transactor);
  else new WatchedSavepoint(nodes.get(parentTransaction.client) ?? adopt(parentTransaction)).enter(transactor);
  return nodes.get(transactor.client) as TransactionNode;
}

/** PostgreSQL's answer to the COMMIT of a transaction in which a query has failed. */
function isRollback(answer: unknown): boolean {
  return (answer as { response?: { command?: unknown } } | undefined)?.response?.command === 'ROLLBACK';
}

function unsupported(why: string): TypeError {
  return new TypeError(`tocsin cannot watch the transactions of this knex, for ${why}. Install knex 1, 2 or 3.`);
}
