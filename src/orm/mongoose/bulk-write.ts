import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { type AnyModel, hearsSaves, type MongooseAdapter } from './adapter.ts';
import { skipsHooks, type WriteOptions } from './write-options.ts';
import { currentBulkSave, runBulkSave } from './calls.ts';
import { inTransaction } from './in-transaction.ts';
import { sessionIn } from './sessions.ts';
import { isAboutToBeSaved } from './tracked.ts';

type Operation = PostBulkArgs['operation'];
interface BulkOptions extends WriteOptions {
  /** What `bulkSave()` passes to its `bulkWrite()`. */
  readonly _skipCastBulkWrite?: boolean;
}
type Work = (options: BulkOptions | undefined) => Promise<unknown>;

/** `Model.bulkWrite()`: a signal for each kind of operation in it. */
export async function announceBulkWrite(
  adapter: MongooseAdapter,
  model: AnyModel,
  operations: unknown,
  options: BulkOptions | undefined,
  write: Work,
): Promise<unknown> {
  const ofBulkSave = options?._skipCastBulkWrite === true && currentBulkSave() !== undefined;
  if (!adapter.active || ofBulkSave) return write(options);
  const session = sessionIn(options?.session, options, model.base);
  adapter.checkOutside(model, session, 'bulkWrite()');
  for (const operation of operationsOf(operations))
    adapter.bulk.announce(operation, model, 'Use save() on documents, or listen to postBulk.');
  if (!postBulk.hasListeners(model)) return write(options);
  const context = adapter.context(model, session);
  const result = await write(options);
  for (const [operation, count] of countsOf(result)) {
    if (count === undefined || count === 0) continue;
    await adapter.send(postBulk, model, context, { operation, where: undefined, values: undefined, count });
  }
  return result;
}

/** `Model.bulkSave()` runs the hooks of each document, and sends what they send. */
export function saveEach(
  adapter: MongooseAdapter,
  model: AnyModel,
  documents: unknown,
  options: BulkOptions | undefined,
  save: Work,
): Promise<unknown> {
  if (!adapter.active || !Array.isArray(documents)) return save(options);
  const session = sessionIn(options?.session, options, model.base);
  const isOpen = session !== undefined || options?.session === null;
  // `ordered: false` wants what can be written, and a transaction would undo it.
  const wantsPart = options?.ordered === false;
  if (!adapter.options.atomic || isOpen || wantsPart || skipsHooks(options) || !hearsSaves(model))
    return runBulkSave(documents, options, () => save(options));
  return inTransaction(model, documents, (own) => {
    const inside = { ...options, session: own };
    if (adapter.isGlobal) for (const each of documents as unknown[]) isAboutToBeSaved(model.base, own, each);
    return runBulkSave(documents, inside, () => save(inside));
  });
}

/** The kinds of operations, as their signals call them. */
function operationsOf(operations: unknown): ReadonlySet<Operation> {
  const kinds = new Set<Operation>();
  for (const each of Array.isArray(operations) ? (operations as unknown[]) : []) {
    for (const [name, { upsert } = {}] of Object.entries(Object(each) as Record<string, { upsert?: unknown }>)) {
      if (name === 'insertOne') kinds.add('insert');
      else if (name.startsWith('delete')) kinds.add('delete');
      else kinds.add(upsert === true ? 'upsert' : 'update');
    }
  }
  return kinds;
}

function countsOf(result: unknown): readonly (readonly [Operation, number | undefined])[] {
  const counts = Object(result) as Readonly<Record<string, number | undefined>>;
  return [
    ['insert', counts.insertedCount],
    ['update', counts.modifiedCount],
    ['delete', counts.deletedCount],
    ['upsert', counts.upsertedCount],
  ];
}
