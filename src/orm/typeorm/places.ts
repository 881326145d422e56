import type { QueryRunner } from 'typeorm';
import { isObject } from '../../core/describe.ts';
import type { TransactionNode } from '../transaction.ts';
import type { RunnerTransaction } from './runner-transaction.ts';

/** Where a connection is in its transactions, by what the database has answered on it. */
export class Place {
  /** What a statement that is answered now was executed in; undefined outside a transaction. */
  innermost: TransactionNode | undefined = undefined;
  /** Begun by query runners that have given the connection back. Who is given it next commits them, or does not. */
  readonly left = new Set<RunnerTransaction>();
  /** Somebody else may be given it, and its end is told. */
  isShared = false;
  isGone = false;
}

interface Emitter {
  once?(event: 'end', listener: () => void): unknown;
}

/**
 * The places of connections. A transaction is the connection's, and a query runner only a handle of it: TypeORM sends
 * a statement on the connection that the query runner has had, also when that has been released meanwhile.
 */
export class Places {
  private readonly ofRunners = new WeakMap<QueryRunner, Place>();
  private readonly ofConnections = new WeakMap<object, Place>();
  private readonly met = new WeakSet<QueryRunner>();
  private readonly whenGone: (place: Place) => void;

  constructor(whenGone: (place: Place) => void) {
    this.whenGone = whenGone;
  }

  of(runner: QueryRunner): Place {
    let place = this.ofRunners.get(runner);
    if (place === undefined) this.ofRunners.set(runner, (place = new Place()));
    return place;
  }

  /** A query runner issues a statement, and so has a connection. */
  meet(runner: QueryRunner): void {
    if (this.met.has(runner)) return;
    this.met.add(runner);
    // It has one already: this opens none, and is told before the database can answer.
    runner.connect().then(
      (connection: unknown) => {
        if (isObject(connection)) this.learn(runner, connection);
      },
      () => undefined,
    );
  }

  private learn(runner: QueryRunner, connection: Emitter): void {
    const own = this.of(runner);
    const known = this.ofConnections.get(connection);
    if (known !== undefined) {
      known.innermost = own.innermost ?? known.innermost;
      this.ofRunners.set(runner, known);
      return;
    }
    this.ofConnections.set(connection, own);
    if (typeof connection.once !== 'function') return;
    own.isShared = true;
    connection.once('end', () => {
      own.isGone = true;
      this.whenGone(own);
    });
  }
}
