/** What a method of the manager builds its query from: its builder no longer knows it. */
export interface Criteria {
  readonly where: unknown;
  /** Its rows have signals of their own. */
  readonly isSplit?: boolean;
}

let current: Criteria | undefined;

/** Call a method that builds its query and begins to execute it before it first waits. */
export function withCriteria<T>(criteria: Criteria, run: () => T): T {
  const before = current;
  current = criteria;
  try {
    return run();
  } finally {
    current = before;
  }
}

/** The criteria of the method that is executing a query builder now. */
export function currentCriteria(): Criteria | undefined {
  return current;
}
