import { isObject } from './describe.ts';

/** A map keyed by senders: objects and functions weakly, everything else by value. */
export class SenderMap<TValue> {
  private readonly objects = new WeakMap<object, TValue>();
  private readonly primitives = new Map<unknown, TValue>();
  /** Whether anything was ever put in. */
  used = false;

  /** How many entries have a primitive for key. */
  get primitiveCount(): number {
    return this.primitives.size;
  }

  get(sender: unknown): TValue | undefined {
    return isObject(sender) ? this.objects.get(sender) : this.primitives.get(sender);
  }

  set(sender: unknown, value: TValue): void {
    this.used = true;
    if (isObject(sender)) this.objects.set(sender, value);
    else this.primitives.set(sender, value);
  }

  delete(sender: unknown): void {
    if (isObject(sender)) this.objects.delete(sender);
    else this.primitives.delete(sender);
  }

  /** The values whose key is a primitive; those keyed by an object cannot be enumerated. */
  primitiveValues(): Iterable<TValue> {
    return this.primitives.values();
  }
}
