import { isObject } from './describe.ts';

/** A map keyed by senders: objects and functions weakly, everything else by value. */
export class SenderMap<TValue> {
  private readonly objects = new WeakMap<object, TValue>();
  private readonly primitives = new Map<unknown, TValue>();

  /** The part that a sender belongs to. */
  of(sender: unknown): Map<unknown, TValue> {
    return isObject(sender) ? (this.objects as Map<unknown, TValue>) : this.primitives;
  }
}
