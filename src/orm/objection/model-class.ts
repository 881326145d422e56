import type { Knex } from 'knex';
import type { Model, ModelClass } from 'objection';
import { describe } from '../../core/describe.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import { hasSignals, Mixin, register, senderOf, stand } from './mixin.ts';
import type { Query } from './query.ts';
import { assertObjection, watchQueries } from './query-builder.ts';
import { watchTransactions } from './transactions.ts';

/** What of a model class is overridden. */
interface Statics {
  new (): Model;
  knex(...knex: unknown[]): Knex;
  bindKnex(knex: unknown): object;
  bindTransaction(transaction: unknown): object;
  onCreateQuery(query: unknown): unknown;
}

/** A class that inherits from the given one, and whose own heirs send signals. */
export function mixIn<TClass extends ModelClass<Model>>(base: TClass, options: unknown): TClass {
  if (typeof base !== 'function' || !('isObjectionModelClass' in base))
    throw new TypeError(
      `withSignals() takes the Model class of Objection, or one that extends it, not ${describe(base)}`,
    );
  if (hasSignals(base)) throw new Error('This class has signals already: they would be sent twice.');
  assertObjection(base);
  const mixin = new Mixin(parseAdapterOptions(options, 'withSignals()', { atomic: false, beforeImage: true }));
  const Mixed = class extends (base as unknown as Statics) {
    static override knex(...knex: unknown[]): Knex {
      for (const each of knex) watchTransactions(each);
      return super.knex(...knex);
    }

    static override bindKnex(knex: unknown): object {
      const model = super.bindKnex(knex);
      stand(model, senderOf(this));
      return model;
    }

    static override bindTransaction(transaction: unknown): object {
      const model = super.bindTransaction(transaction);
      stand(model, senderOf(this));
      return model;
    }

    static override onCreateQuery(query: unknown): unknown {
      mixin.noteSite(query as Query, senderOf(this));
      return super.onCreateQuery(query);
    }
  };
  watchQueries(base);
  register(Mixed, mixin);
  return Mixed as unknown as TClass;
}
