import type { Table } from 'drizzle-orm';
import { preDelete } from '../../models.ts';
import { deleteRow, insertRows, type Row, updateRow } from '../rows.ts';
import type { ScopedWrite } from '../write-scope.ts';
import { announce, writeWhole } from './bulk-write.ts';
import { equalities } from './conditions.ts';
import { asErrorOf, executeReturning, type Outcome } from './execute.ts';
import type { Handle } from './handle.ts';
import { copyOf, partOf, runQuery } from './internals.ts';
import { describeQuery, type Query, type Run } from './query.ts';
import { isOfOneRow, whereIs } from './tables.ts';
import { assignedValues, computedOnce, insertedRows, insertPart, isExpression, updatePart } from './values.ts';

/** What several updates have in common; see `computedOnce()`. */
interface Computed {
  readonly values: Row;
  readonly table?: Table;
}
const NOTHING: Computed = { values: {} };

/** A write whose rows are known before: it sends the signals of each. */
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

  async perform(): Promise<unknown> {
    if (this.query.operation === 'insert') {
      await this.insert();
      return this.result();
    }
    const { query, handle } = this;
    const isOfOne = isOfOneRow(partOf(query.builder, 'where'), query.table);
    const images = isOfOne && !this.needsImage() ? [undefined] : await this.readImages();
    // What the caller asked for writes nothing, and the driver says so itself.
    if (images.length === 0) return this.runAsAsked();
    const computed = isOfOne ? NOTHING : this.computed();
    if (computed === undefined || (isOfOne && images.length > 1)) {
      announce(this.run, handle);
      return writeWhole(this.run, handle);
    }
    for (const before of images) await this.writeRow(before, isOfOne, computed);
    return this.result();
  }

  private async insert(): Promise<void> {
    const { builder, table } = this.query;
    const given = insertedRows(builder, table);
    await insertRows(this.write.send, table, given, async (drafts) =>
      this.execute(insertPart(builder, this.handle.primary, table, drafts)),
    );
  }

  private async writeRow(before: Row | undefined, isOfOne: boolean, computed: Computed): Promise<void> {
    const { builder, table, operation } = this.query;
    const condition = partOf(builder, 'where');
    const where = isOfOne ? condition : whereIs(before as Row, condition, table);
    const execute = async (parts: Row): Promise<Row | undefined> => {
      const [row, ...others] = await this.execute({ ...parts, where }).catch((error: unknown) => {
        if (isOfOne) throw error;
        throw asErrorOf(copyOf(builder, this.handle.session, parts), error);
      });
      if (others.length === 0) return row;
      throw new Error(
        `${describeQuery(this.query)} was to write one row and has met ${String(others.length + 1)}: the columns that ` +
          'Drizzle says are unique are not so in the database.',
      );
    };
    if (operation === 'delete') {
      await deleteRow(this.write.send, table, before, () => execute({}));
      return;
    }
    const values = assignedValues(builder);
    const update = { before, key: equalities(condition, table), values, isExpression };
    await updateRow(this.write.send, table, update, (assigned) =>
      execute({
        ...(computed.table === undefined ? {} : { table: computed.table }),
        ...updatePart(builder, this.handle.primary, table, { ...assigned, ...computed.values }),
      }),
    );
  }

  /** Whether a row must be read before it is written. */
  private needsImage(): boolean {
    const { operation, table } = this.query;
    return operation === 'delete' ? preDelete.hasListeners(table) : this.handle.shared.options.beforeImage;
  }

  private async readImages(): Promise<Row[]> {
    const { builder, table } = this.query;
    const { scope, primary } = this.handle;
    this.write.issue();
    try {
      const rows = primary.select().from(table).where(partOf(builder, 'where'));
      return await (scope.transaction === undefined || rows.for === undefined ? rows : rows.for('update'));
    } catch (error) {
      throw asErrorOf(builder, error);
    }
  }

  private computed(): Computed | undefined {
    const { builder, table, operation } = this.query;
    return operation === 'update' ? computedOnce(builder, table) : NOTHING;
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
