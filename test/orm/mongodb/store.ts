/** What a MongoDB server does with commands, of which it knows those that a driver sends for an app. */
import { BSON } from 'bson';
import { aggregate, Query } from 'mingo';
import { ALREADY_STARTED, Collections, type Document, failure, idOf, type Transaction } from './collections.ts';
import { changed, insertedBy, isSame } from './updates.ts';

export type { Document } from './collections.ts';
export type Command = Document & {
  $db?: string;
  lsid?: { id: unknown };
  txnNumber?: unknown;
  autocommit?: boolean;
  startTransaction?: boolean;
};

interface Update {
  readonly q: Document;
  readonly u: Document | Document[];
  readonly multi?: boolean;
  readonly upsert?: boolean;
  readonly arrayFilters?: Document[];
  readonly collation?: Document | undefined;
}

interface Filter {
  readonly q: Document;
  readonly sort?: Record<string, 1 | -1> | undefined;
  readonly collation?: Document | undefined;
}

interface FindCommand {
  readonly sort?: Record<string, 1 | -1>;
  readonly limit?: number;
  readonly skip?: number;
  readonly batchSize?: number;
  readonly projection?: Document;
}

export class Store {
  private readonly collections = new Collections();
  private readonly cursors = new Map<string, Document[]>();

  clear(): void {
    this.collections.clear();
    this.cursors.clear();
  }

  async run(command: Command, address: string): Promise<Document> {
    const [name = ''] = Object.keys(command);
    try {
      return { ...(await this.execute(name, command, address)), ok: 1 };
    } catch (error) {
      const { message, code = 1, errorLabels } = error as Error & { code?: number; errorLabels?: string[] };
      // a transaction does not survive an error in it; to start it once more is none in it
      if (command.autocommit === false && code !== ALREADY_STARTED) this.collections.abort(sessionOf(command));
      return { ok: 0, errmsg: message, code, ...(errorLabels === undefined ? {} : { errorLabels }) };
    }
  }

  private execute(name: string, command: Command, address: string): Document | Promise<Document> {
    if (name === 'commitTransaction') {
      this.collections.commit(sessionOf(command));
      return {};
    }
    if (name === 'abortTransaction') {
      this.collections.abort(sessionOf(command));
      return {};
    }
    const transaction =
      command.autocommit === false
        ? this.collections.transaction(sessionOf(command), command.startTransaction === true)
        : undefined;
    const collection = String(command[name]);
    const namespace = `${String(command.$db)}.${collection}`;
    const all = (): Document[] => [...this.collections.documents(collection, transaction).values()];
    switch (name) {
      case 'hello':
      case 'isMaster':
      case 'ismaster':
        return hello(address);
      case 'insert':
        return this.statements(command, command.documents as Document[], transaction, async (document) => {
          await this.insert(collection, transaction, document);
          return { n: 1 };
        });
      case 'update':
        return this.statements(command, command.updates as Update[], transaction, (each) =>
          this.update(collection, transaction, each),
        );
      case 'delete':
        return this.statements(
          command,
          command.deletes as { q: Document; limit: number; collation?: Document }[],
          transaction,
          async ({ q, limit, collation }) => {
            const done = await this.writeFound(collection, transaction, { q, collation }, limit === 1, () => undefined);
            return { n: done.length };
          },
        );
      case 'findAndModify':
        return this.findAndModify(collection, transaction, command);
      case 'find': {
        const { sort, limit = 0, skip = 0, batchSize, projection } = command as FindCommand;
        let found = new Query(command.filter ?? {}, optionsOf(command)).find<Document>(all(), projection ?? {});
        if (sort !== undefined && Object.keys(sort).length > 0) found = found.sort(sort);
        const rows = found.all().slice(skip, limit === 0 ? undefined : skip + Math.abs(limit));
        return this.cursor(namespace, rows, command.singleBatch === true ? undefined : batchSize);
      }
      case 'aggregate': {
        const { pipeline, cursor } = command as { pipeline?: Document[]; cursor?: { batchSize?: number } };
        return this.cursor(namespace, aggregate(all(), pipeline ?? [], optionsOf(command)), cursor?.batchSize);
      }
      case 'count':
        return { n: aggregate(all(), [{ $match: command.query ?? {} }]).length };
      case 'distinct': {
        const [group] = aggregate(all(), [
          { $match: command.query ?? {} },
          { $unwind: { path: `$${String(command.key)}` } },
          { $group: { _id: null, values: { $addToSet: `$${String(command.key)}` } } },
        ]);
        return { values: group?.values ?? [] };
      }
      case 'getMore': {
        const id = String(command.getMore);
        const rows = this.cursors.get(id);
        if (rows === undefined) throw failure(43, `cursor id ${id} not found`);
        this.cursors.delete(id);
        const { cursor } = this.cursor(
          `${String(command.$db)}.${String(command.collection)}`,
          rows,
          command.batchSize as number | undefined,
        );
        const { firstBatch, ...rest } = cursor as Document;
        return { cursor: { ...rest, nextBatch: firstBatch } };
      }
      case 'createIndexes':
        this.collections.createIndexes(collection, command.indexes as never);
        return {};
      case 'drop':
        this.collections.drop(collection);
        return {};
      case 'dropDatabase':
        this.clear();
        return {};
      case 'endSessions':
        for (const lsid of command.endSessions as { id: unknown }[]) this.collections.abortAllOf(textOf(lsid));
        return {};
      case 'ping':
      case 'create':
      case 'killCursors':
        return {};
      default:
        throw failure(59, `no such command: '${name}'`);
    }
  }

