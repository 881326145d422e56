/** Models with something of everything, and hooks that tell what they are called for. */
import type { Document, Model, Mongoose, Query, Schema } from 'mongoose';

export type Name = 'Person' | 'Employee' | 'Seat' | 'Task' | 'Note';

/** @param currentTime - a clock of the suite: real ones may show two writes the same time */
export function defineModels(
  instance: Mongoose,
  log: (text: string) => void,
  currentTime: () => Date,
): Record<Name, Model<unknown>> {
  const { Schema } = instance;
  const address = new Schema({ city: String, zip: { type: Number, default: 5 } }, { _id: false });
  const pet = new Schema({ name: { type: String, required: true } });
  const person = new Schema(
    {
      name: { type: String, required: true, maxlength: 5 },
      email: String,
      age: { type: Number, default: 7, min: 0, alias: 'years' },
      role: { type: String, default: 'user', immutable: true },
      code: {
        type: String,
        set: (value: unknown) => (typeof value === 'string' ? value.toUpperCase() : value),
        get: (value: unknown) => (typeof value === 'string' ? `#${value}` : value),
      },
      tags: [String],
      address,
      pets: [pet],
      scores: { type: Map, of: Number },
      meta: {},
      friend: { type: Schema.Types.ObjectId, ref: 'Person' },
    },
    { timestamps: { currentTime }, discriminatorKey: 'kind', collection: 'people' },
  );
  person.virtual('label').get(() => 'a label');
  const seat = new Schema(
    { _id: new Schema({ line: Number, place: Number }, { _id: false }), guest: String },
    { versionKey: false, collection: 'seats' },
  );
  const task = new Schema(
    { _id: Number, title: String, data: {}, list: [Number], hidden: Boolean },
    { versionKey: 'version', optimisticConcurrency: true, minimize: false, strict: 'throw', collection: 'tasks' },
  );
  // What apps do for soft deletes.
  task.pre(/^(find|update|delete|count)/, { document: false, query: true }, function (this: Query<unknown, unknown>) {
    void this.where({ hidden: { $ne: true } });
  });
  const note = new Schema(
    { text: String, done: Boolean },
    { strict: false, timestamps: { createdAt: 'made', updatedAt: false, currentTime }, collection: 'notes' },
  );
  note.pre('save', function () {
    if (this.get('text') === 'refused') throw new Error('the app refuses it');
  });
  for (const [name, schema] of Object.entries({ person, address, pet, seat, task, note })) {
    listen(schema, name, log);
  }
  const Person = instance.model('Person', person);
  const employee = new Schema({ salary: { type: Number, required: true } });
  employee.pre('save', () => {
    log('pre save of an employee');
  });
  return {
    Person,
    Employee: Person.discriminator('Employee', employee),
    Seat: instance.model('Seat', seat),
    Task: instance.model('Task', task),
    Note: instance.model('Note', note),
  } as unknown as Record<Name, Model<unknown>>;
}

const ON_DOCUMENTS = ['save', 'validate', 'deleteOne', 'updateOne'] as const;
const ON_QUERIES = [
  ...['find', 'findOne', 'findOneAndUpdate', 'findOneAndReplace', 'findOneAndDelete', 'countDocuments'],
  ...['updateOne', 'updateMany', 'replaceOne', 'deleteOne', 'deleteMany'],
] as const;
const ON_MODELS = ['insertMany', 'bulkWrite'] as const;

function listen(schema: Schema, of: string, log: (text: string) => void): void {
  const hook = (phase: 'pre' | 'post', name: string, options: object, textOf: (self: never) => string): void => {
    const told = function (this: never, ...args: unknown[]): void {
      const [first] = args;
      // What hooks are given is the document, a result, or what the call was given.
      const given = phase === 'post' && !isDocument(first) ? ` ${jsonOf(first)}` : '';
      log(`${phase} ${name} of ${of}: ${textOf(this)}${given}`);
    };
    const add = schema[phase].bind(schema) as unknown as (name: string, options: object, hook: unknown) => void;
    add(name, options, told);
  };
  for (const phase of ['pre', 'post'] as const) {
    for (const name of ON_DOCUMENTS) hook(phase, name, { document: true, query: false }, documentText);
    for (const name of ON_QUERIES) hook(phase, name, { document: false, query: true }, queryText);
    for (const name of ON_MODELS) hook(phase, name, {}, () => 'the model');
    hook(phase, 'init', {}, () => 'a document');
  }
}

function documentText(document: Document): string {
  const state = `${document.isNew ? 'new' : 'old'} ${document.$isDeleted() ? 'deleted' : ''}`;
  return `${state} [${document.modifiedPaths().join()}] ${jsonOf(document.toObject())}`;
}

function queryText(query: Query<unknown, unknown>): string {
  return [query.getFilter(), query.getUpdate(), query.getOptions()].map(jsonOf).join(' ');
}

function isDocument(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$__' in value;
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => (key === 'session' ? undefined : inner));
}
