import { type ClientSession, Mongoose } from 'mongoose';
import { signals } from '../../../src/mongoose.ts';
import { commits, type CommitSubject } from '../commits.ts';

/** With and without transactions of the adapter's own. */
function mongoose(atomic: boolean): CommitSubject<ClientSession, 'mongodb'> {
  return {
    orm: atomic ? 'Mongoose atomic' : 'Mongoose',
    engines: ['mongodb'],
    // MongoDB has none.
    savepoints: false,
    async open(_engine, { url }, maxPoolSize) {
      const instance = new Mongoose({ transactionAsyncLocalStorage: true });
      instance.plugin(signals({ atomic }));
      const schema = new instance.Schema({ _id: Number, id: Number, note: String }, { collection: 'items' });
      const Item = instance.model('Item', schema);
      await instance.connect(url, { maxPoolSize, serverSelectionTimeoutMS: 3_000 });
      const { connection } = instance;
      const inSession = (session: ClientSession | undefined) => (session === undefined ? {} : { session });
      const insert = (id: number, tx?: ClientSession) => new Item({ _id: id, id, note: 'new' }).save(inSession(tx));
      return {
        sender: Item,
        insert,
        ids: async () => (await Item.find()).map((item) => item.get('_id') as number),
        transaction: (run, tx) => {
          if (tx !== undefined) return run(tx);
          let attempts = 0;
          return connection.transaction((session) => {
            // The driver would go on for two minutes after an error that a step has swallowed.
            if (++attempts > 3) throw new Error('tried too often');
            return run(session);
          });
        },
        manual: async () => {
          const tx = await connection.startSession();
          tx.startTransaction();
          return {
            tx,
            commit: () => tx.commitTransaction(),
            rollback: () => tx.abortTransaction(),
            release: () => tx.endSession(),
          };
        },
        ambient: (run) => {
          let attempts = 0;
          return connection.transaction(() => {
            if (++attempts > 3) throw new Error('tried too often');
            return run();
          });
        },
        getOrCreate: async (id, session) =>
          (await Item.findOne({ id }, null, { session })) ?? (await insert(id, session)),
        execute: (sql, session) =>
          sql === 'select 1'
            ? Item.collection.findOne({}, { session })
            : Item.collection.aggregate([{ $noSuchStage: {} }], { session }).toArray(),
        close: () => instance.disconnect(),
      };
    },
  };
}

commits(mongoose(false));
commits(mongoose(true));
