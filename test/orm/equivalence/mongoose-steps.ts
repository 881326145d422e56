/** Steps of programs, which are data, and the calls of Mongoose that they mean. */
import mongoose, { type ClientSession, Query } from 'mongoose';
import { classOf } from './snapshot.ts';
import type { Name } from './mongoose-models.ts';
import { idOf, type World, withoutChance } from './mongoose-session.ts';

export type Call = readonly [method: string, ...args: unknown[]];
export type Step =
  /** A call on the model, and then on the query that it returns. */
  | { readonly on: Name; readonly call: Call; readonly then?: readonly Call[] }
  /** Calls on one document, found or made. `pets.0.set` is a method of what lies in it. */
  | { readonly document: Name; readonly made?: object; readonly found?: object; readonly calls: readonly Call[] }
  /** A call of the model with documents: those made, and those found and changed. */
  | {
      readonly documents: Name;
      readonly made: readonly object[];
      readonly found: object | null;
      readonly change: Call;
      readonly call: Call;
    }
  | { readonly transaction: readonly Step[]; readonly how: How; readonly end: 'return' | 'throw' };
export type How = 'connection.transaction()' | 'ambient' | 'withTransaction()' | 'by hand';

/** What the step comes to; an error with all that it tells. */
export async function perform(step: Step, world: World): Promise<unknown> {
  try {
    return await run(step, world, undefined, []);
  } catch (error) {
    // The programs end there.
    if (error instanceof Error && error.message.includes("refused (bulk: 'throw')")) throw error;
    return described(error);
  }
}

/** @param cutShort - gets what a step came to before an error of the server has ended it, with its transaction */
async function run(
  step: Step,
  world: World,
  session: ClientSession | undefined,
  cutShort: unknown[],
): Promise<unknown> {
  if ('transaction' in step) return session === undefined ? transaction(step, world) : 'is in one already';
  if ('on' in step) {
    const on = world.models[step.on];
    return resultOf(on, called(on, step.call, session), step.then ?? []);
  }
  const reading = { ...(session === undefined || session === AMBIENT ? {} : { session }), middleware: false };
  const model = world.models['document' in step ? step.document : step.documents];
  if ('document' in step) {
    const document: unknown =
      step.made === undefined
        ? await model.findOne(valueOf(step.found) as object, null, reading).sort({ _id: 1 })
        : new model(valueOf(step.made));
    if (typeof document !== 'object' || document === null) return 'no such document';
    const outcomes: unknown[] = [];
    const callOne = async ([path, ...args]: Call): Promise<unknown> => {
      const keys = path.split('.');
      const method = keys.pop() as string;
      const on = keys.reduce<unknown>((each, key) => (each as Record<string, unknown> | undefined)?.[key], document);
      return settled(() => resultOf(document, called(on as object, [method, ...args], session), []), session);
    };
    try {
      for (const call of step.calls) outcomes.push(await callOne(call));
    } catch (error) {
      cutShort.push(outcomes);
      throw error;
    }
    return [outcomes, document];
  }
  const found =
    step.found === null ? [] : await model.find(valueOf(step.found) as object, null, reading).sort({ _id: 1 });
  for (const each of found) called(each, step.change, undefined);
  const documents = [...found, ...step.made.map((values) => new model(valueOf(values)))];
  const [method, options] = step.call;
  const outcome = await settled(
    () => resultOf(model, called(model, [method, documents, options], session), []),
    session,
  );
  return [outcome, documents];
}

async function transaction(
  { transaction: steps, how, end }: Extract<Step, { transaction: unknown }>,
  world: World,
): Promise<unknown> {
  const outcomes: unknown[] = [];
  let attempts = 0;
  const body = async (session: ClientSession): Promise<string> => {
    // The driver would try for two minutes what the server has ended, and no call has failed for.
    if (++attempts > 2) throw new RangeError('tried too often');
    for (const step of steps) {
      const passed = how === 'ambient' ? AMBIENT : session;
      outcomes.push(await settled(() => run(step, world, passed, outcomes), how === 'by hand' ? undefined : session));
    }
    if (end === 'throw') throw new RangeError('thrown in the transaction');
    return 'returned';
  };
  const { connection } = world;
  if (how === 'ambient' || how === 'connection.transaction()') {
    return [await settled(() => connection.transaction(body)), outcomes];
  }
  const session = await connection.startSession();
  const tries: unknown[] = [];
  if (how === 'withTransaction()') tries.push(await settled(() => session.withTransaction(() => body(session))));
  else {
    session.startTransaction();
    tries.push(await settled(() => body(session)));
    tries.push(await settled(() => (end === 'throw' ? session.abortTransaction() : session.commitTransaction())));
  }
  await session.endSession();
  return [tries, outcomes];
}

/** In the place of a session: Mongoose passes its own on. */
const AMBIENT = {} as ClientSession;

/** Methods take their options last. */
const OPTIONS_AT: Readonly<Record<string, number>> = {
  ...{ create: 1, insertOne: 1, insertMany: 1, bulkWrite: 1, bulkSave: 1, save: 0, $save: 0, deleteMany: 1 },
  ...{ updateMany: 2, replaceOne: 2, findOneAndUpdate: 2, findOneAndReplace: 2, findByIdAndUpdate: 2 },
  ...{ find: 2, findOneAndDelete: 1, findByIdAndDelete: 1, updateOne: 2, deleteOne: 1 },
};

function called(on: object | undefined, [method, ...args]: Call, session: ClientSession | undefined): unknown {
  const given = args.map(valueOf);
  const isDocument = on !== undefined && '$__' in on;
  const at = (OPTIONS_AT[method] ?? NaN) - (isDocument && /^(update|delete|replace)One$/.test(method) ? 1 : 0);
  if (session !== undefined && at >= 0) {
    while (given.length < at) given.push(undefined);
    const options = (given[at] ?? {}) as { session?: unknown };
    // In a transaction, nothing may be outside of it, and nothing at once.
    delete options.session;
    given[at] = {
      ...options,
      ...(session === AMBIENT ? {} : { session }),
      ...(method === 'create' ? { ordered: true } : {}),
    };
    if (method === 'create' && !Array.isArray(given[0])) given[0] = [given[0]];
  }
  // What is not there is a TypeError of both.
  const result: unknown = Reflect.apply((on as Record<string, never>)[method] as never, on, given);
  return result;
}

async function resultOf(on: object, result: unknown, then: readonly Call[]): Promise<unknown> {
  if (result === on) return 'itself';
  let query: unknown = result;
  if (result instanceof Query) for (const call of then) query = called(query as object, call, undefined);
  return query;
}

/** What a promise comes to. With a transaction, an error of the server ends that as well. */
async function settled(work: () => Promise<unknown>, transaction?: ClientSession): Promise<unknown> {
  try {
    return { value: await work() };
  } catch (error) {
    if (transaction !== undefined && error instanceof mongoose.mongo.MongoError) throw error;
    return { error: described(error) };
  }
}

function described(error: unknown): object {
  if (!(error instanceof Error)) return { thrown: error };
  const { message, name, ...own } = error;
  return { error: classOf(error), name, message: withoutChance(message), own: { ...own } };
}

/** Values that JSON has not. */
function valueOf(argument: unknown): unknown {
  if (Array.isArray(argument)) return argument.map(valueOf);
  if (typeof argument !== 'object' || argument === null || '$__' in argument) return argument;
  const { oid, date, absent } = argument as { oid?: number; date?: string; absent?: true };
  if (oid !== undefined) return idOf(oid);
  if (date !== undefined) return new Date(date);
  if (absent !== undefined) return undefined;
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, valueOf(value)]));
}
