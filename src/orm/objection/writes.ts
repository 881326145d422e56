import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import { INSERTED } from '../inserted.ts';
import { BulkWrite } from './bulk-write.ts';
import { ConditionalWrite } from './conditional-write.ts';
import { instanceOf, isUpsert, kindOf, type Operation, type Query, type Values } from './query.ts';
import type { Execution, RowWrite } from './row-write.ts';
import { targetOf } from './rows.ts';
import { Update } from './update.ts';

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
