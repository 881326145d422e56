/** Mongoose's write API, for the equivalence suite. */
import fc from 'fast-check';
import mongoose, { Connection, Document, Model, Mongoose, Query, Schema, SchemaType } from 'mongoose';
import type { Subject } from '../equivalence.ts';
import { openMongoose, withoutChance } from './mongoose-session.ts';
import type { Name } from './mongoose-models.ts';
import type { Call, How, Step } from './mongoose-steps.ts';

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom<T[]>(...values);
const name = some('a', 'b', 'c');
const anyName = some<unknown>('a', 'b', 'a long name', null, { absent: true });
const email = some('a@x', 'b@x', 'c@x');
const age = some<unknown>(0, 2, 9, -1, '3', 'x');
const pets = some<unknown>([], [{ name: 'p' }], [{ name: 'p' }, {}]);
const number = fc.integer({ min: 1, max: 4 });
const oid = number.map((each) => ({ oid: each }));

/** Of several documents that one call writes in a transaction of the adapter's, none may fail. */
type Sound = 'sound' | 'any';

function made(model: Name, sound: Sound = 'any'): fc.Arbitrary<object> {
  const person = {
    name,
    tags: some(['t'], []),
    address: some<unknown>({ city: 'c' }, {}),
    scores: some({ s: 2 }),
    code: some('code'),
    friend: oid,
    meta: some<unknown>({ a: { b: 1 } }, 5),
  };
  const unsound =
    sound === 'any' ? { _id: oid, name: anyName, email, age, pets, role: name, kind: some('Employee') } : {};
  switch (model) {
    case 'Person':
      return fc.record({ ...person, ...unsound } as typeof person, { requiredKeys: ['name'] });
    case 'Employee':
      return fc.record(
        { name, salary: number, ...(sound === 'any' ? { _id: oid, email } : {}) },
        {
          requiredKeys: sound === 'any' ? ['name'] : ['name', 'salary'],
        },
      );
    case 'Seat':
      return fc.record({
        _id: fc.record({ line: number, place: sound === 'any' ? number : fc.integer({ min: 9 }) }),
        guest: name,
      });
    case 'Task':
      return fc.record(
        {
          _id: sound === 'any' ? number : fc.integer({ min: 9 }),
          title: name,
          data: some<unknown>({}, { a: 1 }, null),
          list: some([1], []),
          ...(sound === 'any' ? { nothing: name } : {}),
        },
        { requiredKeys: ['_id'] },
      );
    case 'Note':
      return fc.record(
        { text: some('a', ...(sound === 'any' ? ['refused'] : [])), other: some<unknown>(1, { a: 1 }) },
        { requiredKeys: [] },
      );
  }
}

const FILTERS: Readonly<Record<Name, fc.Arbitrary<object>>> = {
  Person: fc.oneof(
    fc.record({ _id: oid }),
    fc.record({ name }),
    fc.record({ email }),
    some<object>(
      {},
      { age: { $gt: 0 } },
      { $or: [{ name: 'a' }, { name: 'b' }] },
      { 'pets.name': 'p' },
      { name: { $ne: null } },
      { nothing: 1 },
      { age: 'x' },
      { kind: 'Employee' },
      { years: 2 },
      { $expr: { $eq: ['$age', 2] } },
      { tags: 't', name: 'a' },
    ),
  ),
  Employee: fc.oneof(fc.record({ name }), some<object>({}, { salary: 5 })),
  Seat: some<object>({}, { _id: { line: 1, place: 1 } }, { '_id.line': 1 }, { guest: 'b' }),
  Task: some<object>({}, { _id: 1 }, { _id: 2 }, { title: 'x' }, { list: 1 }),
  Note: some<object>({}, { text: 'a' }, { other: 1 }),
};

