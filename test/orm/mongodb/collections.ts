/** Documents in memory, with unique indexes and transactions: each sees a snapshot, and what it has written itself. */
import { BSON } from 'bson';
import { Query } from 'mingo';

export type Document = Record<string, unknown>;

/** Documents by the text of their id, by collection. */
type Documents = Map<string, Map<string, Document>>;

interface Write {
  readonly collection: string;
  readonly id: string;
  readonly after: Document | undefined;
}

export interface Transaction {
  readonly snapshot: Documents;
  readonly writes: Map<string, Write>;
  readonly ended: Promise<void>;
  end(): void;
}

interface Index {
  readonly name: string;
  readonly key: Readonly<Record<string, unknown>>;
  readonly unique?: boolean;
  readonly sparse?: boolean;
  readonly partialFilterExpression?: Document;
}

export class Collections {
  private committed: Documents = new Map();
  private readonly indexes = new Map<string, Index[]>();
  private readonly transactions = new Map<string, Transaction>();
  /** A driver that did not hear of a commit sends it again. */
  private readonly wereCommitted = new Set<string>();

  clear(): void {
    for (const session of [...this.transactions.keys()]) this.abort(session);
    this.committed = new Map();
    this.indexes.clear();
  }

  drop(collection: string): void {
    this.committed.delete(collection);
    this.indexes.delete(collection);
  }

  createIndexes(collection: string, indexes: readonly Index[]): void {
    const known = this.indexes.get(collection) ?? [];
    this.indexes.set(collection, [
      ...known,
      ...indexes.filter(({ name }) => known.every((each) => each.name !== name)),
    ]);
  }

  /** What a transaction sees, or who is in none. */
  documents(collection: string, transaction: Transaction | undefined): Map<string, Document> {
    const documents = transaction?.snapshot ?? this.committed;
    let found = documents.get(collection);
    if (found === undefined) documents.set(collection, (found = new Map<string, Document>()));
    return found;
  }

  transaction(session: string, starts: boolean): Transaction {
    if (starts) {
      // As the driver does for two operations at once, of which neither has been answered.
      if (this.transactions.has(session)) throw alreadyStarted();
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      const snapshot = new Map([...this.committed].map(([name, documents]) => [name, new Map(documents)]));
      this.transactions.set(session, { snapshot, writes: new Map(), ended, end });
    }
    const transaction = this.transactions.get(session);
    if (transaction === undefined) throw noSuchTransaction();
    return transaction;
  }

  /** Nobody has changed what it has written: they wait, or have failed. */
  commit(session: string): void {
    const transaction = this.transactions.get(session);
    if (transaction === undefined) {
      if (this.wereCommitted.has(session)) return;
      throw noSuchTransaction();
    }
    for (const { collection, id, after } of transaction.writes.values()) {
      const documents = this.documents(collection, undefined);
      if (after === undefined) documents.delete(id);
      else documents.set(id, after);
    }
    this.wereCommitted.add(session);
    this.abort(session);
  }

  abort(session: string): void {
    const transaction = this.transactions.get(session);
    this.transactions.delete(session);
    transaction?.end();
  }

  /** A session has ended, perhaps in the middle of a transaction. */
  abortAllOf(lsid: string): void {
    for (const session of [...this.transactions.keys()]) if (session.startsWith(`${lsid} `)) this.abort(session);
  }

  /**
   * Insert, replace or delete a document. A write that meets one of a transaction that is still open waits for its end,
   * if it is in none itself: then the promise is answered, and nothing is done. In a transaction it fails.
   */
  tryWrite(
    collection: string,
    transaction: Transaction | undefined,
    before: Document | undefined,
    after: Document | undefined,
  ): Promise<void> | undefined {
    const id = idOf((after ?? before)?._id);
    for (const other of this.transactions.values()) {
      if (other === transaction) continue;
      const meets = [...other.writes.values()].some(
        (write) =>
          write.collection === collection &&
          (write.id === id || this.clashing(collection, write.after, after) !== undefined),
      );
      if (!meets) continue;
      if (transaction === undefined) return other.ended;
      throw writeConflict();
    }
    const key = `${collection} ${id}`;
    const seen = this.documents(collection, transaction);
    if (transaction !== undefined) {
      const now = this.documents(collection, undefined);
      if (!transaction.writes.has(key) && now.get(id) !== seen.get(id)) throw writeConflict();
    }
    if (before === undefined && seen.has(id)) throw duplicate(collection, { name: '_id_', key: { _id: 1 } }, after);
    for (const [otherId, other] of after === undefined ? [] : seen) {
      const index = otherId === id ? undefined : this.clashing(collection, other, after);
      if (index !== undefined) throw duplicate(collection, index, after);
    }
    transaction?.writes.set(key, { collection, id, after });
    if (after === undefined) seen.delete(id);
    else seen.set(id, after);
    return undefined;
  }

  /** The unique index that has no place for both. */
  private clashing(collection: string, one: Document | undefined, other: Document | undefined): Index | undefined {
    if (one === undefined || other === undefined) return undefined;
    return this.indexes.get(collection)?.find((index) => {
      if (index.unique !== true) return false;
      const { partialFilterExpression: only, sparse } = index;
      const holds = (document: Document): boolean =>
        (only === undefined || new Query(only, {}).test(document)) &&
        (sparse !== true || Object.keys(index.key).some((path) => valueAt(document, path) !== undefined));
      return holds(one) && holds(other) && textOf(keysOf(index, one)) === textOf(keysOf(index, other));
    });
  }
}

export function idOf(id: unknown): string {
  return textOf({ id });
}

/** An error that the server answers with. */
export function failure(code: number, message: string, more: object = {}): Error {
  return Object.assign(new Error(message), { code, ...more });
}

function textOf(value: unknown): string {
  return BSON.EJSON.stringify(value);
}

function keysOf({ key }: Index, document: Document): Document {
  return Object.fromEntries(Object.keys(key).map((path) => [path, valueAt(document, path) ?? null]));
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((each, key) => (each as Document | null | undefined)?.[key], value);
}

function duplicate(collection: string, index: Index, document: Document | undefined): Error {
  const keyValue = keysOf(index, document ?? {});
  const shown = Object.entries(keyValue).map(([path, value]) => `${path}: ${textOf(value)}`);
  return failure(
    11_000,
    `E11000 duplicate key error collection: test.${collection} index: ${index.name} dup key: { ${shown.join(', ')} }`,
    { keyPattern: index.key, keyValue },
  );
}

function writeConflict(): Error {
  return failure(112, 'Caused by :: Write conflict during plan execution and yielding is disabled.', {
    errorLabels: ['TransientTransactionError'],
  });
}

export const ALREADY_STARTED = 50_911;

function alreadyStarted(): Error {
  return failure(
    ALREADY_STARTED,
    'Cannot start a transaction at given transaction number: a transaction with the same number is in progress.',
  );
}

function noSuchTransaction(): Error {
  return failure(251, 'Given transaction number does not match any in-progress transactions.', {
    errorLabels: ['TransientTransactionError'],
  });
}
