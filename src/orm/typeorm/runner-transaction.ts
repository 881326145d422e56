import type { QueryRunner } from 'typeorm';
import { TransactionNode } from '../transaction.ts';
import type { TransactionStatement } from './statements.ts';

/** What the database knows of one transaction of a query runner: it, and the savepoints that are set in it. */
export class RunnerTransaction {
  readonly root: TransactionNode = TransactionNode.begin();
  readonly runner: QueryRunner;
  /** Begun with `query('BEGIN')`: TypeORM does not know of it, and tells nothing of its end. */
  readonly isRaw: boolean;
  /** Something has been sent in it. */
  isUsed = false;
  /** The database has answered `COMMIT` with a rollback, because a query had failed and somebody caught the error. */
  isDoomed = false;
  /** It has ended, and holds no connection that somebody else could need. */
  isFree = false;
  private readonly savepoints: { readonly name: string; readonly node: TransactionNode }[] = [];

  /** @param depth - how deep in savepoints it is already; TypeORM names them by that */
  constructor(runner: QueryRunner, depth: number, isRaw: boolean) {
    this.runner = runner;
    for (let each = 1; each < depth; each++) this.setSavepoint(`typeorm_${String(each)}`);
    this.isRaw = isRaw;
  }

  get innermost(): TransactionNode {
    return this.root.innermost;
  }

  /** What is undone counts as undone when the statement is issued: whatever comes of it, nobody should work on. */
  follow(statement: TransactionStatement): void {
    if (statement.does === 'savepoint') this.setSavepoint(statement.name);
    if (statement.does === 'release') this.releaseSavepoint(statement.name);
    if (statement.does === 'rollbackTo') this.rollbackTo(statement.name);
    if (statement.does === 'rollback') this.rollback();
  }

  /** MySQL may have committed by itself before. */
  rollback(): void {
    if (this.root.state !== 'committed') this.root.rollback();
  }

  releaseSavepoint(name: string): void {
    const index = this.indexOf(name);
    this.savepoints[index]?.node.release();
    if (index >= 0) this.savepoints.length = index;
  }

  private setSavepoint(name: string): void {
    this.savepoints.push({ name, node: this.root.savepoint() });
  }

  /** The savepoint stays: what is written from now on can be rolled back to it once more. */
  private rollbackTo(name: string): void {
    const index = this.indexOf(name);
    if (index < 0) return;
    this.savepoints[index]?.node.rollback();
    this.savepoints.length = index;
    this.setSavepoint(name);
  }

  /** Savepoints of one name hide those before them. */
  private indexOf(name: string): number {
    return this.savepoints.map((each) => each.name).lastIndexOf(name);
  }
}