const UPDATES: Readonly<Record<Name, fc.Arbitrary<unknown>>> = {
  Person: fc.oneof(
    fc.record({ name: anyName, age, email }, { requiredKeys: [] }),
    some<unknown>(
      {},
      { $set: { name: 'z', 'address.city': 'y' } },
      { $inc: { age: 1 } },
      { $unset: { email: 1 } },
      { $push: { tags: 'u' } },
      { $push: { pets: { name: 'q' } } },
      { $push: { pets: {} } },
      { $addToSet: { tags: { $each: ['t', 'v'] } } },
      { $pull: { tags: 't' } },
      { 'pets.0.name': 'r' },
      { 'pets.$[].name': 'r' },
      { $setOnInsert: { name: 'n' }, age: 3 },
      { nothing: 1, name: 'z' },
      { role: 'z', age: 4 },
      { code: 'low' },
      { years: 8 },
      { 'scores.s': 9 },
      { scores: { t: 1 } },
      { updatedAt: { date: '2001-05-05' } },
      { address: { city: 'w' } },
      { address: null },
      { tags: ['w'] },
      { kind: 'Employee' },
      { _id: { oid: 4 } },
      { meta: { c: 1 } },
      { $rename: { code: 'email' } },
      [{ $set: { age: 3 } }],
    ),
  ),
  Employee: some<unknown>({ salary: 6 }, { $set: { name: 'z' } }, { $unset: { salary: 1 } }, { kind: null }),
  Seat: some<unknown>({ guest: 'z' }, { '_id.line': 2 }, { $unset: { guest: 1 } }),
  Task: some<unknown>(
    { title: 'z' },
    { data: { b: 1 } },
    { 'data.a': 2 },
    { $push: { list: 3 } },
    { 'list.0': 5 },
    { nothing: 1 },
    { $inc: { version: 1 } },
    { hidden: true },
  ),
  Note: some<unknown>({ text: 'b' }, { anything: { x: 1 } }, { $set: { done: true } }),
};

const COMMON: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  strict: some<unknown>('throw', false),
  upsert: some(true),
  timestamps: some<unknown>(false, { updatedAt: false }),
  runValidators: some(true),
  overwriteImmutable: some(true),
  collation: some({ locale: 'en', strength: 2 }),
  sanitizeFilter: some(true),
  requireFilter: some(true),
  strictQuery: some<unknown>('throw', true, false),
  translateAliases: some(true),
  setDefaultsOnInsert: some(false),
  updatePipeline: some(true),
  comment: some('a comment'),
  maxTimeMS: some(1_000),
  writeConcern: some({ w: 1 }),
  middleware: some<unknown>(false, { pre: false }, { post: false }),
  overwriteDiscriminatorKey: some(true),
  session: some(null),
};
const OF_ONE: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  ...COMMON,
  new: some(true),
  returnDocument: some('after', 'before'),
  includeResultMetadata: some(true),
  lean: some(true),
  projection: some<unknown>({ name: 1 }, 'age', '-name'),
  sort: some<unknown>({ age: -1 }, '-name'),
  omitUndefined: some(true),
};

function options(all: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  // Few at a time: errors hide what follows.
  return fc
    .uniqueArray(some(...Object.keys(all)), { maxLength: 2 })
    .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, all[key] as fc.Arbitrary<unknown>]))));
}

const onQuery: fc.Arbitrary<Call[]> = fc.oneof(
  { weight: 3, arbitrary: some<Call[]>([], [['exec']]) },
  fc.array(
    some<Call>(
      ['orFail'],
      ['lean'],
      ['sort', { age: -1 }],
      ['select', 'name'],
      ['where', { age: { gt: 1 } }],
      ['where', 'name', 'a'],
      ['setOptions', { timestamps: false }],
      ['setOptions', { strict: false }],
      ['set', 'age', 5],
      ['setUpdate', { age: 6 }],
      ['setQuery', { name: 'b' }],
      ['read', 'secondaryPreferred'],
      ['collation', { locale: 'en' }],
      ['populate', 'friend'],
      ['merge', { age: 2 }],
      ['skip', 1],
      ['limit', 1],
      ['clone'],
    ),
    { minLength: 1, maxLength: 2 },
  ),
);

const model = some<Name>('Person', 'Person', 'Person', 'Employee', 'Seat', 'Task', 'Note');

function onModel(make: (model: Name) => fc.Arbitrary<Call>): fc.Arbitrary<Step> {
  return model.chain((on) => fc.record({ on: fc.constant(on), call: make(on), then: onQuery }));
}

