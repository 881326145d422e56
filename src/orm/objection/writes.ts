import type { Knex } from 'knex';
import type { Model, ModelClass } from 'objection';
import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk, postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { INSERTED } from '../inserted.ts';
import type { Row } from '../rows.ts';
import type { Mixin } from './mixin.ts';
import { instanceOf, isUpsert, kindOf, type Operation, type Query, type Values } from './query.ts';
import { RowUpdate, type Send } from './row-update.ts';
import { findQueryOf, targetOf } from './rows.ts';
import { assign, assignmentsOf, valuesOf } from './values.ts';

const ADVICE = 'Write instances, or rows by their id, listen to postBulk, or give withSignals() another `bulk` option.';

/** What one statement writes, and what is sent around it. */
export interface RowWrite {
  /** After the hooks of the app, before the statement. */
  before(): Promise<void>;
  /** Note what was written, before hooks of the app can change the instance. @param result - of the statement */
  note(result: unknown): void;
  /** After the statement and the hooks of the app. */
  after(): Promise<void>;
}

/** The execution of a query that a write is part of. */
export interface Execution {
  readonly mixin: Mixin;
  readonly sender: ModelClass<Model>;
  /** The line that made the query. */
  readonly site: string;
  readonly send: Send;
  /** The statement is sent to the database: this decides with which savepoint it is undone. */
  issue(): void;
}

export function rowWriteOf(execution: Execution, query: Query, operation: Operation): RowWrite {
  const kind = kindOf(operation);
  if (kind === 'insert') return new Insert(execution, query, operation);
  return kind === 'update' ? new Update(execution, query, operation) : new Delete(execution, query, operation);
}

class Insert implements RowWrite {
  private readonly execution: Execution;
  private readonly models: readonly Values[];
  private readonly bulk: BulkWrite | undefined;

  constructor(execution: Execution, query: Query, { models = [] }: Operation) {
    this.execution = execution;
    this.models = models;
    this.bulk = isUpsert(query) ? new BulkWrite(execution, 'upsert', { where: undefined, values: models }) : undefined;
  }

  async before(): Promise<void> {
    this.bulk?.announce();
    if (this.bulk !== undefined) return;
    for (const instance of this.models) await this.execution.send(preSave, { instance, ...INSERTED });
  }

  note(): void {
    // The instances are the caller's own.
  }

  async after(): Promise<void> {
    if (this.bulk !== undefined) return this.bulk.send(undefined);
    for (const instance of this.models) await this.execution.send(postSave, { instance, ...INSERTED });
  }
}

/** Of an update or a delete. */
abstract class ConditionalWrite implements RowWrite {
  protected readonly execution: Execution;
  protected readonly query: Query;
  protected readonly operation: Operation;
  protected bulk: BulkWrite | undefined;
  protected count: number | undefined;

  constructor(execution: Execution, query: Query, operation: Operation) {
    this.execution = execution;
    this.query = query;
    this.operation = operation;
  }

  abstract before(): Promise<void>;

  note(result: unknown): void {
    this.count = affectedRows(result);
  }

  async after(): Promise<void> {
    if (this.bulk !== undefined) await this.bulk.send(this.count);
    else if (this.count !== 0) await this.sendForRows();
  }

  protected abstract sendForRows(): Promise<void>;

  protected readonly send: Send = (signal, args) => this.execution.send(signal, args);

  protected get isIndividual(): boolean {
    return this.execution.mixin.options.bulk === 'individual';
  }

  protected beginBulk(operation: 'update' | 'delete', values: Row | undefined): void {
    // The query forgets its conditions when it is built.
    const where = postBulk.hasListeners(this.execution.sender) ? findQueryOf(this.query) : undefined;
    this.bulk = new BulkWrite(this.execution, operation, { where, values });
    this.bulk.announce();
  }
}

class Update extends ConditionalWrite {
  private updates: readonly RowUpdate[] = [];
  private assigned: Row = {};
  private expressed = false;

  async before(): Promise<void> {
    const { execution, query, operation } = this;
    const model = operation.model as Values;
    const assignments = assignmentsOf(model);
    const set = { ...assignments.values, ...assignments.expressions };
    // Objection does nothing then.
    if (Object.keys(set).length === 0) return;
    const concerns = hasReceivers('update', execution.sender);
    const target = concerns ? targetOf(query, operation) : undefined;
    const prepare = (before: Values | undefined, known?: Row): Promise<RowUpdate> =>
      RowUpdate.prepare(this.send, execution.sender as unknown as new () => Values, assignments, before, known);
    if (target?.names === 'one' && !execution.mixin.options.beforeImage) {
      const instance = instanceOf(operation);
      this.updates = [await prepare(undefined, instance === undefined ? {} : valuesOf(instance))];
      assign(model, this.updates[0]?.extras ?? {}, {});
      return;
    }
    const isPlain = target?.isPlain === true && Object.keys(assignments.expressions).length === 0;
    const canBeIndividual = this.isIndividual && isPlain && !query.has(/^returning$/);
    const before =
      target !== undefined && (target.names === 'one' || canBeIndividual) ? await target.read() : undefined;
    if (before === undefined || (before.length > 1 && !canBeIndividual)) {
      this.beginBulk('update', set);
      return;
    }
    const updates: RowUpdate[] = [];
    for (const row of before) updates.push(await prepare(row));
    this.updates = updates;
    const [only] = updates;
    if (only !== undefined && updates.length === 1) assign(model, only.extras, valuesOf(only.before as Values));
    else if (updates.some(({ extras }) => Object.keys(extras).length > 0)) await this.writeEach(model);
  }

