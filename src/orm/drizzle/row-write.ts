import { isDeepStrictEqual } from 'node:util';
import type { SQL } from 'drizzle-orm';
import { postDelete, postSave, preDelete } from '../../models.ts';
import { fieldsOnly } from '../difference.ts';
import { insertRows, type PreparedUpdate, prepareUpdate, type Row } from '../rows.ts';
import type { ScopedWrite } from '../write-scope.ts';
import { announce, sendBulk, type Settled, settled, writeWhole } from './bulk-write.ts';
import { equalities } from './conditions.ts';
import { lenientColumns, Undecoded, withLenientCodecs } from './decode.ts';
import { asErrorOf, executeReturning, type Outcome } from './execute.ts';
import type { Handle } from './handle.ts';
import { copyOf, partOf, runQuery } from './internals.ts';
import { describeQuery, type Query, type Run } from './query.ts';
import { isOfOneRow, keyedBy, whereIs } from './tables.ts';
import {
  assignedValues,
  computedOnce,
  insertedRows,
  insertPart,
  isExpression,
  updatePart,
  valuesByRow,
} from './values.ts';

/**
 * A write whose rows are known before: it sends the signals of each. The statement that was asked for is run once,
 * between the signals before it and those after it, so that it is done whole or not at all.
 */
export class RowWrite {
  private readonly run: Run;
  private readonly query: Query;
  private readonly handle: Handle;
  private readonly write: ScopedWrite;
  private readonly outcomes: Outcome[] = [];

  constructor(run: Run, query: Query, handle: Handle) {
    this.run = run;
    this.query = query;
    this.handle = handle;
    this.write = handle.write();
  }

  async perform(): Promise<Settled> {
    const { query } = this;
    if (query.operation === 'insert') {
      await this.insert();
      return this.settle();
    }
    const isOfOne = isOfOneRow(partOf(query.builder, 'where'), query.table);
    const images = isOfOne && !this.needsImage() ? [undefined] : await this.readImages();
    if (images === undefined || (isOfOne && images.length > 1)) return this.writeWhole();
    // What the caller asked for writes nothing, and the driver says so itself.
    if (images.length === 0) return settled(await this.runAsAsked(), undefined);
    await (query.operation === 'delete' ? this.delete(images, isOfOne) : this.update(images, isOfOne));
    return this.settle();
  }

  private writeWhole(): Promise<Settled> {
    announce(this.run, this.handle);
    return writeWhole(this.run, this.handle);
  }

  private async insert(): Promise<void> {
    const { builder, table } = this.query;
    const given = insertedRows(builder, table);
    await insertRows(this.write.send, table, given, async (drafts) =>
      this.execute(insertPart(builder, this.handle.primary, table, drafts)),
    );
  }

  private async delete(images: readonly (Row | undefined)[], isOfOne: boolean): Promise<void> {
    const { table } = this.query;
    const imageOf = this.find(images, images, isOfOne);
    for (const image of images) {
      if (image !== undefined) await this.write.send(preDelete, table, { instance: image, origin: image });
    }
    for (const row of this.atMostOne(await this.execute({}), isOfOne)) {
      const instance = imageOf(row) ?? row;
      await this.write.send(postDelete, table, { instance, origin: instance });
    }
  }

  private async update(images: readonly (Row | undefined)[], isOfOne: boolean): Promise<void> {
    const { builder, table } = this.query;
    const [key, values] = [equalities(partOf(builder, 'where'), table), assignedValues(builder)];
    const updates: PreparedUpdate[] = [];
    for (const before of images) {
      updates.push(await prepareUpdate(this.write.send, table, { before, key, values, isExpression }));
    }
    const [{ assigned }, ...others] = updates as [PreparedUpdate, ...PreparedUpdate[]];
    const rows = others.every((other) => isDeepStrictEqual(other.assigned, assigned))
      ? this.atMostOne(await this.execute(updatePart(builder, this.handle.primary, table, assigned)), isOfOne)
      : await this.updateEach(images as readonly Row[], updates);
    const expected = images.map((image, index) => ({ ...image, ...updates[index]?.assigned }));
    const updateOf = this.find(expected, updates, isOfOne);
    for (const row of rows) {
      const update = updateOf(row);
      if (update !== undefined) await update.written(row);
      // It has come to meet the condition after the others were read.
      else await this.write.send(postSave, table, unread(row, assigned));
    }
  }

  /** Receivers have changed rows differently. */
  private updateEach(images: readonly Row[], updates: readonly PreparedUpdate[]): Promise<readonly Row[]> {
    const isPostgres = this.handle.primary.execute !== undefined;
    return isPostgres ? this.updateOneByOne(images, updates) : this.updateByCase(images, updates);
  }

