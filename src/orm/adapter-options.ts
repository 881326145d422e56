import { describe } from '../core/describe.ts';
import { entries, unknownOption } from '../core/options.ts';

/**
 * What happens at a write that the ORM does not break down into instances, so that no save or delete signal is sent for its rows:
 *
 * - `'signal'`: `postBulk` is sent.
 * - `'warn'`: also a process warning, once per call site, if someone listens to the save or delete signals of the sender.
 * - `'throw'`: the write is refused before anything is written.
 * - `'individual'`: the write is done instance by instance, with all signals, where the ORM allows it; elsewhere as `'warn'`.
 */
export type BulkPolicy = 'signal' | 'warn' | 'throw' | 'individual';

/** The options that every adapter takes. */
export interface AdapterOptions {
  /** Default `'warn'`. */
  readonly bulk?: BulkPolicy;
  /** The name of this database in payloads (`using`). Default `'default'`. */
  readonly using?: string;
}

const POLICIES: readonly unknown[] = ['signal', 'warn', 'throw', 'individual'] satisfies BulkPolicy[];

/** The options, checked and complete. Throws a `TypeError` that quotes what is wrong. */
export function parseAdapterOptions(options: unknown, method: string, others: readonly string[] = []): Required<AdapterOptions> {
  const parsed: { -readonly [K in keyof AdapterOptions]-?: NonNullable<AdapterOptions[K]> } = { bulk: 'warn', using: 'default' };
  if (options === undefined) return parsed;
  for (const [key, value] of entries(options, method)) {
    if (value === undefined && (key === 'bulk' || key === 'using')) continue;
    if (key === 'bulk') {
      if (!POLICIES.includes(value)) throw new TypeError(`bulk must be one of ${POLICIES.join(', ')}, not ${describe(value)}`);
      parsed.bulk = value as BulkPolicy;
    } else if (key === 'using') {
      if (typeof value !== 'string') throw new TypeError(`using must be a string, the name of the database, not ${describe(value)}`);
      parsed.using = value;
    } else {
      throw unknownOption(key, method, ['bulk', 'using', ...others]);
    }
  }
  return parsed;
}
