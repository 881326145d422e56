import type { ClientSession, Document } from 'mongoose';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import type { WriteContext } from '../send-model-signal.ts';
import type { AnyModel, MongooseAdapter } from './adapter.ts';
import type { WriteOptions } from './write-options.ts';
import { siteOf } from './call-sites.ts';
import { type BulkSave, currentBulkSave } from './calls.ts';
import { isWrittenIn } from './in-transaction.ts';
import { type AnyQuery, sessionOfQuery } from './query.ts';
import { sessionIn } from './sessions.ts';
import { trackChanges } from './tracked.ts';
import { type Internals, isNew, type Row, storedRow, type Written, writtenBy, writtenPaths } from './written.ts';

/** The model of a document, which a schema path called `db` or `model` cannot hide. */
export function modelOf(document: Document): AnyModel {
  return document.constructor as AnyModel;
}

/**
 * The hooks of saves. The same functions for every schema: Mongoose merges those of a discriminator with its base's by
 * identity. They return nothing where nobody listens, for Mongoose only waits for promises.
 */
export function saveHooks(
  adapter: MongooseAdapter,
): Record<'beforeSave' | 'afterSave', (this: Document) => Promise<void> | undefined> {
  const saving = new WeakMap<Document, { readonly context: WriteContext; readonly written: Written }>();

  async function beforeSave(document: Document, session: ClientSession | undefined, call: BulkSave | undefined) {
    const model = modelOf(document);
    const context = adapter.context(model, session, call?.call);
    let stored: Row | undefined;
    const read = async (): Promise<void> => {
      if (stored !== undefined || isNew(document) || !adapter.options.beforeImage) return;
      if (writtenPaths(document).length > 0) stored = await storedRow(model, document, session);
    };
    await read();
    const written = (): Written => writtenBy(document, stored);
    const trackAgain = trackChanges(model.base, session, document);
    await adapter.send(preSave, model, context, () => ({ instance: document, raw: false, ...written() }));
    await read();
    if (context.transaction?.state === 'rolledBack') throw rolledBackError(model);
    trackAgain();
    saving.set(document, { context, written: written() });
  }

  return {
    beforeSave() {
      if (!adapter.active || isSubdocument(this)) return undefined;
      const model = modelOf(this);
      const bulkSave = currentBulkSave();
      const call = bulkSave?.documents.has(this) === true ? bulkSave : undefined;
      const options = call === undefined ? (this as unknown as Internals).$__.saveOptions : call.options;
      // What `bulkSave()` writes is in its own session, whatever the documents were read in.
      const given = call === undefined ? this.$session() : (options as WriteOptions | undefined)?.session;
      const session = sessionIn(given, options, model.base);
      if (session !== undefined) isWrittenIn(session, this);
      adapter.checkOutside(model, session, 'save()');
      saving.delete(this);
      if (!preSave.hasListeners(model) && !postSave.hasListeners(model)) return undefined;
      return beforeSave(this, session, call);
    },
    afterSave() {
      const saved = saving.get(this);
      if (saved === undefined) return undefined;
      saving.delete(this);
      if (!adapter.active) return undefined;
      return adapter.send(postSave, modelOf(this), saved.context, { instance: this, raw: false, ...saved.written });
    },
  };
}

/**
 * Send the signals of `document.deleteOne()`, whose query this is. They belong to it and not to hooks of the schema,
 * which do not know the session of the query.
 */
export function sendAroundDelete(adapter: MongooseAdapter, document: Document, query: AnyQuery): void {
  const model = modelOf(document);
  const args = { instance: document, origin: document };
  let context: WriteContext | undefined;
  let isDeleted = false;
  const isSkipped = (phase: 'pre' | 'post'): boolean => {
    const { middleware } = query.getOptions() as { middleware?: boolean | Readonly<Record<string, unknown>> };
    return middleware === false || (Object(middleware) as Record<string, unknown>)[phase] === false;
  };
  query.pre(async () => {
    // Mongoose deletes nothing then.
    if (!adapter.active || document.$isDeleted()) return;
    const session = sessionOfQuery(query);
    if (session !== undefined) isWrittenIn(session, document);
    adapter.checkOutside(model, session, 'deleteOne()', siteOf(query));
    if (!preDelete.hasListeners(model) && !postDelete.hasListeners(model)) return;
    context = adapter.context(model, session);
    if (!isSkipped('pre')) await adapter.send(preDelete, model, context, args);
    if (context.transaction?.state === 'rolledBack') throw rolledBackError(model);
  });
  // Some releases of Mongoose do not tell by the document itself.
  query.transform((result: unknown) => {
    isDeleted = ((Object(result) as { deletedCount?: number }).deletedCount ?? 0) > 0;
    return result;
  });
  query.post(async () => {
    if (context === undefined || !isDeleted || isSkipped('post')) return;
    await adapter.send(postDelete, model, context, args);
  });
}

function isSubdocument(document: Document): boolean {
  return (document as unknown as Internals).$isSubdocument === true;
}

/** A session that is used after its transaction has been rolled back writes outside of it. */
export function rolledBackError(model: AnyModel): Error {
  return new Error(
    `Nothing of ${model.modelName} was written: the transaction was rolled back while receivers were running. ` +
      'Await every write before the transaction ends, also when another of them fails (Promise.allSettled).',
  );
}
