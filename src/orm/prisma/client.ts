import type { Row } from '../rows.ts';

/**
 * What of a Prisma Client, or of the client of a transaction, is used here. What begins with an underscore is not
 * documented by Prisma; extensions of its own makers use it, and it has been the same from 7.0 on.
 */
export interface Client {
  readonly _clientVersion?: unknown;
  readonly _activeProvider: string;
  readonly _runtimeDataModel: { readonly models: Readonly<Record<string, { readonly fields: readonly Field[] }>> };
  /** What an app omits everywhere, by model in camel case. */
  readonly _globalOmit?: Readonly<Record<string, Readonly<Record<string, boolean>> | undefined>>;
  readonly _engineConfig?: {
    readonly adapter?: { readonly adapterName?: string; readonly config?: { max?: unknown } };
  };
  readonly _extensions: Extensions;
  /** The client that was constructed, without any extension. */
  readonly _originalClient: Client;
  _createPrismaPromise(work: (transaction?: Transaction) => Promise<unknown>): PromiseLike<unknown>;
  // Functions that are called for other clients, too.
  readonly $extends: (this: Client, extension: unknown) => Client;
  readonly $transaction: (this: Client, work: unknown, ...options: unknown[]) => Promise<unknown>;
  $executeRawUnsafe(sql: string, ...values: unknown[]): Promise<number>;
}

/** The list of a client's extensions, which Prisma asks what to do in a query. */
export interface Extensions {
  isEmpty(): boolean;
  append(extension: unknown): Extensions;
  getAllQueryCallbacks(...query: unknown[]): unknown;
  getAllComputedFields?(model: string): Readonly<Record<string, { readonly needs: readonly string[] }>> | undefined;
}

/** A field of a model, as the client knows it. */
export interface Field {
  readonly name: string;
  readonly kind: 'scalar' | 'object' | 'enum' | 'unsupported';
  readonly type: string;
}

/** What a query is part of. */
export interface Transaction {
  readonly kind: 'itx' | 'batch';
  readonly id: unknown;
}

/** What an extension is told of an operation. */
export interface Operation {
  readonly model: string;
  readonly operation: string;
  readonly args: Args;
  readonly query: (args: object, params?: Params) => Promise<unknown>;
  readonly __internalParams: Params;
}
export interface Params {
  readonly action: string;
  /** Where what was asked for lies in the result: for `update(…).profiles()` at `['select', 'profiles']`. */
  readonly dataPath?: readonly string[];
  /** Undefined outside a transaction. */
  readonly transaction?: Transaction | undefined;
  /** The line of the app that made the call; nothing with `errorFormat: 'minimal'`. */
  readonly callsite?: {
    getLocation(): { fileName: string; lineNumber: number | null; columnNumber: number | null } | null;
  };
}

/** The arguments of a write. */
export interface Args {
  readonly where?: Row;
  readonly data?: Row | readonly Row[];
  readonly create?: Row;
  readonly update?: Row;
  readonly select?: Row | null;
  readonly include?: Row | null;
  readonly omit?: Row | null;
  readonly skipDuplicates?: boolean;
}

/** What is used of a client and not documented; all of it was the same from 7.0 to 7.10. */
const MEMBERS: readonly (readonly [name: string, type: 'string' | 'object' | 'function'])[] = [
  ['_activeProvider', 'string'],
  ['_runtimeDataModel.models', 'object'],
  ['_originalClient', 'object'],
  ['_createPrismaPromise', 'function'],
  ['_extensions.append', 'function'],
  ['_extensions.isEmpty', 'function'],
  ['_extensions.getAllQueryCallbacks', 'function'],
];

/** @throws TypeError naming a member that the client lacks, of those that are not documented. */
export function assertKnown(client: object): void {
  for (const [path, type] of MEMBERS) {
    const value = path
      .split('.')
      .reduce<unknown>((holder, name) => (holder as Record<string, unknown> | null | undefined)?.[name], client);
    if (typeof value !== type || value === null) throw unlike(path);
  }
}

/** What is thrown for a client that is not like those of the versions that were tested. */
export function unlike(what: string): TypeError {
  return new TypeError(
    `tocsin/prisma needs ${what} of the Prisma Client, as it is in Prisma 7.0 to 7.10, and this client is otherwise. ` +
      'Install such a version of Prisma, and give signals() to $extends() of a Prisma Client itself.',
  );
}

export function fieldsOf(client: Client, model: string): readonly Field[] {
  return client._runtimeDataModel.models[model]?.fields ?? [];
}

/** Whether the database can return the rows of a write of many. */
export function returnsRows({ _activeProvider: provider }: Client): boolean {
  return ['postgresql', 'cockroachdb', 'sqlite'].includes(provider);
}

/** Whether a query that fails dooms its transaction, so that the database answers `COMMIT` with a rollback. */
export function doomsTransactions({ _activeProvider: provider }: Client): boolean {
  return provider === 'postgresql';
}

/** How many connections there are at most, where the driver adapter tells. */
export function poolSizeOf({ _engineConfig: { adapter } = {} }: Client): number {
  switch (adapter?.adapterName) {
    case '@prisma/adapter-pg':
      return typeof adapter.config?.max === 'number' ? adapter.config.max : 10;
    case '@prisma/adapter-libsql':
    case '@prisma/adapter-better-sqlite3':
      return 1;
    default:
      return Infinity;
  }
}

/** The transaction that a client belongs to; undefined for an ordinary one. */
export function transactionOf(client: Client): Transaction | undefined {
  let found: Transaction | undefined;
  void client
    ._createPrismaPromise((transaction) => {
      found = transaction;
      return Promise.resolve();
    })
    .then(() => undefined);
  return found;
}

const SCOPE = Symbol.for('prisma.client.transaction.scope_context');

/** Whether Prisma would begin a nested transaction here: only the innermost client of a transaction may. */
export function mayNest(client: Client): boolean {
  const context = (client as unknown as Record<symbol, NestedScope | undefined>)[SCOPE];
  return context === undefined || context.scopeState.stack.at(-1) === context.scopeId;
}
interface NestedScope {
  readonly scopeId: string;
  readonly scopeState: { readonly stack: readonly string[] };
}

/** Execute a statement where a client does, unseen by the extensions of the app. */
export async function executeUnseen(client: Client, sql: string, ...values: unknown[]): Promise<void> {
  // Prisma makes the clients of transactions in this way, too.
  const plain = Object.create(client._originalClient, {
    _createPrismaPromise: { value: client._createPrismaPromise.bind(client) },
  }) as Client;
  await plain.$executeRawUnsafe(sql, ...values);
}
