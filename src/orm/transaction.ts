import { AsyncLocalStorage } from 'node:async_hooks';

/** What is known of a transaction: whether what was written in it is in the database. */
export type TransactionState = 'open' | 'committed' | 'rolledBack';

/** Called once, when it is known what became of a write. Never rejects. */
export type Settlement = (state: 'committed' | 'rolledBack') => Promise<void> | undefined;

/** What a transaction and the savepoints in it have in common: one connection has one stack of savepoints. */
interface Tree {
  innermost: TransactionNode;
  /** The savepoints that are set and have a name. */
  readonly named: TransactionNode[];
  committed: boolean;
  watched: boolean;
  readonly waiting: (() => Promise<void> | undefined)[];
  settling: Promise<void> | undefined;
  settled: boolean;
}

/**
 * A transaction, or a savepoint in one. A payload keeps the node in which its row was written, and so knows at any
 * later time whether that row is in the database.
 *
 * Savepoints of one connection lie in each other, whoever opened them: what is written between `SAVEPOINT` and
 * `ROLLBACK TO` is undone, through whichever handle. So a node must be made when its statement is issued, and a write
 * belongs to the innermost node at the time when the write's own statement is issued.
 */
export class TransactionNode {
  readonly parent: TransactionNode | undefined;
  private readonly tree: Tree;
  private readonly name: string | undefined;
  private ended: 'released' | 'rolledBack' | undefined = undefined;
  private undone = false;

  private constructor(parent: TransactionNode | undefined, name?: string) {
    this.parent = parent;
    this.name = name;
    this.tree = parent?.tree ?? {
      innermost: this,
      named: [],
      committed: false,
      watched: false,
      waiting: [],
      settling: undefined,
      settled: false,
    };
    this.tree.innermost = this;
    if (name !== undefined) this.tree.named.push(this);
  }

  /** A transaction has begun. */
  static begin(): TransactionNode {
    return new TransactionNode(undefined);
  }

  /**
   * A savepoint has been set, in the innermost one that is open. With the `name` that the database knows it by, if
   * another may have the same: whoever ends one by that name ends the last that was set.
   */
  savepoint(name?: string): TransactionNode {
    return new TransactionNode(this.tree.innermost, name);
  }

  /** Where a statement that is issued now is executed. */
  get innermost(): TransactionNode {
    return this.tree.innermost;
  }

  /** The transaction that this is a savepoint of, or the node itself. */
  get root(): TransactionNode {
    return this.parent?.root ?? this;
  }

  /** Of what was written in this node. A released savepoint shares the fate of what surrounds it. */
  get state(): TransactionState {
    if (this.undone) return 'rolledBack';
    if (this.parent !== undefined) return this.parent.state;
    return this.tree.committed ? 'committed' : 'open';
  }

  /** Whether this is the other node, or a savepoint in it. */
  isWithin(other: TransactionNode): boolean {
    return this === other || this.parent?.isWithin(other) === true;
  }

  /** A payload has been given out: whoever holds it may ask at any later time. */
  watch(): void {
    this.tree.watched = true;
  }

  /** Whether anybody may want to know what becomes of the transaction. */
  get isWatched(): boolean {
    return this.tree.watched;
  }

  /** The savepoint is being released: what is written from now on belongs to what surrounds it. */
  release(): void {
    this.ended = 'released';
    for (const node of this.meant()) node.leave();
  }

  /** The transaction or savepoint is being rolled back; a savepoint also if releasing it has failed. */
  rollback(): void {
    const before = this.ended;
    this.ended = 'rolledBack';
    if (before === 'rolledBack') return;
    const nodes = before === 'released' ? [this] : this.meant();
    for (const node of nodes) {
      node.undone = true;
      node.leave();
    }
    // `ROLLBACK TO` keeps the savepoint that it goes back to.
    const [{ parent, name } = this] = nodes;
    if (before === undefined && parent !== undefined && name !== undefined) new TransactionNode(parent, name);
  }

  /** The database has committed. Savepoints that nobody has ended are committed with it. */
  commit(): void {
    if (this.state === 'open') this.tree.committed = true;
  }

  /**
   * Tell everyone who waits what has become of their write, one after the other in the order in which they asked. To be
   * called when the transaction has ended, also when it was rolled back or lost, and holds no connection any more.
   * Whoever asks meanwhile is told too.
   */
  settle(): Promise<void> {
    return (this.tree.settling ??= this.settleAll());
  }

  /** Have `settlement` called when the transaction is settled; if it has been, soon. */
  whenSettled(settlement: Settlement): void {
    const { tree } = this;
    if (tree.settled) void Promise.resolve().then(() => settlement(this.outcome));
    else tree.waiting.push(() => settlement(this.outcome));
  }

  /** Run `work` as part of this node: a callback given there belongs to it, whichever payload it is given to. */
  run<T>(work: () => T): T {
    return current.run(this, work);
  }

  /** The node that the current code is part of, if that lies in this one; else this one. */
  get narrowest(): TransactionNode {
    const node = current.getStore();
    return node?.isWithin(this) === true ? node : this;
  }

  private get outcome(): 'committed' | 'rolledBack' {
    return this.state === 'committed' ? 'committed' : 'rolledBack';
  }

  /** The savepoints that are ended in the name of this one, the outermost first. */
  private meant(): TransactionNode[] {
    const { named } = this.tree;
    const index = this.name === undefined ? -1 : named.map(({ name }) => name).lastIndexOf(this.name);
    return index === -1 ? [this] : named.splice(index);
  }

  private leave(): void {
    if (this.tree.innermost.isWithin(this)) this.tree.innermost = this.parent ?? this;
  }

  private async settleAll(): Promise<void> {
    const { tree } = this;
    // What is asked for meanwhile is reached too.
    for (const tell of tree.waiting) await tell();
    tree.settled = true;
    tree.waiting.length = 0;
  }
}

const current = new AsyncLocalStorage<TransactionNode>();
