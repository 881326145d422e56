import { describe } from './describe.ts';
import { everySignal } from './every-signal.ts';
import { isSignal } from './signal.ts';
import { registry } from './registry.ts';

/**
 * End every connection made for this very `sender`, on all signals: what to call when a document is closed, or a tenant
 * is gone. Those for every sender go on hearing it, as do those for its base classes with `subclasses`. Sends in flight
 * do not call the receivers any more. A sender that is collected needs no call: its connections go with it.
 *
 * @returns true if a connection was ended.
 * @throws TypeError if `sender` is `undefined` or `null`, which stand for every sender.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * const closed = new Signal('closed')
 * const draft = { title: 'Bells' }
 * saved.connect(() => 'draft', { sender: draft })
 * saved.connect(() => 'any')
 * closed.connect(() => 'draft', { sender: draft })
 *
 * disconnectSender(draft) // true
 * saved.send(draft).map(([, response]) => response) // ['any']
 * closed.hasListeners(draft) // false
 * ```
 */
export function disconnectSender(sender: unknown): boolean {
  if (sender === undefined || sender === null)
    throw new TypeError(`disconnectSender() takes the value given as sender, not ${describe(sender)}`);
  let ended = false;
  for (const signal of everySignal.members) {
    const bucket = isSignal(signal) ? signal[registry].bucketOf(sender) : undefined;
    for (const { connection } of bucket?.registrations.values() ?? []) ended = connection.disconnect() || ended;
  }
  return ended;
}
