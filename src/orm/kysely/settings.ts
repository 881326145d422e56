import { describe } from '../../core/describe.ts';
import { entries } from '../../core/options.ts';
import { type AdapterOptions, parseAdapterOptions } from '../adapter-options.ts';
import type { Dialect } from './dialect.ts';
import { type Key, KeyCatalog } from './keys.ts';

/** The options of `withSignals()`, complete, and what is known of the database. */
export interface KyselySettings extends Required<AdapterOptions> {
  readonly atomic: boolean;
  readonly beforeImage: boolean;
  /** As the app names them, by sender. */
  readonly primaryKeys: Readonly<Record<string, Key>>;
  readonly dialect: Dialect;
  readonly keys: KeyCatalog;
}

/** @throws TypeError that quotes what is wrong. */
export function parseSettings(options: unknown, dialect: Dialect): KyselySettings {
  const { primaryKeys = {}, ...rest } = Object.fromEntries(
    options === undefined ? [] : entries(options, 'withSignals()'),
  ) as { primaryKeys?: unknown };
  const given: Record<string, Key> = {};
  for (const [table, columns] of entries(primaryKeys, 'primaryKeys')) {
    const key: readonly unknown[] = [columns].flat();
    if (key.length === 0 || !key.every((column) => typeof column === 'string')) {
      throw new TypeError(
        `primaryKeys.${String(table)} must be the name of a column, or an array of names, not ${describe(columns)}`,
      );
    }
    given[String(table)] = key;
  }
  return {
    ...parseAdapterOptions(rest, 'withSignals()', { atomic: true, beforeImage: true }, ['primaryKeys']),
    primaryKeys: given,
    dialect,
    keys: new KeyCatalog(dialect),
  };
}
