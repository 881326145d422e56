import type { ModelSignal, ModelSignalKind } from '../../core/model-types.ts';
import { postSave, preSave } from '../../models.ts';
import { differenceOf, fieldsOnly } from '../difference.ts';
import type { Row } from '../rows.ts';
import type { Values } from './query.ts';
import { type Assignments, inTypesOf, snapshotOf, valuesOf } from './values.ts';

export type Send = <TKind extends ModelSignalKind>(signal: ModelSignal<TKind>, args: object) => Promise<void>;

/** An update of one row, whose `preSave` was sent. */
export class RowUpdate {
  /** The row as it was stored; undefined if it was not read. */
  readonly before: Values | undefined;
  /** What `preSave` has changed beside what the caller sets. */
  readonly extras: Row;
  private readonly instance: Values;

  private constructor(before: Values | undefined, extras: Row, instance: Values) {
    this.before = before;
    this.extras = extras;
    this.instance = instance;
  }

  /**
   * @param before - the row as stored
   * @param known - what is known of it without
   */
  static async prepare(
    send: Send,
    model: new () => Values,
    { values, expressions }: Assignments,
    before: Values | undefined,
    known: Row = {},
  ): Promise<RowUpdate> {
    const stored = before === undefined ? undefined : inTypesOf(values, valuesOf(before));
    const instance = new model().$set(snapshotOf({ ...(stored ?? known), ...values }));
    const given = snapshotOf(valuesOf(instance));
    const isCertain = stored !== undefined && Object.keys(expressions).length === 0;
    const fields = Object.keys({ ...values, ...expressions });
    const intent = isCertain ? differenceOf(stored, values) : fieldsOnly(fields);
    await send(preSave, { instance, raw: false, created: false, ...intent });
    const now = valuesOf(instance);
    const changed = differenceOf(given, now).updateFields;
    const extras = Object.fromEntries([...changed].map((field) => [field, now[field]]));
    return new RowUpdate(before, extras, instance);
  }

  /** @param after - the row as it is stored now; of one that was not read before, the values written */
  async written(send: Send, after: Row): Promise<void> {
    this.instance.$set(after);
    const stored = this.before === undefined ? undefined : inTypesOf(after, valuesOf(this.before));
    const outcome = stored === undefined ? fieldsOnly(Object.keys(after)) : differenceOf(stored, after);
    await send(postSave, { instance: this.instance, raw: false, created: false, ...outcome });
  }
}
