import type { EntityManager } from '@mikro-orm/core';
import type { MikroOrmAdapter } from './adapter.ts';

/** A call that writes past the unit of work, with its arguments as they were given. */
export interface BulkWrite {
  readonly adapter: MikroOrmAdapter;
  readonly em: EntityManager;
  readonly name: string;
  readonly args: readonly unknown[];
  /** What the app has called. */
  readonly original: (em: EntityManager, args: readonly unknown[]) => Promise<unknown>;
}
