import type { Knex } from 'knex';
import { hasReceivers } from '../bulk.ts';
import type { Row } from '../rows.ts';
import { refuseJoinUpdate } from './bulk-write.ts';
import { affectedRows, ConditionalWrite } from './conditional-write.ts';
import { instanceOf, type Query, type Values } from './query.ts';
import { RowUpdate } from './row-update.ts';

import { targetOf } from './rows.ts';
import { assign, assignmentsOf, valuesOf } from './values.ts';

/** An update, or a part of one that Objection makes of a relation or a graph. */
export class Update extends ConditionalWrite {
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
    refuseJoinUpdate(query, operation);
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

function ambiguousError(sender: { readonly name: string; readonly idColumn: string | string[] }, count = 0): Error {
  const key = [sender.idColumn].flat().join(', ');
  return new Error(
    `${String(count)} rows of ${sender.name} were updated by one id, and receivers of preSave have changed values of ` +
      `one of them: ${key} is no key of the table. Set the \`idColumn\` of the model to one.`,
  );
}
