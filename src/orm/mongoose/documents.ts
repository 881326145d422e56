import type { Document, Model } from 'mongoose';
import type { Changes } from '../../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../../models.ts';
import { INSERTED } from '../inserted.ts';
import type { MongooseAdapter } from './adapter.ts';
import { sessionOf } from './sessions.ts';

/** What of a save is only known before it. */
interface Saving {
  readonly created: boolean;
  readonly updateFields: ReadonlySet<string> | null;
  readonly changes: Changes | null;
}

/**
 * The hooks of documents. The same functions for every schema: Mongoose merges those of a discriminator with its base's
 * by identity.
 */
export function documentHooks(
  adapter: MongooseAdapter,
): Record<'beforeSave' | 'afterSave' | 'beforeDelete' | 'afterDelete', (this: Document) => Promise<void>> {
  const saving = new WeakMap<Document, Saving>();
  const concerns = (document: Document, ...signals: readonly { hasListeners(sender: unknown): boolean }[]): boolean =>
    adapter.active && !isSubdocument(document) && signals.some((signal) => signal.hasListeners(document.constructor));
  return {
    async beforeSave() {
      if (!concerns(this, preSave, postSave)) return;
      const image = await imageOf(this, adapter);
      const session = sessionOf(this);
      await adapter.send(preSave, this.constructor, session, this, {
        instance: this,
        raw: false,
        ...savingOf(this, image),
      });
      saving.set(this, savingOf(this, image));
    },
    async afterSave() {
      const saved = saving.get(this);
      saving.delete(this);
      if (saved === undefined || !concerns(this, postSave)) return;
      await adapter.send(postSave, this.constructor, sessionOf(this), this, { instance: this, raw: false, ...saved });
    },
    async beforeDelete() {
      if (!concerns(this, preDelete)) return;
      await adapter.send(preDelete, this.constructor, sessionOf(this), this, { instance: this, origin: this });
    },
    async afterDelete() {
      if (!concerns(this, postDelete)) return;
      await adapter.send(postDelete, this.constructor, sessionOf(this), this, { instance: this, origin: this });
    },
  };
}

/**
 * The document as it is stored, to tell what changes: Mongoose remembers which paths were set, and not what they held.
 */
async function imageOf(document: Document, { options }: MongooseAdapter): Promise<Record<string, unknown> | undefined> {
  if (document.isNew || !options.beforeImage || document.directModifiedPaths().length === 0) return undefined;
  const model = document.constructor as Model<unknown>;
  const image: unknown = await model
    .findById(document._id)
    .session(sessionOf(document) ?? null)
    .lean()
    .exec();
  return (image ?? undefined) as Record<string, unknown> | undefined;
}

function savingOf(document: Document, image: Record<string, unknown> | undefined): Saving {
  if (document.isNew) return INSERTED;
  const paths = document.directModifiedPaths();
  const changes =
    image === undefined && paths.length > 0
      ? null
      : Object.fromEntries(paths.map((path) => [path, { from: at(image, path), to: document.get(path) as unknown }]));
  return { created: false, updateFields: new Set(paths), changes };
}

/** The value at a path such as `address.city`. */
function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((each, key) => (each as Record<string, unknown> | null | undefined)?.[key], value);
}

function isSubdocument(document: Document): boolean {
  return (document as { $isSubdocument?: boolean }).$isSubdocument === true;
}
