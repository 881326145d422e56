import type { Knex } from 'knex';
import type { Model, ModelClass, StaticHookArguments } from 'objection';
import type { ModelSignal, ModelSignalKind, PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import type { AdapterOptions } from '../adapter-options.ts';
import { BulkGuard, hasReceivers } from '../bulk.ts';
import { deliver } from '../deliver.ts';
import { INSERTED } from '../inserted.ts';
import { inTurn } from '../lane.ts';
import { type PreparedUpdate, prepareUpdate, type Row } from '../rows.ts';
import { callSiteOfQuery, isOfRows, type Query, rowsOf } from './queries.ts';
import { isTransaction, queueOf } from './transactions.ts';

/** The options of `withSignals()`, complete. */
export interface ObjectionOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
}
type Arguments = StaticHookArguments<Model>;
/** What a query is going to do, until it is done. */
type Work =
  | { readonly update: PreparedUpdate; readonly before: Model | undefined }
  | { readonly deleted: readonly Model[] }
  | { readonly bulk: object };

const ADVICE = 'Write instances, or rows by their id, listen to postBulk, or give withSignals() another `bulk` option.';

/** What Objection calls around the writes of one base class. */
export class Hooks {
  readonly options: ObjectionOptions;
  private readonly guard: BulkGuard;
  private readonly work = new WeakMap<object, Work>();

  constructor(options: ObjectionOptions) {
    this.options = options;
    this.guard = new BulkGuard(options.bulk);
  }

  async beforeInsert(sender: unknown, args: Arguments): Promise<void> {
    if (isUpsert(args)) {
      this.guard.announce('upsert', sender, ADVICE, callSiteOfQuery());
      return;
    }
    for (const instance of args.inputItems) await this.send(preSave, sender, args, { instance, ...INSERTED });
  }

  async afterInsert(sender: unknown, args: Arguments): Promise<void> {
    const { inputItems } = args;
    if (isUpsert(args))
      await this.send(postBulk, sender, args, {
        operation: 'upsert',
        where: undefined,
        values: inputItems,
        count: undefined,
      });
    else for (const instance of inputItems) await this.send(postSave, sender, args, { instance, ...INSERTED });
  }

  async beforeUpdate(sender: ModelClass<Model>, args: Arguments): Promise<void> {
    const query = queryOf(args);
    const [patch] = args.inputItems as [Model & Row];
    const concerns = hasReceivers('update', sender);
    const [item] = ownItems(args);
    if (item === undefined && !isOfRows(query)) {
      if (concerns && this.options.bulk === 'individual')
        await updateEach(args, { ...valuesOf(patch), ...expressionsOf(patch) });
      else this.beforeBulk('update', sender, args, { ...valuesOf(patch), ...expressionsOf(patch) });
      return;
    }
    if (!concerns) return;
    const [before] = (this.options.beforeImage ? await rowsOf(query) : []) as (Model & Row)[];
    if (this.options.beforeImage && before === undefined) return;
    const expressions = expressionsOf(patch);
    const update = await prepareUpdate((signal, from, payload) => this.send(signal, from, args, payload), sender, {
      before: before && valuesOf(before),
      key: item === undefined ? {} : valuesOf(item as Model & Row),
      values: { ...valuesOf(patch), ...expressions },
      isExpression: (value) => Object.values(expressions).includes(value),
      create: (values) => (sender.fromJson({}, { skipValidation: true }) as Model & Row).$set(values),
    });
    for (const [name, value] of Object.entries(update.assigned)) {
      if (expressions[name] === value) continue;
      patch[name] = value;
      // it would win
      Reflect.deleteProperty(expressions, name);
    }
    this.work.set(query, { update, before });
  }

  async afterUpdate(sender: ModelClass<Model>, args: Arguments): Promise<void> {
    const work = this.take(args);
    const [patch] = args.inputItems as [Model & Row];
    if (work === undefined) return;
    if ('bulk' in work) await this.afterBulk(sender, args, work.bulk);
    else if ('update' in work && countOf(args) !== 0) {
      const { assigned, written } = work.update;
      // what became of an expression, only the database knows
      const expressed = Object.keys(expressionsOf(patch)).length > 0 && work.before !== undefined;
      const after = expressed
        ? await sender.query(args.transaction as Knex.Transaction).findById(work.before.$id() as number)
        : undefined;
      await written(after === undefined ? { ...assigned, ...valuesOf(patch) } : valuesOf(after as Model & Row));
    }
  }

