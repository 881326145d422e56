import { describe } from '../core/describe.ts';
import { assertOption, entries, FLAG, unknownOption } from '../core/options.ts';

/**
 * What happens at a write that the ORM does not break down into instances, so that no save or delete signal is sent for
 * its rows:
 *
 * - `'signal'`: `postBulk` is sent.
 * - `'warn'`: also a process warning, once per call site, if someone listens to the save or delete signals of the
 *   sender.
 * - `'throw'`: the write is refused before anything is written.
 * - `'individual'`: the write is done instance by instance, with all signals, where the ORM allows it; elsewhere as
 *   `'warn'`.
 */
export type BulkPolicy = 'signal' | 'warn' | 'throw' | 'individual';

/**
 * What happens when a receiver writes through the app's handle while the transaction that it runs in is open, and so
 * outside of it: such a write does not see the row, outlives a rollback, and needs a second connection.
 *
 * - `'warn'`: a process warning, once per call site, that names the receiver. Where the pool has no connection left,
 *   the write is refused: the receiver would wait for a connection while its transaction holds one.
 * - `'throw'`: the write is refused.
 * - `'ignore'`: nothing.
 */
export type OutsidePolicy = 'warn' | 'throw' | 'ignore';

/** The options that every adapter takes. */
export interface AdapterOptions {
  /** Default `'warn'`. */
  readonly bulk?: BulkPolicy;
  /** Default `'warn'`. */
  readonly outside?: OutsidePolicy;
  /** The name of this database in payloads (`using`). Default `'default'`. */
  readonly using?: string;
}

const BULK: readonly unknown[] = ['signal', 'warn', 'throw', 'individual'] satisfies BulkPolicy[];
const OUTSIDE: readonly unknown[] = ['warn', 'throw', 'ignore'] satisfies OutsidePolicy[];

/**
 * The options, checked and complete. `flags` are those that one adapter has beside, with their defaults; `others` the
 * names of those that it has checked itself.
 *
 * @throws TypeError that quotes what is wrong.
 */
export function parseAdapterOptions<TFlag extends string = never>(
  options: unknown,
  method: string,
  flags: Readonly<Record<TFlag, boolean>> = {} as Record<TFlag, boolean>,
  others: readonly string[] = [],
): Required<AdapterOptions> & Readonly<Record<TFlag, boolean>> {
  const parsed: Record<string, unknown> = { bulk: 'warn', outside: 'warn', using: 'default', ...flags };
  for (const [key, value] of options === undefined ? [] : entries(options, method)) {
    if (typeof key === 'symbol' || !Object.hasOwn(parsed, key))
      throw unknownOption(key, method, [...Object.keys(parsed), ...others]);
    if (value === undefined) continue;
    if (key === 'bulk') assertOneOf(key, value, BULK);
    if (key === 'outside') assertOneOf(key, value, OUTSIDE);
    if (key === 'using' && typeof value !== 'string')
      throw new TypeError(`using must be a string, the name of the database, not ${describe(value)}`);
    if (Object.hasOwn(flags, key)) assertOption(key, value, FLAG);
    parsed[key] = value;
  }
  return parsed as unknown as Required<AdapterOptions> & Record<TFlag, boolean>;
}

function assertOneOf(option: string, value: unknown, policies: readonly unknown[]): void {
  if (policies.includes(value)) return;
  throw new TypeError(`${option} must be one of ${policies.join(', ')}, not ${describe(value)}`);
}
