import { describe, isObject } from '../../core/describe.ts';
import { entries, unknownOption } from '../../core/options.ts';
import { parseAdapterOptions } from '../adapter-options.ts';
import type { PrismaOptions, TransactionOptions } from './write-plan.ts';

/** A write that nobody listens to has no limits; these only end what hangs. */
const TEN_MINUTES = 600_000;
/** What a timer of Node takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * The options of `signals()`, checked and complete.
 *
 * @throws TypeError that quotes what is wrong.
 */
export function parsePrismaOptions(options: unknown): PrismaOptions {
  const isGiven = isObject(options) && Object.hasOwn(options, 'transaction');
  const { transaction, ...others } = isGiven ? (options as { transaction: unknown }) : { transaction: undefined };
  const flags = { atomic: true, beforeImage: true };
  const parsed = parseAdapterOptions(isGiven ? others : options, 'signals()', flags, ['transaction']);
  return { ...parsed, transaction: parseTransaction(transaction) };
}

function parseTransaction(transaction: unknown): TransactionOptions {
  const parsed: Record<string, unknown> = { maxWait: TEN_MINUTES, timeout: TEN_MINUTES };
  for (const [key, value] of transaction === undefined ? [] : entries(transaction, 'transaction')) {
    if (key !== 'maxWait' && key !== 'timeout' && key !== 'isolationLevel')
      throw unknownOption(key, 'transaction', ['maxWait', 'timeout', 'isolationLevel']);
    if (value === undefined) continue;
    if (key === 'isolationLevel') {
      if (typeof value !== 'string') throw new TypeError(`isolationLevel must be a string, not ${describe(value)}`);
    } else if (typeof value !== 'number' || !(value > 0 && value <= LONGEST)) {
      throw new TypeError(`${key} must be a number of milliseconds up to ${String(LONGEST)}, not ${describe(value)}`);
    }
    parsed[key] = value;
  }
  return parsed;
}
