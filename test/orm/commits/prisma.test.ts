import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import { signals } from '../../../src/prisma.ts';
import { commits, type CommitSubject } from '../commits.ts';
import { PrismaClient as PostgresClient } from '../prisma/postgresql/client/client.ts';
import { PrismaClient } from '../prisma/sqlite/client/client.ts';

type Tx = Omit<PrismaClient, '$connect' | '$disconnect' | '$on' | '$use' | '$extends'>;

const PATIENT = { maxWait: 20_000, timeout: 20_000 };

const prisma: CommitSubject<Tx> = {
  orm: 'Prisma',
  engines: ['sqlite', 'postgres'],
  open(engine, { url }, max) {
    const client =
      engine === 'sqlite'
        ? new PrismaClient({ adapter: new PrismaLibSql({ url: `file:${url}` }), transactionOptions: PATIENT })
        : new PostgresClient({
            adapter: new PrismaPg({ connectionString: url, max }, { onPoolError: () => undefined }),
            transactionOptions: PATIENT,
          });
    const database = client.$extends(signals()) as unknown as PrismaClient;
    return Promise.resolve({
      sender: 'Item',
      insert: (id, tx = database) => tx.item.create({ data: { id, note: 'new' } }),
      ids: async () => (await database.item.findMany({ select: { id: true } })).map(({ id }) => id),
      transaction: (run, tx = database) => tx.$transaction((inner) => run(inner as Tx)),
      getOrCreate: (id, tx) => tx.item.upsert({ where: { id }, create: { id, note: 'new' }, update: {} }),
      // Only the text of the statement is given, so that there is nothing to be afraid of.
      execute: (sql, tx) => tx.$queryRawUnsafe(sql),
      close: () => database.$disconnect(),
    });
  },
};

commits(prisma);