  /** The statements of one command: the first error ends an ordered one, and every one a transaction. */
  private async statements<T>(
    command: Command,
    statements: readonly T[],
    transaction: Transaction | undefined,
    run: (statement: T) => Promise<{ n: number; nModified?: number; upserted?: unknown }>,
  ): Promise<Document> {
    let [n, nModified] = [0, 0];
    const upserted: Document[] = [];
    const writeErrors: Document[] = [];
    for (const [index, statement] of statements.entries()) {
      try {
        const done = await run(statement);
        n += done.n;
        nModified += done.nModified ?? 0;
        if ('upserted' in done) upserted.push({ index, _id: done.upserted });
      } catch (error) {
        const { message, code, errorLabels, ...more } = error as Error & { code?: number; errorLabels?: string[] };
        // The driver is to try the whole transaction again.
        if (errorLabels !== undefined) throw error;
        writeErrors.push({ index, code: code ?? 9, errmsg: message, ...more });
        if (transaction !== undefined) this.collections.abort(sessionOf(command));
        if (transaction !== undefined || command.ordered !== false) break;
      }
    }
    return {
      n,
      ...('updates' in command ? { nModified } : {}),
      ...(upserted.length > 0 ? { upserted } : {}),
      ...(writeErrors.length > 0 ? { writeErrors } : {}),
    };
  }

  private async update(
    collection: string,
    transaction: Transaction | undefined,
    { q, u, multi, upsert, arrayFilters, collation }: Update,
  ): Promise<{ n: number; nModified: number; upserted?: unknown }> {
    const change = { update: u, filter: q, arrayFilters };
    const done = await this.writeFound(collection, transaction, { q, collation }, multi !== true, (document) =>
      changed(document, change),
    );
    if (done.length > 0 || upsert !== true) {
      return { n: done.length, nModified: done.filter(({ before, after }) => !isSame(before, after)).length };
    }
    const made = insertedBy(change);
    await this.insert(collection, transaction, made);
    return { n: 1, nModified: 0, upserted: made._id };
  }

