import type { QueryResult } from 'kysely';
import { TransactionNode } from '../transaction.ts';

const COMMANDS = {
  begin: /^(?:begin|start\s+transaction)\b/i,
  commit: /^(?:commit|end)\b/i,
  savepoint: /^savepoint\s+"?([^";]+)/i,
  release: /^release\s+(?:savepoint\s+)?"?([^";]+)/i,
  rollbackTo: /^rollback\s+(?:(?:work|transaction)\s+)?to\s+(?:savepoint\s+)?"?([^";]+)/i,
  rollback: /^(?:rollback|abort)\b/i,
} as const;

/**
 * A transaction that the app begins and ends in SQL, on one connection: a write in it must not get a transaction of
 * its own, whose commit would be that of the app.
 */
export class SqlTransaction {
  /** The one that is open. */
  node: TransactionNode | undefined;
  private savepoints = new Map<string, TransactionNode>();
  private readonly ended: (node: TransactionNode) => void;

  /** @param ended - is called with each that was committed or rolled back. */
  constructor(ended: (node: TransactionNode) => void) {
    this.ended = ended;
  }

  /** Take note of a statement; its effect is there when that has run. */
  watch<T extends QueryResult<unknown>>(sql: string, outcome: Promise<T>): Promise<T> {
    const text = sql.trim();
    for (const [command, pattern] of Object.entries(COMMANDS)) {
      const found = pattern.exec(text);
      if (found === null) continue;
      return outcome.then((result) => {
        this.run(command as keyof typeof COMMANDS, found[1]?.trim() ?? '', result, /\band\s+chain\b/i.test(text));
        return result;
      });
    }
    return outcome;
  }

  private run(
    command: keyof typeof COMMANDS,
    savepoint: string,
    { rows }: QueryResult<unknown>,
    isChained: boolean,
  ): void {
    if (command === 'begin') this.node = TransactionNode.begin();
    const { node } = this;
    if (node === undefined || command === 'begin') return;
    if (command === 'savepoint') this.savepoints.set(savepoint, node.savepoint());
    else if (command === 'release') this.savepoints.get(savepoint)?.release();
    else if (command === 'rollbackTo') {
      this.savepoints.get(savepoint)?.rollback();
      // The savepoint is still there.
      this.savepoints.set(savepoint, node.savepoint());
    } else {
      // PostgreSQL answers so after an error.
      const [answer] = rows as readonly ({ command?: unknown } | undefined)[];
      if (command === 'commit' && answer?.command !== 'ROLLBACK') node.commit();
      else node.rollback();
      this.savepoints = new Map();
      this.node = isChained ? TransactionNode.begin() : undefined;
      this.ended(node);
    }
  }
}
