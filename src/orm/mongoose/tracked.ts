import type { ClientSession, Document } from 'mongoose';

/** What Mongoose sets a document back to when its transaction fails, as it remembers it. */
interface Tracked {
  modifiedPaths: Set<string>;
}

type TrackedDocuments = Map<Document, Tracked>;

/** How Mongoose remembers the documents of `connection.transaction()`: by a plugin of its own. */
interface Tracking {
  /** Where a session holds them. */
  readonly key: symbol;
  /** The hook of `save` that remembers a document, unless it is remembered already. */
  readonly track: (this: Document) => unknown;
}

const trackings = new WeakMap<object, Tracking>();

/**
 * How this Mongoose remembers documents. It says so nowhere, and a bundler may have changed the names of its functions,
 * so that its own plugins are tried out.
 *
 * @throws TypeError if it does so in no way that is known here.
 */
export function trackingOf(base: object): Tracking {
  let tracking = trackings.get(base);
  if (tracking === undefined) trackings.set(base, (tracking = findTracking(base)));
  return tracking;
}

function findTracking(base: object): Tracking {
  const { Mongoose } = base as { Mongoose?: new () => { plugins?: unknown } };
  // Another one has no plugins but Mongoose's own.
  const plugins = typeof Mongoose === 'function' ? new Mongoose().plugins : undefined;
  for (const entry of Array.isArray(plugins) ? (plugins as unknown[]) : []) {
    for (const track of hooksOf(Array.isArray(entry) ? entry[0] : undefined)) {
      const [key, ...others] = keysReadBy(track);
      if (key !== undefined && others.length === 0) return { key, track };
    }
  }
  throw new TypeError(
    'tocsin/mongoose must know where Mongoose remembers the documents of a transaction, and none of the plugins in ' +
      '`new Mongoose().plugins` does so as it did up to Mongoose 9.12. Install such a version of Mongoose.',
  );
}

/** The hooks of `save` that a plugin adds to a schema. */
function hooksOf(plugin: unknown): Tracking['track'][] {
  const hooks: Tracking['track'][] = [];
  const pre = (name: unknown, ...rest: unknown[]): void => {
    const hook = rest.find((each) => typeof each === 'function');
    if (name === 'save' && hook !== undefined) hooks.push(hook as Tracking['track']);
  };
  const post = (): void => undefined;
  try {
    (plugin as (schema: object) => void)({ pre, post, s: { hooks: { pre, post } } });
  } catch {
    // One that wants more of a schema is another.
  }
  return hooks;
}

/** The symbols that the hook looks for in the session of a document: it goes no further where there is nothing. */
function keysReadBy(track: Tracking['track']): symbol[] {
  const keys = new Set<symbol>();
  const session = new Proxy<Record<string | symbol, unknown>>(
    { transaction: {} },
    {
      get: (target, name) => {
        if (typeof name === 'symbol') keys.add(name);
        return target[name];
      },
    },
  );
  try {
    // Others want more of a document, and may say so by a promise.
    void Promise.resolve(track.call({ $session: () => session } as unknown as Document)).catch(() => undefined);
  } catch {
    return [];
  }
  return [...keys];
}

function trackedIn(session: ClientSession, { key }: Tracking): TrackedDocuments | undefined {
  return (session as unknown as Record<symbol, TrackedDocuments | undefined>)[key];
}

/**
 * What receivers change is part of the save, and has to be written again where the transaction is tried again. Mongoose
 * has looked before them.
 *
 * @returns to be called after the receivers
 */
export function trackChanges(base: object, session: ClientSession | undefined, document: Document): () => void {
  const tracking = trackingOf(base);
  const documents = session === undefined ? undefined : trackedIn(session, tracking);
  if (documents instanceof FirstTry) documents.track(document, tracking);
  const tracked = documents?.get(document);
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
export function unmarkAsOutside(base: object, session: ClientSession): () => void {
  const documents = new FirstTry();
  Object.assign(session, { [trackingOf(base).key]: documents });
  return () => {
    documents.isOver = true;
  };
}

/** In a transaction of the adapter's own, the document is about to be saved: its hooks run now. */
export function isAboutToBeSaved(base: object, session: ClientSession | null | undefined, document: unknown): void {
  if (session === null || session === undefined) return;
  const documents = trackedIn(session, trackingOf(base));
  if (documents instanceof FirstTry) documents.saving.add(document as Document);
}

/** Says of every path that it was not changed when the transaction began. */
class FirstTry extends Map<Document, Tracked> {
  isOver = false;
  /**
   * Those whose hooks run. Before 9.12 Mongoose asks `has()` of them whenever a path is set, which so must be true. Its
   * plugin asks the same, and is called when it is told the truth.
   */
  readonly saving = new WeakSet<Document>();

  track(document: Document, { track }: Tracking): void {
    if (!this.saving.delete(document)) return;
    track.call(document);
  }

  override has(document: Document): boolean {
    return super.has(document) || (!this.isOver && this.saving.has(document));
  }

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
