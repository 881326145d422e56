import type { Table } from 'drizzle-orm';
import { isObject } from '../../core/describe.ts';

/** A query builder of Drizzle, whichever dialect's. Awaited, it runs. */
export type Builder = Record<string, (...args: unknown[]) => unknown> & PromiseLike<unknown>;
/** What of a database, or of a transaction, is used here. */
export interface Database {
  insert(table: Table): unknown;
  update(table: Table): unknown;
  delete(table: Table): unknown;
  select(): { from(table: Table): { where(condition: unknown): Promise<Record<string, unknown>[]> } };
  transaction<T>(run: (tx: Database) => Promise<T>, ...config: unknown[]): Promise<T>;
  with(...queries: unknown[]): Database;
  batch?(queries: readonly unknown[]): Promise<unknown[]>;
}

export type Operation = 'insert' | 'update' | 'delete';
type Step = readonly [method: string, args: readonly unknown[]];

/** A write as it was built, to be built once more with other values or in another transaction. */
export class Write {
  readonly operation: Operation;
  readonly table: Table;
  /** The queries that it is to be built `with()`. */
  private readonly queries: readonly unknown[] | undefined;
  private readonly steps: Step[] = [];

  constructor(operation: Operation, table: Table, queries?: readonly unknown[]) {
    this.operation = operation;
    this.table = table;
    this.queries = queries;
  }

  begin(database: Database): unknown {
    return (this.queries === undefined ? database : database.with(...this.queries))[this.operation](this.table);
  }

  add(method: string, args: readonly unknown[]): void {
    this.steps.push([method, args]);
  }

  /** Whether it was built with nothing but these methods. */
  consistsOf(...methods: readonly string[]): boolean {
    return this.queries === undefined && this.steps.every(([method]) => methods.includes(method));
  }

  has(method: string): boolean {
    return this.steps.some(([each]) => each === method);
  }

  /** The first argument given to a method, the last time it was called. */
  argument(method: string): unknown {
    return this.steps.filter(([each]) => each === method).at(-1)?.[1][0];
  }

  /** Build it for this database, with some arguments replaced, or added at the end. */
  build(database: Database, replaced: Readonly<Record<string, unknown>> = {}): Builder {
    const added = Object.keys(replaced).filter((method) => !this.has(method));
    const steps: Step[] = this.steps.map(([method, args]) => [method, method in replaced ? [replaced[method]] : args]);
    let builder = this.begin(database) as Builder;
    for (const [method, args] of [...steps, ...added.map((method): Step => [method, [replaced[method]]])]) {
      builder = builder[method]?.(...args) as Builder;
    }
    return builder;
  }
}

/** The methods that run a query, now or later; `then()` calls the first. */
const RUN = ['execute', 'run', 'all', 'get', 'values', 'prepare'];

/**
 * The builder, with every call noted in `write`, and `run` called in place of what would run the query. Drizzle's
 * builders change themselves and are run by being awaited.
 */
export function record<T extends object>(
  builder: T,
  write: Write,
  run: (method: string, args: unknown[], builder: Builder) => unknown,
): T {
  const recorded: T = new Proxy(builder, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      const runnable = 'execute' in target;
      if (runnable && ['then', 'catch', 'finally'].includes(name)) return member.bind(recorded) as unknown;
      if (runnable && RUN.includes(name)) return (...args: unknown[]) => run(name, args, target as unknown as Builder);
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(member, target, args);
        if (result !== target && (runnable || !isObject(result))) return result;
        write.add(name, args);
        return result === target ? recorded : record(result as object, write, run);
      };
    },
  });
  writes.set(recorded, write);
  return recorded;
}

const writes = new WeakMap<object, Write>();

/** What a recorded builder is going to write; undefined for any other query. */
export function writeOf(builder: object): Write | undefined {
  return writes.get(builder);
}
