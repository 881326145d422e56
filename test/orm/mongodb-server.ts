import { BSON } from 'bson';
import { Query } from 'mingo';
import { update } from 'mingo/updater';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * A server that speaks MongoDB's wire protocol on loopback, for the real driver and the real Mongoose to talk to where
 * there is no mongod: documents in memory, queries and updates by mingo, transactions with snapshot isolation and write
 * conflicts. It proves the adapter, not MongoDB: run the suite with MONGODB_URL against a mongod as well.
 */
export async function startServer(): Promise<{ url: string; clear(): void; close(): Promise<void> }> {
  const store = new Store();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => sockets.delete(socket));
    serve(socket, (command) => store.run(command, `127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/test?replicaSet=rs`,
    clear: () => {
      store.clear();
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => {
          resolve();
        });
      }),
  };
}

type Document = Record<string, unknown>;
type Command = Document & {
  $db?: string;
  lsid?: { id: unknown };
  txnNumber?: unknown;
  autocommit?: boolean;
  startTransaction?: boolean;
};

const OP_MSG = 2013;
const OP_QUERY = 2004;
const OP_REPLY = 1;

/** Cut the stream into messages, answer each in turn. */
function serve(socket: Socket, run: (command: Command) => Document): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
      const message = pending.subarray(0, pending.readInt32LE(0));
      pending = pending.subarray(message.length);
      socket.write(answer(message, run));
    }
  });
}

function answer(message: Buffer, run: (command: Command) => Document): Buffer {
  const requestId = message.readInt32LE(4);
  if (message.readInt32LE(12) === OP_QUERY) {
    // the first hello of a connection: flags, collection name, two numbers, then the command
    const command = BSON.deserialize(message.subarray(message.indexOf(0, 20) + 9)) as Command;
    const head = Buffer.alloc(20);
    head.writeInt32LE(1, 16);
    return framed(OP_REPLY, requestId, Buffer.concat([head, BSON.serialize(run(command))]));
  }
  return framed(OP_MSG, requestId, Buffer.concat([Buffer.alloc(5), BSON.serialize(run(commandOf(message)))]));
}

/** The command of an OP_MSG: a body, and sections that hold its long arrays. */
function commandOf(message: Buffer): Command {
  const command: Command = {};
  for (let at = 20; at < message.length;) {
    const kind = message[at++];
    const size = message.readInt32LE(at);
    if (kind === 0) {
      Object.assign(command, BSON.deserialize(message.subarray(at, at + size), { promoteValues: true }));
    } else {
      const nameEnd = message.indexOf(0, at + 4);
      const documents: Document[] = [];
      for (let each = nameEnd + 1; each < at + size; each += message.readInt32LE(each)) {
        documents.push(BSON.deserialize(message.subarray(each, each + message.readInt32LE(each))));
      }
      command[message.toString('utf8', at + 4, nameEnd)] = documents;
    }
    at += size;
  }
  return command;
}

function framed(opCode: number, responseTo: number, body: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(16 + body.length, 0);
  header.writeInt32LE(responseTo, 8);
  header.writeInt32LE(opCode, 12);
  return Buffer.concat([header, body]);
}

/** Documents by the text of their id, by collection. */
type Collections = Map<string, Map<string, Document>>;

interface Transaction {
  readonly snapshot: Collections;
  /** What it has written: the document before and after. */
  readonly writes: Map<
    string,
    { collection: string; id: string; before: Document | undefined; after: Document | undefined }
  >;
}

class Store {
  private collections: Collections = new Map();
  private readonly transactions = new Map<string, Transaction>();

  clear(): void {
    this.collections = new Map();
    this.transactions.clear();
  }

  run(command: Command, address: string): Document {
    const [name = ''] = Object.keys(command);
    try {
      return { ...this.execute(name, command, address), ok: 1 };
    } catch (error) {
      const { message, code = 1, errorLabels } = error as Error & { code?: number; errorLabels?: string[] };
      // a transaction does not survive an error in it
      if (command.autocommit === false) this.transactions.delete(sessionOf(command));
      return { ok: 0, errmsg: message, code, ...(errorLabels === undefined ? {} : { errorLabels }) };
    }
  }