  /**
   * One statement tells the rows apart, so that all are written or none. Several would need a savepoint, which would
   * also undo what the app writes meanwhile in the same transaction.
   */
  private async updateByCase(images: readonly Row[], updates: readonly PreparedUpdate[]): Promise<readonly Row[]> {
    const { builder, table } = this.query;
    const rows = updates.map(({ assigned }, index) => ({
      condition: whereIs(images[index] as Row, undefined, table) as SQL,
      values: assigned,
    }));
    const values = valuesByRow(rows, assignedValues(builder), table);
    try {
      return await this.execute(updatePart(builder, this.handle.primary, table, values));
    } catch (error) {
      throw asErrorOf(builder, error);
    }
  }

  /**
   * PostgreSQL must know the type of each value. In a transaction of it nothing comes after a statement that has
   * failed, so that all rows are written or none.
   */
  private async updateOneByOne(images: readonly Row[], updates: readonly PreparedUpdate[]): Promise<readonly Row[]> {
    const { builder, table } = this.query;
    const { primary, session } = this.handle;
    const computed = computedOnce(builder, table);
    const rows: Row[] = [];
    for (const [index, { assigned }] of updates.entries()) {
      const set = updatePart(builder, primary, table, { ...assigned, ...computed.values });
      const where = whereIs(images[index] as Row, partOf(builder, 'where'), table);
      const parts = { table: computed.table, ...set };
      try {
        rows.push(...(await this.execute({ ...parts, where })));
      } catch (error) {
        throw asErrorOf(copyOf(builder, session, parts), error);
      }
    }
    return rows;
  }

  /** Finds what belongs to a row, by its primary key; undefined for a row that was not read. */
  private find<T>(
    images: readonly (Row | undefined)[],
    belonging: readonly T[],
    isOfOne: boolean,
  ): (row: Row) => T | undefined {
    if (isOfOne) return () => belonging[0];
    const { table } = this.query;
    const byKey = new Map(images.map((image, index) => [keyedBy(image as Row, table), belonging[index] as T]));
    return (row) => byKey.get(keyedBy(row, table));
  }

  private atMostOne(rows: readonly Row[], isOfOne: boolean): readonly Row[] {
    if (!isOfOne || rows.length < 2) return rows;
    throw new Error(
      `${describeQuery(this.query)} was to write one row and has met ${String(rows.length)}: the columns that ` +
        'Drizzle says are unique are not so in the database.',
    );
  }

  /** Whether a row must be read before it is written. */
  private needsImage(): boolean {
    const { operation, table } = this.query;
    return operation === 'delete' ? preDelete.hasListeners(table) : this.handle.shared.options.beforeImage;
  }

  /** Undefined if they cannot be decoded: writing them may be what mends them. */
  private async readImages(): Promise<Row[] | undefined> {
    const { builder, table } = this.query;
    const { scope, primary } = this.handle;
    this.write.issue();
    try {
      const selection = primary.select(lenientColumns(table)).from(table).where(partOf(builder, 'where'));
      const query = withLenientCodecs(selection);
      const rows = await (scope.transaction === undefined || query.for === undefined ? query : query.for('update'));
      return rows.some((row) => Object.values(row).some((value) => value instanceof Undecoded)) ? undefined : rows;
    } catch (error) {
      throw asErrorOf(builder, error);
    }
  }

  private async execute(parts: Row): Promise<readonly Row[]> {
    const { primary, session, shared } = this.handle;
    this.write.issue();
    const outcome = await executeReturning(
      this.query.builder,
      { primary, session, results: shared.driver.results },
      parts,
    );
    this.outcomes.push(outcome);
    return outcome.rows;
  }

  private runAsAsked(): Promise<unknown> {
    this.write.issue();
    return runQuery(copyOf(this.query.builder, this.handle.session), this.run.method);
  }

  /** All is written and sent, but for rows that receivers cannot be given. */
  private async settle(): Promise<Settled> {
    const unread = this.outcomes.reduce((sum, outcome) => sum + outcome.unread, 0);
    if (unread > 0) {
      announce(this.run, this.handle);
      await sendBulk(this.query, unread, this.write);
    }
    return settled(this.result(), this.outcomes.find(({ failure }) => failure !== undefined)?.failure);
  }

  /** What the caller's own method resolves to. */
  private result(): unknown {
    const { builder } = this.query;
    if (partOf(builder, 'returning') !== undefined) {
      const returned = this.outcomes.flatMap((outcome) => outcome.returned);
      return this.run.method === 'get' ? returned[0] : returned;
    }
    const results = this.outcomes.map(({ result }) => result as Record<string, number>);
    const last = results.at(-1);
    for (const count of this.handle.shared.driver.results?.counts ?? []) {
      if (last?.[count] !== undefined) last[count] = results.reduce((sum, each) => sum + (each[count] ?? 0), 0);
    }
    return last;
  }
}

function unread(row: Row, assigned: Row): object {
  return { instance: { ...row }, raw: false, created: false, ...fieldsOnly(Object.keys(assigned)) };
}
