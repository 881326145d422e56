import { hasReceivers } from '../bulk.ts';
import { announce, isBulkHeard, sendAfter, type Settled, writeWhole } from './bulk-write.ts';
import type { Handle } from './handle.ts';
import { partOf } from './internals.ts';
import { canBeIndividual, describeQuery, isOfRows, isUnderstood, type Query, type Run } from './query.ts';
import { RowWrite } from './row-write.ts';

/** Run a write, with the signals that it sends. */
export function perform(run: Run, query: Query, through: Handle): unknown {
  const { options, driver } = through.shared;
  const description = describeQuery(query);
  const handle = through.effective;
  try {
    handle.checkOutside(description, run.site);
    const isHeard = hasReceivers(query.operation, query.table);
    const isUsual = isOwn(run, through) && isUnderstood(run, driver.results !== undefined);
    const isAtomic = options.atomic || handle.scope.transaction !== undefined;
    const isIndividual = options.bulk === 'individual' && isHeard && isAtomic;
    if (isUsual && (isOfRows(query) || (isIndividual && canBeIndividual(query)))) {
      if (!isHeard) return handle.plainly(description, run.natively);
      return afterwards(handle.within(description, (inside) => new RowWrite(run, query, inside).perform()));
    }
    return performWhole(run, description, through);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Run a query that writes in the queries that it is built `with()`. */
export function performSelect(run: Run, through: Handle): unknown {
  try {
    through.effective.checkOutside('a query with writes', run.site);
    return performWhole(run, 'a query with writes', through);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Run a query that was prepared before. It goes where it was prepared for, so that it gets no transaction. */
export function performPrepared(run: Run, query: Query, through: Handle): unknown {
  const handle = through.effective;
  try {
    handle.checkOutside(describeQuery(query), run.site);
    announce(run, handle);
    return whereItIs(run, describeQuery(query), handle);
  } catch (error) {
    return Promise.reject(error);
  }
}

function performWhole(run: Run, description: string, through: Handle): unknown {
  const handle = through.effective;
  announce(run, handle);
  if (!isBulkHeard(run) || !isOwn(run, through) || failsAfterwards(run)) return whereItIs(run, description, handle);
  return afterwards(handle.within(description, (inside) => writeWhole(run, inside)));
}

/** What fails when the rows are written must not undo them: it fails when the transaction is over. */
async function afterwards(running: Promise<Settled>): Promise<unknown> {
  return (await running)();
}

function whereItIs(run: Run, description: string, handle: Handle): unknown {
  if (!isBulkHeard(run)) return handle.plainly(description, run.natively);
  const write = handle.write();
  return sendAfter(handle.plainly(description, run.natively) as Promise<unknown>, run, write);
}

/** Whether it goes to the database of the handle; what is built `with()` a replica's queries goes to that replica. */
function isOwn({ builder }: Run, { session }: Handle): boolean {
  return builder.session === session;
}

/** What returns no rows writes all the same, and then `get()` fails, for want of one. A transaction would undo it. */
function failsAfterwards({ builder, method }: Run): boolean {
  return method === 'get' && partOf(builder, 'returning') === undefined;
}
