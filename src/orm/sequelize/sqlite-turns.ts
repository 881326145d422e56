import { Turns } from '../turns.ts';

/** Transactions of the app that are open at the same time. */
interface Group {
  members: number;
  readonly turn: Promise<() => void>;
  isWaiting: boolean;
}

/**
 * Lets the adapter's own transactions on SQLite, which has one writer, and in memory one connection, wait for each
 * other and for the app's, and the app's for those. The app's do not wait for each other: one may be in another.
 */
export class SqliteTurns {
  private readonly turns = new Turns();
  private group: Group | undefined;
  private own = 0;
  private waiting = 0;

  /** Whether none of the adapter's own is under way, or waits. */
  get isFree(): boolean {
    return this.own === 0;
  }

  /**
   * Run a transaction of the adapter's own.
   *
   * @throws Error if what it waits for does not end.
   */
  async takeOwn<T>(description: string, run: () => Promise<T>): Promise<T> {
    let isWaiting = true;
    const begin = (): void => {
      if (isWaiting) this.waiting--;
      isWaiting = false;
    };
    this.own++;
    this.waiting++;
    try {
      return await this.turns.take(description, () => {
        begin();
        return run();
      });
    } finally {
      begin();
      this.own--;
    }
  }

  /**
   * Begin a transaction of the app's. Returns what ends its turn.
   *
   * @throws Error if what it waits for does not end.
   */
  async enter(description: string): Promise<() => undefined> {
    const group = this.join(description);
    const leaveGroup = (): void => {
      if (--group.members > 0) return;
      if (this.group === group) this.group = undefined;
      // No turn was given where this is refused.
      void group.turn.then((leave) => {
        leave();
      }, ignore);
    };
    let hasLeft = false;
    const leave = (): undefined => {
      if (!hasLeft) leaveGroup();
      hasLeft = true;
    };
    try {
      await group.turn;
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  /** One of the adapter's own that waits is not overtaken. */
  private join(description: string): Group {
    const current = this.group;
    if (current !== undefined && (current.isWaiting || this.waiting === 0)) {
      current.members++;
      return current;
    }
    const turn = this.beginGroup(description);
    const group: Group = { members: 1, turn, isWaiting: true };
    turn.then(
      () => {
        group.isWaiting = false;
      },
      () => {
        if (this.group === group) this.group = undefined;
      },
    );
    return (this.group = group);
  }

  private beginGroup(description: string): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const lasting = (leave: () => void): Promise<void> =>
        new Promise((end) => {
          resolve(() => {
            leave();
            end();
          });
        });
      this.turns.takeUntil(description, lasting).catch(reject);
    });
  }
}

function ignore(): void {
  // Nothing is to be ended.
}
