import type { PostBulkArgs } from '../core/model-types.ts';
import { postDelete, postSave, preDelete, preSave } from '../models.ts';
import type { BulkPolicy } from './adapter-options.ts';
import { senderName } from './deliver.ts';

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

/** Is loud about bulk writes as the policy asks; remembers what it has warned of. */
export class BulkGuard {
  readonly policy: BulkPolicy;
  private readonly warned = new Set<string>();

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
    const site = knownSite ?? callSite();
    const known = `${site} ${operation} ${senderName(sender)}`;
    if (this.warned.has(known)) return;
    this.warned.add(known);
    process.emitWarning(`${what} Receivers of them are not called${site === '' ? '' : ` (${site})`}. ${alternative}`, {
      type: 'TocsinWarning',
      code: 'TOCSIN_BULK',
    });
  }
}

/**
 * The line of the app that asked for the write: the first that is neither in a package, nor in Node, nor in this
 * library.
 */
export function callSite(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  const stack = new Error().stack ?? '';
  Error.stackTraceLimit = stackTraceLimit;
  const lines = stack.split('\n').slice(1);
  const library = pathIn(lines[0]).replace(/(orm[/\\])?[^/\\]*$/, '');
  const line = lines.find((each) => {
    const path = pathIn(each);
    return path !== '' && !path.includes('node_modules') && !path.startsWith('node:') && !path.startsWith(library);
  });
  return line?.trim() ?? '';
}

/** The file that a line of a stack trace names; `''` if none. */
function pathIn(line: string | undefined): string {
  return /([^\s()]+):\d+:\d+\)?$/.exec(line ?? '')?.[1] ?? '';
}
