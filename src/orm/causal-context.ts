import { AsyncLocalStorage } from 'node:async_hooks';
import { shared } from '../core/shared.ts';
import type { TransactionNode } from './transaction.ts';

/** A receiver that is running on behalf of a write, and the receiver whose own write caused that. */
export interface CausalContext {
  readonly parent: CausalContext | undefined;
  readonly depth: number;
  /** `postSave User → createProfile` */
  readonly label: string;
  /** What the write goes to, and the transaction it is part of; undefined outside one, or after its commit. */
  readonly database: object;
  readonly transaction: TransactionNode | undefined;
  /** What it does later, in a timer that it has set, is not nested in it. */
  ended: boolean;
}

/** What the current code is part of. */
interface ExecutionContext {
  readonly cause: CausalContext | undefined;
  readonly call: WriteCall | undefined;
}

const contexts: AsyncLocalStorage<ExecutionContext> = shared('contexts', () => new AsyncLocalStorage());

/** The receiver in which the current code runs, across awaits, until that has ended. */
export function currentCause(): CausalContext | undefined {
  let cause = contexts.getStore()?.cause;
  while (cause?.ended === true) cause = cause.parent;
  return cause;
}

/** Run as part of a receiver: what it writes are calls of its own. */
export function runCausedBy<T>(cause: CausalContext | undefined, run: () => T): T {
  return contexts.run({ cause, call: undefined }, run);
}

/**
 * One call of an ORM's method. An ORM may start the hooks of all the instances that a call writes at once; receivers
 * run one after the other all the same. Calls do not wait for each other: a receiver may be waiting for the other call.
 */
export class WriteCall {
  /** The receiver that made the call, if one did. */
  readonly cause: CausalContext | undefined = currentCause();
  private tail: Promise<unknown> = Promise.resolve();
  private failure: { readonly error: unknown } | undefined = undefined;

  /** Do `work` when all before it in this call is done. When one fails, so do those that have not begun. */
  runExclusive(work: () => Promise<void>): Promise<void> {
    const done = this.tail.then(async () => {
      if (this.failure !== undefined) throw this.failure.error;
      try {
        await work();
      } catch (error) {
        this.failure = { error };
        throw error;
      }
    });
    this.tail = done.catch(() => undefined);
    return done;
  }

  /** Run what the call does, so that hooks deep in the ORM know which call they belong to. */
  run<T>(work: () => T): T {
    return contexts.run({ cause: this.cause, call: this }, work);
  }
}

/** The call that the current code is part of; undefined in a receiver. */
export function currentCall(): WriteCall | undefined {
  return contexts.getStore()?.call;
}
