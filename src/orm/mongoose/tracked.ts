import type { ClientSession, Document } from 'mongoose';

/** What Mongoose sets a document back to when its transaction fails, as it remembers it. */
interface Tracked {
  modifiedPaths: Set<string>;
}

type TrackedDocuments = Map<Document, Tracked>;

/** Where Mongoose remembers them, for a session of `connection.transaction()`. */
function keyOf(session: ClientSession): symbol | undefined {
  return Object.getOwnPropertySymbols(session).find(
    ({ description }) => description === 'mongoose#ClientSession#newDocuments',
  );
}

function trackedIn(session: ClientSession): TrackedDocuments | undefined {
  const key = keyOf(session);
  return key === undefined ? undefined : (session as unknown as Record<symbol, TrackedDocuments>)[key];
}

/**
 * What receivers change is part of the save, and has to be written again where the transaction is tried again. Mongoose
 * has looked before them.
 *
 * @returns to be called after the receivers
 */
export function trackChanges(session: ClientSession | undefined, document: Document): () => void {
  const tracked = session === undefined ? undefined : trackedIn(session)?.get(document);
  if (tracked === undefined) return () => undefined;
  const before = new Set(document.directModifiedPaths());
  return () => {
    for (const path of document.directModifiedPaths()) if (!before.has(path)) tracked.modifiedPaths.add(path);
  };
}

/**
 * In a transaction, Mongoose keeps a path marked as changed that is set back to the value it had. In one of the
 * adapter's own a save is what it is without, until it is tried again: then the old value is none that is stored.
 *
 * @returns ends this
 */
export function unmarkAsOutside(session: ClientSession): () => void {
  const key = keyOf(session);
  if (key === undefined) return () => undefined;
  const documents = new FirstTry();
  Object.assign(session, { [key]: documents });
  return () => {
    documents.isOver = true;
  };
}

/** Says of every path that it was not changed when the transaction began. */
class FirstTry extends Map<Document, Tracked> {
  isOver = false;

  override get(document: Document): Tracked | undefined {
    const tracked = super.get(document);
    return tracked !== undefined || this.isOver ? tracked : { modifiedPaths: new FirstPaths(this) };
  }

  override set(document: Document, tracked: Tracked): this {
    tracked.modifiedPaths = new FirstPaths(this, tracked.modifiedPaths);
    return super.set(document, tracked);
  }
}

class FirstPaths extends Set<string> {
  private readonly documents: FirstTry;

  constructor(documents: FirstTry, paths: Iterable<string> = []) {
    super(paths);
    this.documents = documents;
  }

  override has(path: string): boolean {
    return this.documents.isOver && super.has(path);
  }
}
