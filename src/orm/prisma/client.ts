import type { Row } from '../rows.ts';

/** What of a Prisma Client, or of the client of a transaction, is used here. */
export interface Client {
  readonly _runtimeDataModel?: { readonly models: Readonly<Record<string, { readonly fields: readonly Field[] }>> };
  readonly _activeProvider?: string;
  $extends(extension: unknown): Client;
  $transaction(
    work: ((client: Client) => Promise<unknown>) | readonly object[],
    ...options: unknown[]
  ): Promise<unknown>;
}

/** A field of a model, as the client knows it. */
export interface Field {
  readonly name: string;
  readonly kind: 'scalar' | 'object' | 'enum' | 'unsupported';
  readonly type: string;
}

/** The methods of one model. */
export type Delegate = Record<string, (args: object) => Promise<unknown>>;

/** What an extension is told of an operation. */
export interface Operation {
  /** Undefined for one that is of no model, such as `$executeRaw`. */
  readonly model: string | undefined;
  readonly operation: string;
  readonly args: Args;
  readonly query: (args: object, params?: Params) => Promise<unknown>;
  readonly __internalParams: Params;
}
export interface Params {
  /** Where what was asked for lies in the result: for `update(…).profiles()` at `['select', 'profiles']`. */
  readonly dataPath?: readonly string[];
  /** Undefined outside a transaction. */
  readonly transaction?: { readonly kind: 'itx' | 'batch'; readonly id: unknown };
}
/** The arguments of a write. */
export interface Args {
  readonly where?: Row;
  readonly data?: Row | Row[];
  readonly create?: Row;
  readonly update?: Row;
  readonly select?: Row | null;
  readonly omit?: Row | null;
  readonly skipDuplicates?: boolean;
}

/** The methods of a model, by its name. */
export function delegateOf(client: Client, model: string): Delegate {
  return (client as unknown as Record<string, Delegate>)[model.charAt(0).toLowerCase() + model.slice(1)] as Delegate;
}

/** The model that a property of a client stands for. */
export function modelOf(client: Client, property: string): string | undefined {
  const models = client._runtimeDataModel?.models ?? {};
  return [property, property.charAt(0).toUpperCase() + property.slice(1)].find((name) => Object.hasOwn(models, name));
}

export function fieldsOf(client: Client, model: string): readonly Field[] {
  return client._runtimeDataModel?.models[model]?.fields ?? [];
}

/** Whether the database can return the rows of a write of many. */
export function returnsRows({ _activeProvider: provider = '' }: Client): boolean {
  return ['postgresql', 'cockroachdb', 'sqlite'].includes(provider);
}

const SCOPE = Symbol.for('prisma.client.transaction.scope_context');

/** What identifies the transaction of a transaction's client. */
export function transactionId(client: Client): unknown {
  const id = (client as unknown as Record<symbol, { readonly txId?: unknown } | undefined>)[SCOPE]?.txId;
  if (id === undefined)
    throw new Error(
      'This version of Prisma Client does not tell its transactions apart: tocsin/prisma needs Prisma 7.',
    );
  return id;
}