const SAVE = options({
  validateBeforeSave: some(false),
  validateModifiedOnly: some(true),
  pathsToSave: some(['name'], ['address'], ['tags', 'age'], []),
  timestamps: some<unknown>(false, { updatedAt: false }),
  checkKeys: some(true),
  w: some(1),
  wtimeout: some(100),
  session: some(null),
  middleware: some<unknown>(false, { pre: false }, { post: false }),
  safe: some(true),
});

const onDocument = (of: Name): fc.Arbitrary<Call> =>
  fc.oneof(
    { weight: 6, arbitrary: SAVE.map((given): Call => ['save', given]) },
    { weight: 5, arbitrary: UPDATES[of].map((values): Call => ['set', Array.isArray(values) ? {} : values]) },
    {
      weight: 2,
      arbitrary: options({ middleware: some(false), comment: some('c'), session: some(null) }).map((given): Call => [
        'deleteOne',
        given,
      ]),
    },
    fc.tuple(UPDATES[of], options(COMMON)).map(([update, given]): Call => ['updateOne', update, given]),
    fc.tuple(made(of), options(COMMON)).map(([values, given]): Call => ['replaceOne', values, given]),
    some<Call>(
      ['save'],
      ['$save'],
      ['deleteOne'],
      ['increment'],
      ['overwrite', { name: 'o' }],
      ['$inc', 'age', 2],
      ['markModified', 'meta'],
      ['unmarkModified', 'name'],
      ['$timestamps', false],
      ['invalidate', 'name', 'is no good'],
      ['$ignore', 'name'],
      ['depopulate'],
      ['populate', 'friend'],
      ['validate'],
      ['tags.push', 'w'],
      ['tags.pull', 't'],
      ['list.push', 4],
      ['pets.push', { name: 'n' }],
      ['pets.push', {}],
      ['pets.0.set', 'name', 'm'],
      ['pets.0.deleteOne'],
      ['address.set', 'city', 'v'],
      ['scores.set', 's', 7],
    ),
  );

const documentCalls = (of: Name): fc.Arbitrary<Call[]> =>
  fc.array(onDocument(of), { minLength: 1, maxLength: 4 }).map((calls) => [...calls, ['save']]);

const operation = (of: Name): fc.Arbitrary<object> =>
  fc.oneof(
    made(of).map((document) => ({ insertOne: { document } })),
    fc
      .record(
        {
          filter: FILTERS[of],
          update: UPDATES[of],
          upsert: some(true),
          timestamps: some(false),
          strict: some<unknown>(false, 'throw'),
          collation: some({ locale: 'en' }),
        },
        { requiredKeys: ['filter', 'update'] },
      )
      .chain((each) => some<object>({ updateOne: each }, { updateMany: each })),
    fc.record({ filter: FILTERS[of], replacement: made(of) }).map((each) => ({ replaceOne: each })),
    FILTERS[of].chain((filter) => some<object>({ deleteOne: { filter } }, { deleteMany: { filter } })),
    some<object>({ nothing: {} }),
  );

const INSERT_MANY = {
  ordered: some(false),
  rawResult: some(true),
  lean: some(true),
  limit: some(1),
  populate: some('friend'),
  throwOnValidationError: some(true),
  timestamps: some(false),
  middleware: some(false),
  session: some(null),
  w: some(1),
};
const CREATE = {
  ordered: some(true),
  aggregateErrors: some(true),
  validateBeforeSave: some(false),
  timestamps: some(false),
  middleware: some(false),
};
const BULK_SAVE = {
  ordered: some(false),
  timestamps: some(false),
  validateBeforeSave: some(false),
  middleware: some(false),
  w: some(1),
};

