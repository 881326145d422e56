import type { Model, ModelClass } from 'objection';
import type { Mixin } from './mixin.ts';
import type { Send } from './row-update.ts';

/** What one statement writes, and what is sent around it. */
export interface RowWrite {
  /** After the hooks of the app, before the statement. */
  before(): Promise<void>;
  /** Note what was written, before hooks of the app can change the instance. @param result - of the statement */
  note(result: unknown): void;
  /** After the statement and the hooks of the app. */
  after(): Promise<void>;
}

/** The execution of a query that a write is part of. */
export interface Execution {
  readonly mixin: Mixin;
  readonly sender: ModelClass<Model>;
  /** The line that made the query. */
  readonly site: string;
  readonly send: Send;
  /** The statement is sent to the database: this decides with which savepoint it is undone. */
  issue(): void;
}
