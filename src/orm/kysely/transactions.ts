/** Kysely's transactions: with a callback, and begun and ended by hand. */
import type { Command, ControlledTransaction, ControlledTransactionBuilder, TransactionBuilder } from 'kysely';
import { TransactionNode } from '../transaction.ts';
import { WriteScope } from '../write-scope.ts';
import { lookAlike } from './look-alike.ts';
import { type AnyTransaction, begun, connecting, isDoomed, runTransaction, type Wrap } from './runner.ts';
import type { KyselySettings } from './settings.ts';
import { noteSavepoint } from './sql-transaction.ts';

type Tables = Record<string, never>;
type Scope = WriteScope<KyselySettings>;
type Controlled = ControlledTransaction<Tables, string[]>;

/** What `transaction()` gives. */
export function watchTransaction(
  builder: TransactionBuilder<Tables>,
  scope: Scope,
  wrap: Wrap,
): TransactionBuilder<Tables> {
  return lookAlike(builder, (name, original) => {
    if (name !== 'execute') return (...args) => watchTransaction(original(...args) as typeof builder, scope, wrap);
    return (callback) =>
      runTransaction(
        scope,
        (body) => connecting(scope, 'transaction()', (begin) => original(begun(begin, body)) as Promise<unknown>),
        (tx, inner) => {
          const handle = wrap(tx, inner);
          inner.tx = handle;
          return (callback as (tx: AnyTransaction) => Promise<unknown>)(handle);
        },
        false,
      );
  });
}

/** What `startTransaction()` gives. */
export function watchControlled(
  builder: ControlledTransactionBuilder<Tables>,
  scope: Scope,
  wrap: Wrap,
): ControlledTransactionBuilder<Tables> {
  return lookAlike(builder, (name, original) => {
    if (name !== 'execute') return (...args) => watchControlled(original(...args) as typeof builder, scope, wrap);
    return async () => {
      const tx = await connecting(scope, 'startTransaction()', async (begin) => {
        const transaction = (await original()) as Controlled;
        try {
          begin();
        } catch (error) {
          await transaction.rollback().execute();
          throw error;
        }
        return transaction;
      });
      const inner = new WriteScope(scope.database, TransactionNode.begin());
      return (inner.tx = wrap(tx, inner));
    };
  });
}

/** The methods of a transaction that is ended by hand: what they do is also done to what waits for its commit. */
export function controlled(tx: AnyTransaction, scope: Scope, wrap: Wrap): Commands {
  const root = (scope.transaction as TransactionNode).root;
  const handle = (result: unknown): unknown => (result === undefined ? result : wrap(result as Controlled, scope));
  return {
    savepoint: (execute, name) => {
      noteSavepoint('savepoint', root, name);
      return execute().then(handle);
    },
    releaseSavepoint: (execute, name) => {
      noteSavepoint('release', root, name);
      return execute().then(handle);
    },
    rollbackToSavepoint: (execute, name) => {
      noteSavepoint('rollbackTo', root, name);
      return execute().then(handle);
    },
    commit: async (execute) => {
      if (await isDoomed(root, tx)) root.rollback();
      try {
        await execute();
        root.commit();
      } finally {
        // A commit that fails may be tried again, unless Kysely says that the database has rolled back.
        const { isCommitted, isRolledBack } = tx as unknown as Controlled;
        if (isRolledBack) root.rollback();
        if (isCommitted || isRolledBack) await root.settle();
      }
    },
    rollback: async (execute) => {
      root.rollback();
      try {
        await execute();
      } finally {
        await root.settle();
      }
    },
  };
}

/** What is done when a command is executed. */
export type Commands = Readonly<
  Record<string, (execute: () => Promise<unknown>, savepoint: string) => Promise<unknown>>
>;

/** A command that does more when it is executed. */
export function watchCommand(
  command: Command<unknown>,
  run: (execute: () => Promise<unknown>) => Promise<unknown>,
): Command<unknown> {
  return lookAlike(command, (name, original) =>
    name === 'execute' ? () => run(() => original() as Promise<unknown>) : (...args) => original(...args),
  );
}