  private execute(name: string, command: Command, address: string): Document {
    const transaction = this.transactionOf(name, command);
    const collection = String(command[name]);
    const find = (filter: unknown): Document[] =>
      [...this.documents(collection, transaction).values()].filter((each) => new Query(filter as Document).test(each));
    const write = (before: Document | undefined, after: Document | undefined): void => {
      this.write(collection, transaction, before, after);
    };
    switch (name) {
      case 'hello':
      case 'isMaster':
      case 'ismaster':
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
      case 'insert': {
        let n = 0;
        const writeErrors: Document[] = [];
        for (const [index, document] of (command.documents as Document[]).entries()) {
          if (this.documents(collection, transaction).has(keyOf(document._id))) {
            const errmsg = `E11000 duplicate key error collection: ${collection}`;
            if (transaction !== undefined) throw Object.assign(new Error(errmsg), { code: 11_000 });
            writeErrors.push({ index, code: 11_000, errmsg });
            if (command.ordered !== false) break;
            continue;
          }
          write(undefined, document);
          n++;
        }
        return { n, ...(writeErrors.length > 0 ? { writeErrors } : {}) };
      }
      case 'update': {
        let [n, nModified] = [0, 0];
        const upserted: Document[] = [];
        for (const [index, { q, u, multi, upsert }] of (
          command.updates as { q: Document; u: Document; multi?: boolean; upsert?: boolean }[]
        ).entries()) {
          const found = find(q);
          if (found.length === 0 && upsert === true) {
            const made = changed({ ...q, _id: q._id ?? new BSON.ObjectId() }, u, true);
            write(undefined, made);
            upserted.push({ index, _id: made._id });
            n++;
          }
          for (const document of multi === true ? found : found.slice(0, 1)) {
            const after = changed(document, u, false);
            n++;
            if (!BSON.serialize(after).every((byte, at) => byte === BSON.serialize(document)[at])) nModified++;
            write(document, after);
          }
        }
        return { n, nModified, ...(upserted.length > 0 ? { upserted } : {}) };
      }
      case 'delete': {
        let n = 0;
        for (const { q, limit } of command.deletes as { q: Document; limit: number }[]) {
          for (const document of limit === 1 ? find(q).slice(0, 1) : find(q)) {
            write(document, undefined);
            n++;
          }
        }
        return { n };
      }
      case 'findAndModify': {
        const { sort, upsert } = command as { sort?: Record<string, number>; upsert?: boolean };
        const matching = new Query(command.query ?? {}).find<Document>([
          ...this.documents(collection, transaction).values(),
        ]);
        const [document] = (sort === undefined ? matching : matching.sort(sort)).all();
        if (document === undefined && upsert === true) {
          const query = command.query as Document;
          const made = changed({ ...query, _id: query._id ?? new BSON.ObjectId() }, command.update as Document, true);
          write(undefined, made);
          const lastErrorObject = { n: 1, updatedExisting: false, upserted: made._id };
          return { value: command.new === true ? made : null, lastErrorObject };
        }
        if (document === undefined) return { value: null, lastErrorObject: { n: 0, updatedExisting: false } };
        const after = command.remove === true ? undefined : changed(document, command.update as Document, false);
        write(document, after);
        return {
          value: command.new === true ? after : document,
          lastErrorObject: { n: 1, updatedExisting: after !== undefined },
        };
      }
      case 'find': {
        const { sort = {}, limit = 0 } = command as { sort?: Record<string, number>; limit?: number };
        const matching = new Query(command.filter ?? {}).find<Document>([
          ...this.documents(collection, transaction).values(),
        ]);
        const found = (Object.keys(sort).length > 0 ? matching.sort(sort) : matching).all();
        return cursor(`${String(command.$db)}.${collection}`, limit > 0 ? found.slice(0, limit) : found);
      }
      case 'aggregate': {
        // countDocuments() is the only pipeline that the suite sends
        const [stage] = command.pipeline as { $match?: Document }[];
        const n = find(stage?.$match ?? {}).length;
        return cursor(`${String(command.$db)}.${collection}`, n === 0 ? [] : [{ _id: 1, n }]);
      }
      case 'commitTransaction':
        this.commit(command);
        return {};
      case 'abortTransaction':
        this.transactions.delete(sessionOf(command));
        return {};
      default:
        // ping, endSessions, create, createIndexes, drop, killCursors
        if (name === 'drop') this.collections.delete(collection);
        return {};
    }
  }

