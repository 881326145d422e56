import { isObject } from './describe.ts';

/** A map keyed by senders: objects and functions weakly, everything else by value. */
export class SenderMap<TValue> {
  private readonly objects = new WeakMap<object, TValue>();
  private readonly primitives = new Map<unknown, TValue>();

  get(sender: unknown): TValue | undefined {
    return isObject(sender) ? this.objects.get(sender) : this.primitives.get(sender);
  }

  set(sender: unknown, value: TValue): void {
    if (isObject(sender)) this.objects.set(sender, value);
    else this.primitives.set(sender, value);
  }

  delete(sender: unknown): void {
    if (isObject(sender)) this.objects.delete(sender);
    else this.primitives.delete(sender);
  }
}
