import { isObject } from '../../core/describe.ts';

/** A query builder of Kysely. Every method returns a new one. */
export type Builder = Record<string, (...args: unknown[]) => unknown>;
/** What of a `Kysely` or a `Transaction` is used here. */
export interface Database {
  readonly isTransaction: boolean;
  insertInto(table: unknown): unknown;
  updateTable(table: unknown): unknown;
  deleteFrom(table: unknown): unknown;
  selectFrom(table: unknown): Builder;
  transaction(): { execute<T>(run: (tx: Database) => Promise<T>): Promise<T> };
  withoutPlugins(): Database;
}
export type Step = readonly [method: string, args: readonly unknown[]];

/** The methods that begin a write. */
export const WRITERS = {
  insertInto: 'insert',
  updateTable: 'update',
  deleteFrom: 'delete',
  replaceInto: 'upsert',
  mergeInto: 'upsert',
} as const;
export type Writer = keyof typeof WRITERS;

/** A write as it was built, to be built once more with other values or in another transaction. */
export interface Write {
  readonly writer: Writer;
  /** As given: a name, perhaps with a schema or an alias. */
  readonly table: unknown;
  /** The calls between the database and the writer: `with()` and the like. */
  readonly before: readonly Step[];
  readonly steps: readonly Step[];
}

/** Build a write for this database, with other steps if given. */
export function build(write: Write, database: Database, steps: readonly Step[] = write.steps): Builder {
  return replay(database, [...write.before, [write.writer, [write.table]], ...steps]);
}

/** Call one method after the other. */
export function replay(on: unknown, steps: readonly Step[]): Builder {
  return steps.reduce((builder, [method, args]) => builder[method]?.(...args) as Builder, on as Builder);
}

/** The methods that run a query. */
const RUN = ['execute', 'executeTakeFirst', 'executeTakeFirstOrThrow', 'stream'];
/** The methods that only change types. */
const TYPES_ONLY = ['$castTo', '$narrowType', '$assertType', '$asTuple'];

/** The builder, with every call noted in a `Write`, and `run` called in place of what would run the query. */
export function record(
  builder: object,
  write: Write,
  run: (write: Write, method: string, args: unknown[], builder: Builder) => unknown,
): object {
  const recorded: object = new Proxy(builder, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      if (RUN.includes(name)) return (...args: unknown[]) => run(write, name, args, target as Builder);
      if (name === '$call') return (change: (builder: unknown) => unknown) => change(recorded);
      if (name === '$if')
        return (condition: boolean, change: (builder: unknown) => unknown) => (condition ? change(recorded) : recorded);
      return (...args: unknown[]) => {
        const evaluated = name === 'values' || name === 'set' ? args.map(evaluating) : args;
        const result: unknown = Reflect.apply(
          member,
          target,
          evaluated.map((each) => (each instanceof Evaluation ? each.callback : each)),
        );
        if (!isObject(result) || !('execute' in result || name === 'using' || name.startsWith('when'))) return result;
        const values = evaluated.map((each) => (each instanceof Evaluation ? each.value : each));
        return record(
          result,
          { ...write, steps: TYPES_ONLY.includes(name) ? write.steps : [...write.steps, [name, values]] },
          run,
        );
      };
    },
  });
  return recorded;
}

/** A callback that makes values, and what it has made. */
class Evaluation {
  value: unknown = undefined;
  readonly callback: (...args: unknown[]) => unknown;

  constructor(callback: (...args: unknown[]) => unknown) {
    this.callback = (...args) => (this.value = callback(...args));
  }
}

/** `values((eb) => …)` and `set((eb) => …)` are called once, by Kysely; what they return is what counts. */
function evaluating(argument: unknown, index: number): unknown {
  return typeof argument === 'function' && index === 0 ? new Evaluation(argument as () => unknown) : argument;
}