  private transactionOf(name: string, command: Command): Transaction | undefined {
    if (command.autocommit !== false || name.endsWith('Transaction')) return undefined;
    const session = sessionOf(command);
    if (command.startTransaction === true) {
      const snapshot = new Map(
        [...this.collections].map(([collection, documents]) => [collection, new Map(documents)]),
      );
      this.transactions.set(session, { snapshot, writes: new Map() });
    }
    const transaction = this.transactions.get(session);
    if (transaction === undefined) throw noSuchTransaction();
    return transaction;
  }

  private documents(collection: string, transaction: Transaction | undefined): Map<string, Document> {
    const collections = transaction?.snapshot ?? this.collections;
    let documents = collections.get(collection);
    if (documents === undefined) collections.set(collection, (documents = new Map<string, Document>()));
    return documents;
  }

  private write(
    collection: string,
    transaction: Transaction | undefined,
    before: Document | undefined,
    after: Document | undefined,
  ): void {
    const id = keyOf((after ?? before)?._id);
    if (transaction !== undefined) {
      const first = transaction.writes.get(`${collection} ${id}`);
      transaction.writes.set(`${collection} ${id}`, {
        collection,
        id,
        before: first === undefined ? before : first.before,
        after,
      });
    }
    const documents = this.documents(collection, transaction);
    if (after === undefined) documents.delete(id);
    else documents.set(id, after);
  }

  /** Nobody may have changed meanwhile what the transaction has written. */
  private commit(command: Command): void {
    const session = sessionOf(command);
    const transaction = this.transactions.get(session);
    if (transaction === undefined) throw noSuchTransaction();
    const writes = [...transaction.writes.values()];
    this.transactions.delete(session);
    for (const { collection, id, before } of writes) {
      if (this.documents(collection, undefined).get(id) !== before) {
        throw Object.assign(new Error('WriteConflict'), { code: 112, errorLabels: ['TransientTransactionError'] });
      }
    }
    for (const { collection, before, after } of writes) this.write(collection, undefined, before, after);
  }
}

function changed(document: Document, change: Document, inserting: boolean): Document {
  const copy = BSON.deserialize(BSON.serialize(document));
  if (!Object.keys(change)[0]?.startsWith('$')) return { _id: document._id, ...change };
  const { $setOnInsert, ...operators } = change;
  if (inserting && $setOnInsert !== undefined) Object.assign(copy, $setOnInsert);
  for (const [operator, fields] of Object.entries(operators)) {
    if (Object.keys(fields as object).length > 0) update(copy as never, { [operator]: fields });
  }
  return copy;
}

function noSuchTransaction(): Error {
  return Object.assign(new Error('Given transaction number does not match any in-progress transactions.'), {
    code: 251,
    errorLabels: ['TransientTransactionError'],
  });
}

function cursor(ns: string, firstBatch: Document[]): Document {
  return { cursor: { id: BSON.Long.ZERO, ns, firstBatch } };
}

function keyOf(id: unknown): string {
  return BSON.EJSON.stringify({ id });
}

function sessionOf({ lsid, txnNumber }: Command): string {
  return BSON.EJSON.stringify({ lsid, txnNumber });
}
