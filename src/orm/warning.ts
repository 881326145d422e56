/** Where a guard has warned already. */
export type WarnedSites = Set<string>;

/** Tenants with tables of their own, or code made at run time, must not fill the memory. */
const MOST_SITES = 1_000;

/**
 * Warn of something, once for each line of the app and each `detail`. Never throws: a warning must not fail a write.
 *
 * @param message - gets ` (where)`, or nothing if that is not known
 */
export function warnOnce(
  warned: WarnedSites,
  code: string,
  site: string,
  detail: string,
  message: (at: string) => string,
): void {
  const key = `${site} ${detail}`;
  if (warned.has(key)) return;
  if (warned.size >= MOST_SITES) warned.clear();
  warned.add(key);
  try {
    process.emitWarning(message(site === '' ? '' : ` (${site})`), { type: 'TocsinWarning', code });
  } catch {
    // An app may have frozen Error, or made warnings throw.
  }
}
