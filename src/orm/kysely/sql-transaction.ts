/** Transactions and savepoints that the app begins and ends in SQL. */
import type { QueryResult } from 'kysely';
import { TransactionNode } from '../transaction.ts';

/** The savepoints of each transaction, by name: the last of each name. */
const savepoints = new WeakMap<TransactionNode, Map<string, TransactionNode>>();

/** Take note of a command about a savepoint, when it is issued. */
export function noteSavepoint(
  command: 'savepoint' | 'release' | 'rollbackTo',
  root: TransactionNode,
  name: string,
): void {
  let named = savepoints.get(root);
  if (named === undefined) savepoints.set(root, (named = new Map<string, TransactionNode>()));
  const known = named.get(name);
  if (command === 'release') known?.release();
  else if (command === 'savepoint') named.set(name, root.savepoint());
  else if (known !== undefined) {
    known.rollback();
    // The savepoint is still there.
    named.set(name, root.savepoint());
  }
}

const SAVEPOINTS = {
  savepoint: /^savepoint\s+["`]?([^"`;]+)/i,
  release: /^release\s+(?:savepoint\s+)?["`]?([^"`;]+)/i,
  rollbackTo: /^rollback\s+(?:(?:work|transaction)\s+)?to\s+(?:savepoint\s+)?["`]?([^"`;]+)/i,
} as const;
const BEGIN = /^(?:begin|start\s+transaction)\b/i;
const COMMIT = /^(?:commit|end)\b/i;
const ROLLBACK = /^(?:rollback|abort)\b/i;

/** Take note of what a statement does to savepoints; false if that is nothing. */
export function watchSavepoints(sql: string, root: TransactionNode): boolean {
  const statement = sql.trimStart();
  for (const [command, pattern] of Object.entries(SAVEPOINTS)) {
    const name = pattern.exec(statement)?.[1];
    if (name === undefined) continue;
    noteSavepoint(command as keyof typeof SAVEPOINTS, root, name.trim());
    return true;
  }
  return false;
}

/**
 * A transaction that the app begins and ends in SQL, on one connection: a write in it must not get a transaction of
 * its own, whose commit would be that of the app.
 */
export class SqlTransaction {
  /** The one that is open. */
  node: TransactionNode | undefined;
  private readonly ended: (node: TransactionNode) => void;

  /** @param ended - is called with each that was committed or rolled back. */
  constructor(ended: (node: TransactionNode) => void) {
    this.ended = ended;
  }

  /** Take note of a statement. */
  watch<T extends QueryResult<unknown>>(sql: string, outcome: Promise<T>): Promise<T> {
    const { node } = this;
    if (node !== undefined && watchSavepoints(sql, node)) return outcome;
    const command = sql.trimStart();
    if (![BEGIN, COMMIT, ROLLBACK].some((pattern) => pattern.test(command))) return outcome;
    return outcome.then((result) => {
      this.follow(command, result);
      return result;
    });
  }

  private follow(command: string, { rows }: QueryResult<unknown>): void {
    const { node } = this;
    if (BEGIN.test(command)) this.node = TransactionNode.begin();
    else if (node !== undefined) {
      // PostgreSQL answers so after an error.
      const [answer] = rows as readonly ({ command?: unknown } | undefined)[];
      if (COMMIT.test(command) && answer?.command !== 'ROLLBACK') node.commit();
      else node.rollback();
      this.node = /\band\s+chain\b/i.test(command) ? TransactionNode.begin() : undefined;
      this.ended(node);
    }
  }
}