function several(sound: Sound): fc.Arbitrary<Step> {
  return model.chain((documents) => {
    // The third person is not valid.
    const isPerson = documents === 'Person' || documents === 'Employee';
    const filters = sound === 'sound' && isPerson ? some({ name: 'a' }) : FILTERS[documents];
    const several = fc.record({
      documents: fc.constant(documents),
      made: fc.array(made(documents, sound), { maxLength: 2 }),
      found: fc.oneof(filters, fc.constant(null)),
      change:
        sound === 'sound'
          ? fc.constant<Call>(['set', 'name', 'd'])
          : UPDATES[documents].map((values): Call => ['set', Array.isArray(values) ? {} : values]),
      call: fc.oneof(
        { weight: 3, arbitrary: options(BULK_SAVE).map((given): Call => ['bulkSave', given]) },
        options(INSERT_MANY).map((given): Call => ['insertMany', given]),
        options(CREATE).map((given): Call => ['create', given]),
      ),
    });
    // `create()` saves side by side: of several that fail, which fails first is chance.
    return several.map((step) => (sound === 'any' && step.call[0] === 'create' ? { ...step, found: null } : step));
  });
}

function excuse(reason: string, of: string, ...methods: readonly string[]): Record<string, string> {
  return Object.fromEntries(methods.map((method) => [`${of}.${method}`, reason]));
}

