import type { Row } from '../rows.ts';
import type { ScopedWrite } from '../write-scope.ts';
import type { Client, Params } from './client.ts';
import type { PrismaOptions } from './write-plan.ts';

/** A write, where it is to be done. */
export interface PlacedWrite {
  readonly options: PrismaOptions;
  /** The client that the caller has; in a transaction, that of the transaction. */
  readonly client: Client;
  readonly send: ScopedWrite['send'];
  /** Read as the caller's operation would, and with its name in errors. */
  readonly read: (action: 'findUnique' | 'findMany', args: object) => Promise<unknown>;
  /** The caller's own operation. */
  readonly write: (args: object, changed?: Partial<Params>) => Promise<unknown>;
  /** The caller's own operation as it is, with what it resolves to for the caller. */
  readonly untouched: () => Promise<unknown>;
}

/** What Prisma says of arguments that it refuses, it says of the caller's. It refuses before it does anything. */
export async function asCalled(error: unknown, isChanged: boolean, place: PlacedWrite): Promise<never> {
  if (isValidationError(error) && !isChanged) await place.untouched();
  throw error;
}

function isValidationError(error: unknown): boolean {
  return error instanceof Error && error.name === 'PrismaClientValidationError';
}

/** What there is to read; undefined if Prisma refuses the condition, as it will when that is the caller's. */
export async function readUnlessRefused(
  place: PlacedWrite,
  action: 'findUnique' | 'findMany',
  where: Row,
): Promise<unknown> {
  try {
    return await place.read(action, { where });
  } catch (error) {
    if (isValidationError(error)) return undefined;
    throw error;
  }
}
