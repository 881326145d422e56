import type { PostBulkArgs } from '../core/model-types.ts';
import { callSite } from '../core/origin.ts';
import { isIdle } from '../core/signal.ts';
import { m2mChanged, postBulk, postDelete, postSave, preDelete, preSave } from '../models.ts';
import type { BulkPolicy } from './adapter-options.ts';
import { senderName } from './send-model-signal.ts';
import { warnOnce, type WarnedSites } from './warning.ts';

type Operation = PostBulkArgs['operation'];

/** Whether someone listens to the save signals of `sender`, or for a delete, to its delete signals. */
export function hasReceivers(operation: Operation, sender: unknown): boolean {
  const missed = operation === 'delete' ? [preDelete, postDelete] : [preSave, postSave];
  return missed.some((signal) => signal.hasListeners(sender));
}

/** Whether someone listens to the save or delete signals of any sender. */
export function hasAnyReceivers(): boolean {
  return [preSave, postSave, preDelete, postDelete].some((signal) => signal.connections.length > 0);
}

const SIGNALS = [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk] as unknown as readonly Parameters<
  typeof isIdle
>[0][];

/** Whether no model signal has a receiver, for any model: then no adapter has anything to do. */
export function nobodyListens(): boolean {
  // Asked by every write: a loop, which makes nothing.
  for (const signal of SIGNALS) if (!isIdle(signal)) return false;
  return true;
}

/** Is loud about bulk writes as the policy asks; remembers what it has warned of. */
export class BulkGuard {
  readonly policy: BulkPolicy;
  private readonly warned: WarnedSites = new Set();

  constructor(policy: BulkPolicy) {
    this.policy = policy;
  }

  /**
   * To be called before the write is done, in the call of the app; or with the `knownSite` of that call, if an ORM only
   * begins later.
   *
   * @throws Error with `bulk: 'throw'`.
   */
  announce(operation: Operation, sender: unknown, alternative: string, knownSite?: string): void {
    if (this.policy === 'signal') return;
    const what = `A bulk ${operation} of ${senderName(sender)} sends no save or delete signals for its rows.`;
    if (this.policy === 'throw') throw new Error(`${what} It is refused (bulk: 'throw'). ${alternative}`);
    if (!hasReceivers(operation, sender)) return;
    const message = (at: string): string => `${what} Receivers of them are not called${at}. ${alternative}`;
    const site = knownSite ?? callSite();
    const detail = site === '' ? `${operation} ${senderName(sender)}` : operation;
    warnOnce(this.warned, 'TOCSIN_BULK', site, detail, message);
  }
}
