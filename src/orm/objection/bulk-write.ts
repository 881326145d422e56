import type { PostBulkArgs } from '../../core/model-types.ts';
import { postBulk } from '../../models.ts';
import { mixinOf, senderOf } from './mixin.ts';
import type { Operation, Query } from './query.ts';
import type { Execution } from './row-write.ts';

const ADVICE = 'Write instances, or rows by their id, listen to postBulk, or give withSignals() another `bulk` option.';

/** A write that is not broken down into rows. */
export class BulkWrite {
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

/**
 * An update of related rows may set columns of the join table, too: by a bulk update that Objection makes after it.
 *
 * @throws Error if that will be refused, before anything is written.
 */
export function refuseJoinUpdate(query: Query, { relation, hasExtraProps, delegate }: Operation): void {
  if (delegate !== undefined) refuseJoinUpdate(query, delegate);
  const join = hasExtraProps === true ? relation?.getJoinModelClass(query.unsafeKnex()) : undefined;
  const bulk = join === undefined ? undefined : mixinOf(join)?.bulk;
  if (join !== undefined && bulk?.policy === 'throw') bulk.announce('update', senderOf(join), ADVICE);
}