  private async findAndModify(
    collection: string,
    transaction: Transaction | undefined,
    command: Command,
  ): Promise<Document> {
    const {
      query: q = {},
      sort,
      upsert,
      fields,
      collation,
    } = command as Omit<Filter, 'q'> & {
      query?: Document;
      upsert?: boolean;
      fields?: Document;
    };
    const change = {
      update: command.update as Document,
      filter: q,
      arrayFilters: command.arrayFilters as Document[] | undefined,
    };
    const shown = (document: Document | undefined): unknown => {
      if (document === undefined || fields === undefined) return document ?? null;
      return new Query({}, {}).find([document], fields).all()[0];
    };
    const after = (document: Document): Document | undefined =>
      command.remove === true ? undefined : changed(document, change);
    const [done] = await this.writeFound(collection, transaction, { q, collation, sort }, true, after);
    if (done !== undefined) {
      return {
        value: shown(command.new === true ? done.after : done.before),
        lastErrorObject: { n: 1, ...(command.remove === true ? {} : { updatedExisting: true }) },
      };
    }
    if (upsert !== true) {
      return { value: null, lastErrorObject: { n: 0, ...(command.remove === true ? {} : { updatedExisting: false }) } };
    }
    const made = insertedBy(change);
    await this.insert(collection, transaction, made);
    return {
      value: command.new === true ? shown(made) : null,
      lastErrorObject: { n: 1, updatedExisting: false, upserted: made._id },
    };
  }

  private async insert(collection: string, transaction: Transaction | undefined, document: Document): Promise<void> {
    // The server puts the id first.
    const stored = '_id' in document ? { _id: document._id, ...document } : { _id: new BSON.ObjectId(), ...document };
    for (;;) {
      const waiting = this.collections.tryWrite(collection, transaction, undefined, stored);
      if (waiting === undefined) return;
      await waiting;
    }
  }

  /** Write what the filter finds. Whoever had to wait for a transaction looks once more. */
  private async writeFound(
    collection: string,
    transaction: Transaction | undefined,
    filter: Filter,
    one: boolean,
    after: (document: Document) => Document | undefined,
  ): Promise<{ before: Document; after: Document | undefined }[]> {
    const done: { before: Document; after: Document | undefined }[] = [];
    const seen = new Set<unknown>();
    for (;;) {
      const documents = [...this.collections.documents(collection, transaction).values()];
      let found = new Query(filter.q, optionsOf(filter)).find<Document>(documents);
      if (filter.sort !== undefined) found = found.sort(filter.sort);
      const next = found.all().find(({ _id }) => !seen.has(idOf(_id)));
      if (next === undefined) return done;
      const changedTo = after(next);
      const waiting = this.collections.tryWrite(collection, transaction, next, changedTo);
      if (waiting !== undefined) {
        await waiting;
        continue;
      }
      seen.add(idOf(next._id));
      done.push({ before: next, after: changedTo });
      if (one) return done;
    }
  }

  private cursor(ns: string, rows: Document[], batchSize: number | undefined): Document {
    if (batchSize === undefined || batchSize === 0 || rows.length <= batchSize)
      return { cursor: { id: BSON.Long.ZERO, ns, firstBatch: rows } };
    const id = BSON.Long.fromNumber(this.cursors.size + 1);
    this.cursors.set(String(id), rows.slice(batchSize));
    return { cursor: { id, ns, firstBatch: rows.slice(0, batchSize) } };
  }
}

function hello(address: string): Document {
  return {
    helloOk: true,
    isWritablePrimary: true,
    ismaster: true,
    setName: 'rs',
    setVersion: 1,
    hosts: [address],
    primary: address,
    me: address,
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion: 25,
    readOnly: false,
  };
}

function optionsOf(command: object): object {
  const { collation } = command as { collation?: Document };
  return collation === undefined ? {} : { collation };
}

function textOf(value: unknown): string {
  return BSON.EJSON.stringify(value);
}

/** A transaction, by its session and number. */
function sessionOf({ lsid, txnNumber }: Command): string {
  return `${textOf(lsid)} ${textOf(txnNumber)}`;
}
