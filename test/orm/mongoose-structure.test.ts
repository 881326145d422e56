/** Models, documents and queries look as they do without signals. */
import { Mongoose } from 'mongoose';
import { afterEach, describe, expect, test } from 'vitest';
import { type AnySignal, disconnectReceivers } from '../../src/index.ts';
import { postDelete, postSave, preDelete, preSave, signals, type SignalsOptions } from '../../src/mongoose.ts';
import { structureOf } from './structure.ts';

const owner = {};
afterEach(() => {
  disconnectReceivers(owner);
});

/** One after the other, so that what belongs to a Mongoose has the same names in both. */
function handlesOf(options: SignalsOptions | undefined): Readonly<Record<string, unknown>> {
  const instance = new Mongoose({ autoIndex: false, autoCreate: false });
  if (options !== undefined) instance.plugin(signals(options));
  const pet = new instance.Schema({ name: String });
  const Person = instance.model('Person', new instance.Schema({ name: String, pets: [pet], best: pet }));
  const Employee = Person.discriminator('Employee', new instance.Schema({ salary: Number }));
  const document = new Person({ name: 'a', pets: [{ name: 'p' }], best: { name: 'q' } });
  return {
    model: membersOf(Person),
    discriminator: membersOf(Employee),
    connection: instance.connection,
    schema: Person.schema,
    document,
    'document of a discriminator': new Employee({ name: 'b' }),
    subdocument: document.pets[0],
    'nested subdocument': document.best,
    'query that updates': Person.updateMany({}, { name: 'b' }),
    'query that deletes': Person.deleteOne({}),
    'query that finds and updates': Person.findOneAndUpdate({}, { name: 'b' }),
    'query of a document that updates': document.updateOne({ name: 'b' }),
    'query of a document that deletes': document.deleteOne(),
    'query that reads': Person.find(),
    aggregate: Person.aggregate([]),
  };
}

/** Of a class, with what it inherits: some methods are the model's own instead. */
function membersOf(model: object): Readonly<Record<string, unknown>> {
  const members: Record<string, unknown> = {};
  for (let each = model; each !== Function.prototype; each = Object.getPrototypeOf(each) as object) {
    for (const key of Reflect.ownKeys(each)) members[String(key)] ??= (model as Record<PropertyKey, unknown>)[key];
  }
  return Object.fromEntries(Object.entries(members).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Models, which are looked at by themselves. */
const MODELS = ['constructor', 'model', '_model', 'prototype', 'discriminators'];
/** Where the plugin listens, as Mongoose's manual has it, for the model that is compiled. */
const OF_SCHEMA = ['_events'];

describe('Mongoose, structure', () => {
  const names = Object.keys(handlesOf(undefined));
  const configurations: [string, SignalsOptions, boolean][] = [
    ['without receivers', {}, false],
    ['with receivers', {}, true],
    ['atomic', { atomic: true }, true],
    ['individual', { bulk: 'individual' }, true],
  ];
  describe.each(configurations)('%s', (_name, options, hears) => {
    test.each(names)('%s', (name) => {
      if (hears) {
        for (const signal of [preSave, postSave, preDelete, postDelete]) {
          (signal as AnySignal).connect(() => undefined, { owner });
        }
      }
      const [bare, attached] = [handlesOf(undefined)[name], handlesOf(options)[name]];
      const looked = { except: name === 'schema' ? OF_SCHEMA : MODELS };
      expect(structureOf(attached, looked)).toEqual(structureOf(bare, looked));
    });
  });
});