  override note(result: unknown): void {
    super.note(result);
    const { values, expressions } = assignmentsOf(this.operation.model as Values);
    this.assigned = { ...values, ...expressions };
    this.expressed = Object.keys(expressions).length > 0;
  }

  protected async sendForRows(): Promise<void> {
    const [only] = this.updates;
    if (this.updates.length === 1 && (this.count ?? 0) > 1 && Object.keys(only?.extras ?? {}).length > 0)
      throw ambiguousError(this.execution.sender, this.count);
    for (const update of this.updates) {
      const { before, extras } = update;
      const row = before === undefined ? undefined : valuesOf(before);
      const after = this.expressed && before !== undefined ? await this.readAgain(before) : undefined;
      await update.written(this.send, after ?? { ...row, ...this.assigned, ...extras });
    }
  }

  /** What became of expressions, only the database knows. No hooks of the app run for it. */
  private async readAgain(before: Values): Promise<Row | undefined> {
    const { query, execution } = this;
    const id = [(execution.sender as unknown as { getIdPropertyArray(): string[] }).getIdPropertyArray()].flat();
    const key = id.map((name) => this.assigned[name] ?? before[name]);
    const again = query.modelClass().query() as unknown as Query;
    const [row] = await again
      .childQueryOf(query, { fork: true })
      .findById(key.length === 1 ? key[0] : key)
      .clear(/^first$/)
      .toKnexQuery();
    return row === undefined ? undefined : valuesOf(query.modelClass().fromDatabaseJson(row) as Values);
  }

  /** Write the rows one by one, each with what `preSave` made of it: all of them, or none. */
  private async writeEach(model: Values): Promise<void> {
    const { query, execution } = this;
    let count = 0;
    await (query.unsafeKnex() as Knex).transaction(async (transaction) => {
      for (const { before, extras } of this.updates) {
        const row = before as Values;
        const caller = valuesOf(model);
        assign(model, extras, valuesOf(row));
        const statement = query.clone().whereComposite(query.fullIdColumn(), row.$id()).toKnexQuery();
        count += affectedRows(await statement.transacting(transaction)) ?? 0;
        for (const name of Object.keys(extras)) {
          if (Object.hasOwn(caller, name)) model[name] = caller[name];
          else Reflect.deleteProperty(model, name);
        }
      }
    });
    execution.issue();
    query.resolve(count);
  }
}

class Delete extends ConditionalWrite {
  private deleted: readonly Values[] = [];

  async before(): Promise<void> {
    const { execution, query, operation } = this;
    const target = hasReceivers('delete', execution.sender) ? targetOf(query, operation) : undefined;
    if (target === undefined || (target.names === undefined && !this.isIndividual)) {
      this.beginBulk('delete', undefined);
      return;
    }
    const instance = instanceOf(operation);
    const deleted = instance !== undefined && target.names === 'one' ? [instance] : await target.read();
    if (deleted === undefined) {
      this.beginBulk('delete', undefined);
      return;
    }
    this.deleted = deleted;
    for (const each of this.deleted) await this.send(preDelete, { instance: each, origin: each });
  }

  protected async sendForRows(): Promise<void> {
    for (const each of this.deleted) await this.send(postDelete, { instance: each, origin: each });
  }
}

/** A write that is not broken down into rows. */
class BulkWrite {
  private readonly execution: Execution;
  private readonly operation: PostBulkArgs['operation'];
  private readonly args: { readonly where: unknown; readonly values: unknown };

  constructor(
    execution: Execution,
    operation: PostBulkArgs['operation'],
    args: { readonly where: unknown; readonly values: unknown },
  ) {
    this.execution = execution;
    this.operation = operation;
    this.args = args;
  }

  announce(): void {
    const { mixin, sender, site } = this.execution;
    mixin.bulk.announce(this.operation, sender, ADVICE, site);
  }

  async send(count: number | undefined): Promise<void> {
    await this.execution.send(postBulk, { operation: this.operation, ...this.args, count });
  }
}

/** How many rows a statement has written; undefined when its result does not say. */
function affectedRows(result: unknown): number | undefined {
  if (typeof result === 'number') return result;
  if (Array.isArray(result)) return typeof result[0] === 'number' ? result[0] : result.length;
  return typeof result === 'object' && result !== null ? 1 : undefined;
}

function ambiguousError(sender: { readonly name: string; readonly idColumn: string | string[] }, count = 0): Error {
  const key = [sender.idColumn].flat().join(', ');
  return new Error(
    `${String(count)} rows of ${sender.name} were updated by one id, and receivers of preSave have changed values of ` +
      `one of them: ${key} is no key of the table. Set the \`idColumn\` of the model to one.`,
  );
}
