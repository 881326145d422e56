import { postBulk } from '../../models.ts';
import type { Row } from '../rows.ts';
import { BulkWrite } from './bulk-write.ts';
import type { Operation, Query } from './query.ts';
import type { Send } from './row-update.ts';
import type { Execution, RowWrite } from './row-write.ts';
import { findQueryOf } from './rows.ts';

/** Of an update or a delete. */
export abstract class ConditionalWrite implements RowWrite {
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

/** How many rows a statement has written; undefined when its result does not say. */
export function affectedRows(result: unknown): number | undefined {
  if (typeof result === 'number') return result;
  if (Array.isArray(result)) return typeof result[0] === 'number' ? result[0] : result.length;
  return typeof result === 'object' && result !== null ? 1 : undefined;
}
