import { type CommitCallback, runImmediately } from '../core/after-commit.ts';
import { report } from '../core/report.ts';
import type { AnySignal } from '../core/types.ts';
import { type Frame, inFrame } from './frames.ts';

/** Something to do after a commit. Never rejects: what goes wrong is reported. */
export interface Callback {
  (): Promise<void>;
  /** It never will be: a rollback came first. */
  dropped?: (() => void) | undefined;
}

/** Do everything in turn, what is added meanwhile included. */
export async function runAll(callbacks: Callback[]): Promise<void> {
  for (let callback = callbacks.shift(); callback !== undefined; callback = callbacks.shift()) await callback();
}

/**
 * What waits for the commit of one connection's transaction: a list for the transaction and one for each open
 * savepoint. A released savepoint hands its list to what surrounds it; a rolled back one drops it.
 */
export class CommitQueue {
  private readonly lists: Callback[][] = [];

  /** How many transactions and savepoints are open. */
  get depth(): number {
    return this.lists.length;
  }

  begin(): void {
    this.lists.push([]);
  }

  /** Take note of how deep in savepoints the transaction is, for an ORM that knows it: 1 for none. */
  enter(depth: number): void {
    while (this.lists.length < depth) this.lists.push([]);
    this.drop(depth);
  }

  rollback(): void {
    this.drop(this.lists.length - 1);
  }

  /**
   * Commit, or release a savepoint. Returns what is to be done now: everything that waited, if this was the outermost
   * commit.
   */
  commit(): Callback[] {
    const list = this.lists.pop() ?? [];
    const surrounding = this.lists.at(-1);
    if (surrounding === undefined) return list;
    surrounding.push(...list);
    return [];
  }

  /** Take over what a savepoint hands on that has a queue of its own. */
  adopt(callbacks: readonly Callback[]): void {
    this.lists.at(-1)?.push(...callbacks);
  }

  /** Forget what a connection left behind that was lost in mid-transaction. */
  clear(): void {
    this.drop(0);
  }

  /** The `onCommit` of a payload that is sent now. `cause` tells on whose behalf a callback is given. */
  onCommit(signal: AnySignal, sender: unknown, cause: () => Frame | undefined): (callback: () => unknown) => void {
    return (callback) => {
      const list = this.lists.at(-1);
      if (list === undefined) {
        runImmediately(signal, sender)(callback);
        return;
      }
      const frame = cause();
      const waiting: Callback = () =>
        inFrame(frame, async () => {
          try {
            await callback();
          } catch (error) {
            report(error, { signal, sender, receiver: undefined });
          }
        });
      waiting.dropped = (callback as CommitCallback).dropped;
      list.push(waiting);
    };
  }

  /** Forget all lists but the first so many. */
  private drop(depth: number): void {
    for (const list of this.lists.splice(Math.max(0, depth))) for (const { dropped } of list) dropped?.();
  }
}
