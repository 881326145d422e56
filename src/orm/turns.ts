/** A write, or a transaction, that waits for its turn or has it. */
interface Turn {
  readonly description: string;
  /** The turn that was under way when it was asked for. */
  readonly behind: Turn | undefined;
  begin(): void;
  refuse(error: Error): void;
}

/** A transaction that lasts longer while others wait is taken to be waiting for one of those. */
export const PATIENCE_MS = 6_000;

/**
 * Lets what a database can only do one after the other wait, in order. What waits does so for a transaction whose
 * receivers run; if one of these waits for it in turn, unknown to us because it writes in another async context, then
 * neither would ever end.
 */
export class Turns {
  private current: Turn | undefined;
  private readonly waiting: Turn[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  get isFree(): boolean {
    return this.current === undefined;
  }

  /** @throws Error naming both, if what is under way does not end. */
  take<T>(description: string, work: () => Promise<T>): Promise<T> {
    return this.takeUntil(description, work);
  }

  /** Have the turn until `work` says so, or ends. */
  async takeUntil<T>(description: string, work: (leave: () => void) => Promise<T>): Promise<T> {
    await this.enter(description);
    let left = false;
    const leave = (): void => {
      if (!left) this.leave();
      left = true;
    };
    try {
      return await work(leave);
    } finally {
      leave();
    }
  }

  private enter(description: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn: Turn = { description, behind: this.current, begin: resolve, refuse: reject };
      if (this.current === undefined) {
        this.current = turn;
        resolve();
        return;
      }
      this.waiting.push(turn);
      this.timer ??= setTimeout(() => {
        this.giveUp();
      }, PATIENCE_MS);
    });
  }

  private leave(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.current = this.waiting.shift();
    this.current?.begin();
  }

  /** Only what was asked for while the transaction was under way can be what it waits for. */
  private giveUp(): void {
    this.timer = undefined;
    const { current } = this;
    for (const turn of this.waiting.filter(({ behind }) => behind === current)) {
      this.waiting.splice(this.waiting.indexOf(turn), 1);
      turn.refuse(
        new Error(
          `${turn.description} has waited ${String(PATIENCE_MS / 1000)} seconds for ${current?.description ?? ''}, ` +
            'which holds the only connection that can write, and may be waiting for it: neither would ever end. In a ' +
            'receiver, write through the `tx` of the payload, or connect it with `afterCommit: true`.',
        ),
      );
    }
  }
}
