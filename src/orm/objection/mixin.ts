import type { Knex } from 'knex';
import type { Model, ModelClass, StaticHookArguments } from 'objection';
import { describe } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { Hooks } from './hooks.ts';
import { type Query, watchQuery } from './queries.ts';
import { watch } from './transactions.ts';

type Arguments = StaticHookArguments<Model>;
/** What of a model class is overridden. */
interface Statics {
  new (): Model;
  knex(knex?: Knex): Knex;
  bindKnex(knex: Knex): object;
  onCreateQuery(query: unknown): unknown;
  beforeInsert(args: Arguments): unknown;
  afterInsert(args: Arguments): unknown;
  beforeUpdate(args: Arguments): unknown;
  afterUpdate(args: Arguments): unknown;
  beforeDelete(args: Arguments): unknown;
  afterDelete(args: Arguments): unknown;
}

/** The classes that `bindKnex()` has made, and the models that they stand for. */
const bound = new WeakMap<object, object>();

/** A class that inherits from the given one, and whose own heirs send signals. */
export function mixIn<TClass extends ModelClass<Model>>(base: TClass, options: unknown): TClass {
  if (typeof base !== 'function' || !('isObjectionModelClass' in base))
    throw new TypeError(
      `withSignals() takes the Model class of Objection, or one that extends it, not ${describe(base)}`,
    );
  if (mixed.has(base)) throw new Error('This class has signals already: they would be sent twice.');
  const hooks = new Hooks(parseAdapterOptions(options, 'withSignals()', { atomic: false, beforeImage: true }));
  const loud = hooks.options.bulk === 'warn' || hooks.options.bulk === 'individual';
  const Mixed = class extends (base as unknown as Statics) {
    static override knex(knex?: Knex): Knex {
      if (knex === undefined) return super.knex();
      watch(knex);
      return super.knex(knex);
    }

    static override bindKnex(knex: Knex): object {
      const model = super.bindKnex(knex);
      bound.set(model, senderOf(this));
      return model;
    }

    static override onCreateQuery(query: unknown): unknown {
      const result = super.onCreateQuery(query);
      watchQuery(query as Query, senderOf(this), { atomic: hooks.options.atomic, loud });
      return result;
    }

    static override async beforeInsert(args: Arguments): Promise<void> {
      await super.beforeInsert(args);
      await hooks.beforeInsert(senderOf(this), args);
    }

    static override async afterInsert(args: Arguments): Promise<unknown> {
      await hooks.afterInsert(senderOf(this), args);
      return super.afterInsert(args);
    }

    static override async beforeUpdate(args: Arguments): Promise<void> {
      await super.beforeUpdate(args);
      await hooks.beforeUpdate(senderOf(this) as ModelClass<Model>, args);
    }

    static override async afterUpdate(args: Arguments): Promise<unknown> {
      await hooks.afterUpdate(senderOf(this) as ModelClass<Model>, args);
      return super.afterUpdate(args);
    }

    static override async beforeDelete(args: Arguments): Promise<void> {
      await super.beforeDelete(args);
      await hooks.beforeDelete(senderOf(this), args);
    }

    static override async afterDelete(args: Arguments): Promise<unknown> {
      await hooks.afterDelete(senderOf(this), args);
      return super.afterDelete(args);
    }
  };
  mixed.add(Mixed);
  return Mixed as unknown as TClass;
}

/** All classes with signals; a class further down the chain may be asked for. */
const mixed = {
  classes: new WeakSet(),
  add(mixedClass: object): void {
    this.classes.add(mixedClass);
  },
  has(mixedClass: object): boolean {
    for (let each: object | null = mixedClass; each !== null; each = Object.getPrototypeOf(each) as object | null)
      if (this.classes.has(each)) return true;
    return false;
  },
};

function senderOf(model: object): object {
  return bound.get(model) ?? model;
}
