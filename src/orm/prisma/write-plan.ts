import type { AdapterOptions } from '../adapter-options.ts';
import type { Args } from './client.ts';
import type { NestedWrite } from './nested.ts';
import type { Selection } from './selection.ts';

/** The options of `signals()`, complete. */
export interface PrismaOptions extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
  readonly transaction: TransactionOptions;
}

/** What Prisma's `$transaction()` takes. */
export interface TransactionOptions {
  readonly maxWait?: number;
  readonly timeout?: number;
  readonly isolationLevel?: string;
}

/** The methods of a model that write. */
export type Method =
  | 'create'
  | 'createMany'
  | 'createManyAndReturn'
  | 'update'
  | 'updateMany'
  | 'updateManyAndReturn'
  | 'upsert'
  | 'delete'
  | 'deleteMany';

/** A write, and what of it is sent as what. */
export interface WritePlan {
  readonly model: string;
  readonly method: Method;
  readonly args: Args;
  /** The relations that are asked for in place of the row: `update(…).profiles()`. */
  readonly path: readonly string[];
  /** Given if it is done with signals for its rows. */
  readonly selection: Selection | undefined;
  /** The writes that are not broken down into rows, with the model's own if it is such. */
  readonly bulk: readonly (NestedWrite & { readonly where?: unknown })[];
}

/** Where a write is to be done. */
export type Place = 'outside' | 'transaction' | 'batch';
