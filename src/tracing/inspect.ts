import { describe, nameOf, signalName } from '../core/describe.ts';
import { everySignal } from '../core/every-signal.ts';
import type { Origin } from '../core/origin.ts';
import { settingsOf } from '../core/registration.ts';
import { isSignal } from '../core/signal.ts';
import type { AnySignal } from '../core/types.ts';
import { originFor } from './origins.ts';

/** Who listens to one signal. */
export interface SignalListing {
  readonly kind: 'signal';
  /** Its name, or `(unnamed signal)`. */
  readonly name: string;
  readonly signal: AnySignal;
  /** In the order in which they are called, those of all senders. */
  readonly receivers: readonly ReceiverListing[];
}

/** One receiver of a signal. */
export interface ReceiverListing {
  readonly name: string;
  /** Undefined: every sender. */
  readonly sender: unknown;
  /** The sender for people; `any sender`. */
  readonly senderName: string;
  readonly subclasses: boolean;
  readonly priority: number;
  readonly lifetime: 'strong' | 'weak' | 'owner';
  readonly once: boolean;
  readonly afterCommit: boolean;
  readonly dispatchUid: unknown;
  /** The line that connected it, if origins were recorded then; see `recordOrigins()`. */
  readonly origin: Origin | undefined;
}

/**
 * Who listens to a signal; without one, to every signal of the process that has a name and is alive, also those of
 * other copies of the library. Data: print it with `toText()`, `toMermaid()` or `toHtml()`.
 *
 * @throws TypeError if it is no signal.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * saved.connect(function audit() {}, { sender: 'orders', priority: 10 })
 *
 * const { name, receivers } = inspect(saved)
 * name // 'saved'
 * receivers.map(({ name, priority, lifetime }) => [name, priority, lifetime]) // [['audit', 10, 'strong']]
 * receivers[0].senderName // '"orders"'
 * inspect().some((listing) => listing.signal === saved) // true
 * ```
 */
export function inspect(signal: AnySignal): SignalListing;
export function inspect(): SignalListing[];
export function inspect(signal?: AnySignal): SignalListing | SignalListing[] {
  if (signal === undefined) return everySignal.members.filter(({ name }) => name !== '').map(listingOf);
  if (!isSignal(signal)) throw new TypeError(`inspect() takes a signal, not ${describe(signal)}`);
  return listingOf(signal);
}

function listingOf(signal: AnySignal): SignalListing {
  const receivers = signal.connections.map((connection): ReceiverListing => {
    const { receiver, sender } = connection;
    const { subclasses, priority, lifetime, once, afterCommit, dispatchUid } = settingsOf(connection);
    return {
      name: nameOf(receiver),
      sender,
      senderName: nameOfSender(sender),
      subclasses,
      priority,
      lifetime,
      once,
      afterCommit,
      dispatchUid,
      origin: originFor(connection),
    };
  });
  return { kind: 'signal', name: signalName(signal), signal, receivers };
}

/** A sender for people: a class by its name. */
export function nameOfSender(sender: unknown): string {
  if (sender === undefined || sender === null) return 'any sender';
  return typeof sender === 'function' ? nameOf(sender) : describe(sender);
}
