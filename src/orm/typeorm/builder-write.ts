import type { EntityMetadata, QueryBuilder, QueryRunner } from 'typeorm';
import type { TypeormAdapter } from './adapter.ts';

/** A query builder, as TypeORM has it inside. */
export type Builder = Omit<QueryBuilder<Record<string, unknown>>, 'queryRunner'> & {
  queryRunner?: QueryRunner | undefined;
};

/** What the results of all of them have in common. */
export interface BuilderResult {
  readonly affected?: number | null;
  readonly raw: unknown;
}

/** One execution of a query builder that writes. */
export interface BuilderWrite {
  readonly adapter: TypeormAdapter;
  readonly builder: Builder;
  readonly metadata: EntityMetadata;
  readonly run: () => Promise<BuilderResult>;
}