/** With and without transactions of the adapter's own. */
export function mongooseSubject(atomic: boolean): Subject<Step, 'mongodb'> {
  // What one call writes before it fails is undone by a transaction of its own, and stays without.
  const sound: Sound = atomic ? 'sound' : 'any';
  const isSound = (method: string, update: unknown): boolean =>
    !atomic || method !== 'updateMany' || !JSON.stringify(update).includes('email');
  return {
    orm: atomic ? 'Mongoose atomic' : 'Mongoose',
    engines: ['mongodb'],
    options: { beforeImage: [false] },
    api: {
      Model: Model,
      'Model.prototype': Model.prototype as object,
      Document: Document.prototype as object,
      Query: Query.prototype as object,
    },
    leaf(value) {
      if (value instanceof mongoose.mongo.ClientSession) return `[ClientSession]`;
      if (typeof value === 'string') return withoutChance(value);
      if (value instanceof Connection) return '[Connection]';
      if (value instanceof Mongoose) return '[Mongoose]';
      if (value instanceof Schema) return '[Schema]';
      if (value instanceof SchemaType) return '[SchemaType]';
      // It remembers methods, too, once they were called.
      if (typeof value === 'object' && value !== null && 'stateNames' in value && 'paths' in value)
        return JSON.stringify(value.paths);
      // What is populated, by ids.
      if (Object.keys(Object(value) as object).some((key) => mongoose.isObjectIdOrHexString(key)))
        return withoutChance(JSON.stringify(value));
      if (value instanceof mongoose.Types.ObjectId)
        return /^0{20}/.test(value.toHexString()) ? value.toHexString() : 'an id';
      return undefined;
    },
    entries: {
      create: {
        weight: 3,
        covers: ['Model.create', 'Model.insertOne'],
        step: fc.oneof(
          onModel((on) =>
            fc
              .tuple(fc.array(made(on, sound), { maxLength: 3 }), options(CREATE))
              .map(([rows, given]): Call => ['create', rows, given]),
          ),
          onModel((on) => made(on).map((row): Call => ['create', row])),
          onModel((on) => fc.tuple(made(on, sound), made(on, sound)).map((rows): Call => ['create', ...rows])),
          onModel((on) => fc.tuple(made(on), SAVE).map(([row, given]): Call => ['insertOne', row, given])),
        ),
      },
      insertMany: {
        weight: 4,
        covers: ['Model.insertMany'],
        step: onModel((on) =>
          fc
            .tuple(fc.oneof(made(on), fc.array(made(on, sound), { maxLength: 3 })), options(INSERT_MANY))
            .map(([rows, given]): Call => ['insertMany', rows, given]),
        ),
      },
      several: { weight: 3, covers: ['Model.bulkSave'], step: several(sound) },
      bulkWrite: {
        weight: 2,
        covers: ['Model.bulkWrite'],
        step: onModel((on) =>
          fc
            .tuple(
              fc.array(operation(on), { maxLength: 3 }),
              options({
                ordered: some(false),
                strict: some<unknown>(false, 'throw'),
                timestamps: some(false),
                skipValidation: some(true),
                throwOnValidationError: some(true),
                middleware: some(false),
                session: some(null),
              }),
            )
            .map(([operations, given]): Call => ['bulkWrite', operations, given]),
        ),
      },
      update: {
        weight: 5,
        covers: ['Model.updateOne', 'Model.updateMany'],
        step: onModel((on) =>
          fc
            .tuple(
              some('updateOne', 'updateMany'),
              FILTERS[on],
              UPDATES[on],
              options({ ...COMMON, arrayFilters: some([{ 'e.name': 'p' }]) }),
            )
            .filter(([method, , update]) => isSound(method, update))
            .map(([method, filter, update, given]): Call => [method, filter, update, given]),
        ),
      },
      replace: {
        covers: ['Model.replaceOne', 'Model.findOneAndReplace'],
        step: onModel((on) =>
          fc
            .tuple(some('replaceOne', 'findOneAndReplace'), FILTERS[on], made(on), options(OF_ONE))
            .map(([method, filter, values, given]): Call => [method, filter, values, given]),
        ),
      },
      findAndUpdate: {
        weight: 2,
        covers: ['Model.findOneAndUpdate', 'Model.findByIdAndUpdate'],
        step: fc.oneof(
          onModel((on) =>
            fc.tuple(FILTERS[on], UPDATES[on], options(OF_ONE)).map((args): Call => ['findOneAndUpdate', ...args]),
          ),
          fc
            .tuple(oid, UPDATES.Person, options(OF_ONE))
            .map((args): Step => ({ on: 'Person', call: ['findByIdAndUpdate', ...args] })),
        ),
      },
      remove: {
        weight: 3,
        covers: ['Model.deleteOne', 'Model.deleteMany', 'Model.findOneAndDelete', 'Model.findByIdAndDelete'],
        step: fc.oneof(
          onModel((on) =>
            fc
              .tuple(some('deleteOne', 'deleteMany', 'findOneAndDelete'), FILTERS[on], options(OF_ONE))
              .map((args): Call => args),
          ),
          fc.tuple(oid, options(OF_ONE)).map((args): Step => ({ on: 'Person', call: ['findByIdAndDelete', ...args] })),
        ),
      },
      query: {
        weight: 2,
        covers: [
          ...['updateOne', 'updateMany', 'replaceOne', 'findOneAndUpdate', 'findOneAndReplace', 'findOneAndDelete'],
          ...['deleteOne', 'deleteMany', 'findByIdAndUpdate', 'findByIdAndDelete'],
          ...['orFail', 'lean', 'sort', 'select', 'where', 'setOptions', 'set', 'setUpdate', 'setQuery', 'read'],
          ...['collation', 'populate', 'merge', 'skip', 'limit', 'clone', 'exec', 'find', 'then'],
        ].map((method) => `Query.${method}`),
        step: model.chain((on) =>
          fc
            .tuple(
              FILTERS[on],
              fc.oneof(
                fc.tuple(
                  some('updateOne', 'updateMany', 'findOneAndUpdate'),
                  fc.constant({}),
                  UPDATES[on],
                  options(COMMON),
                ),
                fc.tuple(some('replaceOne', 'findOneAndReplace'), fc.constant({}), made(on)),
                fc.tuple(some('deleteOne', 'deleteMany', 'findOneAndDelete')),
                fc.tuple(some('findByIdAndUpdate'), oid, UPDATES[on]),
                fc.tuple(some('findByIdAndDelete'), oid),
              ) as fc.Arbitrary<Call>,
              onQuery,
            )
            // Not in a transaction: `then` is given no session.
            .filter(([, [method, , update]]) => isSound(method, update))
            .map(([filter, call, then]): Step => ({ on, call: ['find', filter], then: [call, ...then] })),
        ),
      },
      document: {
        weight: 10,
        covers: [
          'Model.prototype.save',
          'Model.prototype.$save',
          'Model.prototype.deleteOne',
          'Model.prototype.increment',
          ...[
            'updateOne',
            'replaceOne',
            '$timestamps',
            'overwrite',
            '$set',
            'set',
            '$inc',
            'markModified',
            'unmarkModified',
          ],
          ...['$ignore', 'validate', 'invalidate', 'populate', 'depopulate'],
        ].map((method) => (method.includes('.') ? method : `Document.${method}`)),
        step: model.chain((document) =>
          fc.oneof(
            fc.record({ document: fc.constant(document), found: FILTERS[document], calls: documentCalls(document) }),
            fc.record({ document: fc.constant(document), made: made(document), calls: documentCalls(document) }),
          ),
        ),
      },
      transaction: {
        weight: 2,
        covers: [],
        step: (nested) =>
          fc.record({
            transaction: nested,
            how: some<How>('connection.transaction()', 'ambient', 'withTransaction()', 'by hand'),
            end: some<'return' | 'throw'>('return', 'throw'),
          }),
      },
    },
    excused: {
      ...excuse('private', 'Model', '_*', '$__*'),
      ...excuse('private', 'Model.prototype', '$__*'),
      ...excuse('private', 'Document', '$__*', '_*', '$init', 'toBSON', '$clone', '$*Snapshot'),
      ...excuse('private', 'Query', '_*', '__distinct'),
      ...excuse(
        'an event emitter',
        'Model',
        'on',
        'once',
        'off',
        'emit',
        'add*',
        'prepend*',
        'remove*',
        '*istener*',
        'eventNames',
      ),
      ...excuse('an event emitter', 'Document', 'on', '$on', 'once', '$once', 'emit', '$emit', '*istener*'),
      ...excuse('reads', 'Model', 'exists', 'find', 'findById', 'findOne', '*ount*'),
      ...excuse(
        'reads',
        'Model',
        'distinct',
        'where',
        '$where',
        'aggregate',
        'watch',
        'populate',
        'hydrate',
        'namespace',
      ),
      ...excuse('makes and checks values only', 'Model', 'apply*', 'castObject', 'translateAliases', 'validate'),
      ...excuse('bulkSave() calls it', 'Model', 'buildBulkWriteOperations'),
      ...excuse('about collections and indexes', 'Model', 'init', 'createCollection', '*ndex*'),
      ...excuse('about models', 'Model', 'useConnection', 'discriminator', 'compile', 'recompileSchema', 'inspect'),
      ...excuse('about models', 'Model', 'clientEncryption'),
      ...excuse('transactions of the session that it returns are among the programs', 'Model', 'startSession'),
      ...excuse('reads', 'Model.prototype', '$model', 'model'),
      ...excuse(
        'reads',
        'Document',
        'get',
        '$get',
        '*odified*',
        '$is*',
        'is*',
        '*Changes',
        '*populated',
        '*opulatedDocs',
      ),
      ...excuse('reads', 'Document', '$assertPopulated', 'toObject', '$toObject', 'toJSON', 'ownerDocument', '*parent'),
      ...excuse('reads', 'Document', 'inspect', 'toString', 'equals', '$getAllSubdocs', 'directModifiedPaths'),
      ...excuse('reads', 'Document', 'validateSync'),
      ...excuse('of documents as they are read', 'Document', 'init', '$markValid'),
      ...excuse('validate() and populate() do the same', 'Document', '$validate'),
      ...excuse('a transaction calls it', 'Document', '$session'),
      ...excuse(
        'reads',
        'Query',
        'find*',
        '*istinct',
        '*ount*',
        'cursor',
        'tailable',
        'explain',
        'get*',
        'mongooseOptions',
      ),
      ...excuse('reads', 'Query', 'toString', 'selected*', 'isPathSelectedInclusive', 'toConstructor'),
      ...excuse('makes a condition of a filter', 'Query', 'mod', 'near*', 'box', 'center*', 'slice'),
      ...excuse('sets an option, which programs give', 'Query', 'session', 'w*', 'j', 'maxTimeMS', 'allowDiskUse'),
      ...excuse(
        'sets an option, which programs give',
        'Query',
        'projection',
        'sanitizeProjection',
        'schemaLevelProjections',
      ),
      ...excuse('exec() calls it', 'Query', 'cast', 'validate', 'transform', 'error', 'pre', 'post'),
      ...excuse('then() calls it', 'Query', 'catch', 'finally'),
    },
    open: (engine, database) => openMongoose(engine, database, atomic),
  };
}
