/**
 * A set that keeps none of its members alive and can still list them. What was collected is dropped now and then, as
 * the set grows.
 */
export class IterableWeakSet<T extends object> {
  private readonly references = new Set<WeakRef<T>>();
  private sweepAt = 16;

  add(reference: WeakRef<T>): void {
    this.references.add(reference);
    if (this.references.size < this.sweepAt) return;
    this.sweep();
    this.sweepAt = 16 + this.references.size * 2;
  }

  delete(reference: WeakRef<T> | undefined): void {
    this.references.delete(reference as WeakRef<T>);
  }

  /** Those alive, in the order in which they were added. */
  get members(): T[] {
    return [...this.references].flatMap((reference) => reference.deref() ?? []);
  }

  /** With what was collected and not dropped yet. */
  get size(): number {
    return this.references.size;
  }

  /** Whether nothing is in it, or nothing alive after `sweep()`. */
  get empty(): boolean {
    return this.references.size === 0;
  }

  /** Drop what was collected. */
  sweep(): void {
    for (const reference of this.references) if (reference.deref() === undefined) this.references.delete(reference);
  }
}
