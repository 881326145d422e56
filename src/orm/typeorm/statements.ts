/** What a statement does to a transaction. */
export type TransactionStatement =
  | { readonly does: 'begin' | 'commit' | 'rollback' }
  | { readonly does: 'savepoint' | 'release' | 'rollbackTo'; readonly name: string };

const NAME = String.raw`["'\`\[]?(\w+)["'\`\]]?`;
const END = String.raw`\s*;?\s*$`;
const MATCHERS: readonly (readonly [TransactionStatement['does'], RegExp])[] = (
  [
    [
      'begin',
      String.raw`(?:start\s+transaction\b[\w\s,]*|begin(?:\s+(?:work|transaction|tran|deferred|immediate|exclusive))*)`,
    ],
    ['commit', String.raw`(?:commit|end)(?:\s+(?:work|transaction|tran))?`],
    ['rollback', String.raw`rollback(?:\s+(?:work|transaction|tran))?`],
    ['rollbackTo', String.raw`rollback\s+(?:(?:work|transaction|tran)\s+)?(?:to\s+)?(?:savepoint\s+)?${NAME}`],
    ['savepoint', String.raw`(?:savepoint|save\s+(?:transaction|tran))\s+${NAME}`],
    ['release', String.raw`release\s+(?:savepoint\s+)?${NAME}`],
  ] as const
).map(([does, pattern]) => [does, new RegExp(String.raw`^\s*${pattern}${END}`, 'i')]);

/** No other statement begins like this. */
const FIRST = /^\s*(?:start|begin|commit|end|rollback|save|release)/i;

/** What a statement does to the transaction that it is issued in; undefined for one that only writes or reads. */
export function transactionStatement(sql: string): TransactionStatement | undefined {
  if (!FIRST.test(sql)) return undefined;
  for (const [does, pattern] of MATCHERS) {
    const match = pattern.exec(sql);
    if (match !== null) return { does, name: match[1]?.toLowerCase() ?? '' };
  }
  return undefined;
}
