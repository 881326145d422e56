import { postBulk } from '../../models.ts';
import { hasReceivers } from '../bulk.ts';
import type { WriteContext } from '../send-model-signal.ts';
import type { AnyModel, MongooseAdapter } from './adapter.ts';
import { siteOf } from './call-sites.ts';
import { writeIndividually } from './individual.ts';
import { type AnyQuery, operationOf, sessionOfQuery } from './query.ts';

const ALTERNATIVE =
  'Use save() and deleteOne() on documents, listen to postBulk, or give signals() another `bulk` option.';

const ofDocuments = new WeakSet();

/** The query behind `document.deleteOne()`, whose signals are the document's. */
export function belongsToDocument(query: AnyQuery): void {
  ofDocuments.add(query);
}

/** The hooks of queries that write documents which nobody has loaded. */
export function queryHooks(adapter: MongooseAdapter): {
  before: (this: AnyQuery) => void;
  after: (this: AnyQuery, result: unknown) => Promise<void> | undefined;
} {
  const running = new WeakMap<AnyQuery, WriteContext>();
  /** Queries that were done document by document. */
  const individual = new WeakSet<AnyQuery>();
  return {
    before() {
      if (!adapter.active || ofDocuments.has(this)) return;
      const model = this.model as AnyModel;
      const session = sessionOfQuery(this);
      adapter.checkOutside(model, session, `${this.op}()`, siteOf(this));
      const operation = operationOf(this);
      const announce = (): void => {
        adapter.bulk.announce(operation, model, ALTERNATIVE, siteOf(this));
      };
      if (postBulk.hasListeners(model)) running.set(this, adapter.context(model, session));
      if (adapter.options.bulk === 'individual' && hasReceivers(operation, model)) {
        writeIndividually(adapter, this, session, (wasIndividual) => {
          if (wasIndividual) individual.add(this);
          else announce();
        });
      } else {
        announce();
      }
    },
    after(result) {
      if (!adapter.active || ofDocuments.has(this) || individual.has(this)) return undefined;
      const model = this.model as AnyModel;
      if (!postBulk.hasListeners(model)) return undefined;
      const operation = operationOf(this);
      return adapter.send(postBulk, model, running.get(this) ?? adapter.context(model, sessionOfQuery(this)), {
        operation,
        where: this.getFilter(),
        values: operation === 'delete' ? undefined : (this.getUpdate() ?? undefined),
        count: countOf(this, result),
      });
    },
  };
}

interface Result {
  readonly modifiedCount?: number;
  readonly upsertedCount?: number;
  readonly deletedCount?: number;
}

function countOf(query: AnyQuery, result: unknown): number | undefined {
  if (query.op.startsWith('findOneAnd')) {
    // They answer with the document as it was before, and so with nothing if it was inserted.
    const { includeResultMetadata, upsert } = query.getOptions();
    if (includeResultMetadata === true) {
      const { value, lastErrorObject } = Object(result) as { value?: unknown; lastErrorObject?: { n?: number } };
      return lastErrorObject?.n ?? (value === null || value === undefined ? 0 : 1);
    }
    return result === null && upsert !== true ? 0 : 1;
  }
  const { deletedCount, modifiedCount, upsertedCount = 0 } = Object(result) as Result;
  return deletedCount ?? (modifiedCount === undefined ? undefined : modifiedCount + upsertedCount);
}
