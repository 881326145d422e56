import { BSON } from 'bson';
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { type Command, type Document, Store } from './mongodb/store.ts';

/**
 * A server that speaks MongoDB's wire protocol on loopback, for the real driver and the real Mongoose to talk to where
 * there is no mongod: documents in memory, unique indexes, queries, updates and pipelines by mingo, transactions with
 * snapshot isolation and write conflicts. It proves the adapter, not MongoDB: run the suite with MONGODB_URL against a
 * mongod as well.
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

const OP_MSG = 2013;
const OP_QUERY = 2004;
const OP_REPLY = 1;
const MORE_TO_COME = 2;

/** Cut the stream into messages, answer each in turn. */
function serve(socket: Socket, run: (command: Command) => Promise<Document>): void {
  let pending = Buffer.alloc(0);
  let turn = Promise.resolve();
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
      const message = pending.subarray(0, pending.readInt32LE(0));
      pending = pending.subarray(message.length);
      turn = turn.then(async () => {
        const reply = await answer(message, run);
        if (reply !== undefined && !socket.destroyed) socket.write(reply);
      });
    }
  });
}

async function answer(message: Buffer, run: (command: Command) => Promise<Document>): Promise<Buffer | undefined> {
  const requestId = message.readInt32LE(4);
  if (message.readInt32LE(12) === OP_QUERY) {
    // the first hello of a connection: flags, collection name, two numbers, then the command
    const command = BSON.deserialize(message.subarray(message.indexOf(0, 20) + 9)) as Command;
    const head = Buffer.alloc(20);
    head.writeInt32LE(1, 16);
    return framed(OP_REPLY, requestId, Buffer.concat([head, BSON.serialize(await run(command))]));
  }
  const reply = await run(commandOf(message));
  // Nobody waits for the answer to a write that is not acknowledged.
  if ((message.readInt32LE(16) & MORE_TO_COME) !== 0) return undefined;
  return framed(OP_MSG, requestId, Buffer.concat([Buffer.alloc(5), BSON.serialize(reply)]));
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
