/** Something that loses parts to the garbage collector. */
export interface Sweepable {
  /** Whether it waits to be swept. */
  waits: boolean;
  /** Remove what was collected; true if more of it can be. */
  sweep(): boolean;
}

/**
 * One registration for all parts of a thing, and not one for each: that of an object which the next collection takes.
 */
const collections = /* @__PURE__ */ new FinalizationRegistry<WeakRef<Sweepable>>((reference) => {
  const swept = reference.deref();
  if (swept === undefined) return;
  swept.waits = false;
  if (swept.sweep()) sweepAfterCollection(swept);
});

/** Sweep it after each garbage collection, as long as it has what can be collected. Does not keep it alive. */
export function sweepAfterCollection(swept: Sweepable): void {
  if (swept.waits) return;
  swept.waits = true;
  collections.register({}, new WeakRef(swept));
}