  async beforeDelete(sender: unknown, args: Arguments): Promise<void> {
    const query = queryOf(args);
    const concerns = hasReceivers('delete', sender);
    const items = ownItems(args);
    if (items.length === 0 && !isOfRows(query) && !(concerns && this.options.bulk === 'individual')) {
      this.beforeBulk('delete', sender, args, undefined);
      return;
    }
    if (!concerns) return;
    const deleted = items.length > 0 && query.parentQuery() === null ? items : await rowsOf(query);
    for (const instance of deleted) await this.send(preDelete, sender, args, { instance, origin: instance });
    this.work.set(query, { deleted });
  }

  async afterDelete(sender: unknown, args: Arguments): Promise<void> {
    const work = this.take(args);
    if (work === undefined) return;
    if ('bulk' in work) await this.afterBulk(sender, args, work.bulk);
    else if ('deleted' in work && countOf(args) !== 0) {
      for (const instance of work.deleted) await this.send(postDelete, sender, args, { instance, origin: instance });
    }
  }

  private take(args: Arguments): Work | undefined {
    const query = queryOf(args);
    const work = this.work.get(query);
    this.work.delete(query);
    return work;
  }

  private beforeBulk(
    operation: PostBulkArgs['operation'],
    sender: unknown,
    args: Arguments,
    values: Row | undefined,
  ): void {
    this.guard.announce(operation, sender, ADVICE, callSiteOfQuery());
    if (postBulk.hasListeners(sender))
      this.work.set(queryOf(args), { bulk: { operation, where: args.asFindQuery(), values } });
  }

  private afterBulk(sender: unknown, args: Arguments, bulk: object): Promise<void> {
    return this.send(postBulk, sender, args, { ...bulk, count: countOf(args) });
  }

  /** Send to the receivers, one after the other, after those before them in the same transaction. */
  private async send<TKind extends ModelSignalKind>(
    signal: ModelSignal<TKind>,
    sender: unknown,
    { transaction: knex }: Arguments,
    args: object,
  ): Promise<void> {
    if (!signal.hasListeners(sender)) return;
    const tx = isTransaction(knex) ? knex : undefined;
    const resource: object = tx ?? args;
    await inTurn(resource, () =>
      deliver(signal, sender, args, { resource, using: this.options.using, tx, queue: queueOf(knex) }),
    );
  }
}

/** The query of these arguments: they are made anew for each hook, and hide it under a symbol. */
function queryOf(args: Arguments): Query {
  const [hidden] = Object.getOwnPropertySymbols(args);
  return (args as unknown as Record<symbol, Query>)[hidden as symbol] as Query;
}

/** The instances whose `$query()` it is. A query of a relation has the owners of the relation in their place. */
function ownItems({ items, relation }: Arguments): Model[] {
  return relation === undefined ? items : [];
}

function isUpsert(args: Arguments): boolean {
  return queryOf(args).has(/^(onConflict|merge|ignore)$/);
}

/** How many rows a query has written; undefined when its result does not say. */
function countOf({ result }: Arguments): number | undefined {
  const results = result as unknown[] | undefined;
  const [first] = results ?? [];
  return typeof first === 'number' ? first : results?.length;
}

/** The values of a model, without its relations and what begins with $. */
function valuesOf(model: Model & Row): Row {
  const relations = (model.constructor as unknown as { getRelationNames(): string[] }).getRelationNames();
  return Object.fromEntries(
    Object.entries(model).filter(([name]) => !name.startsWith('$') && !relations.includes(name)),
  );
}

/** Raw SQL, references and queries among the values of a model: Objection keeps them apart from the others. */
function expressionsOf(model: Model & { readonly $$queryProps?: Row }): Row {
  return model.$$queryProps ?? {};
}

/** Write the rows one by one in place of the query. */
async function updateEach(args: Arguments, values: Row): Promise<void> {
  const rows = await rowsOf(queryOf(args));
  for (const row of rows) await row.$query(args.transaction as Knex.Transaction).patch({ ...values });
  args.cancelQuery(rows.length);
}
