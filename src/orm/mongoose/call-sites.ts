import { callSite } from '../../core/origin.ts';
import { hasReceivers } from '../bulk.ts';
import { currentCause } from '../causal-context.ts';
import type { MongooseAdapter } from './adapter.ts';
import { type AnyQuery, operationOf } from './query.ts';

const sites = new WeakMap<object, string>();

/** Remember where a query was made, for a warning: when it runs, the call that made it has long returned. */
export function madeHere(query: unknown, { active, options: { bulk, outside } }: MongooseAdapter): void {
  if (!active || typeof query !== 'object' || query === null) return;
  const { model } = query as AnyQuery;
  const mayWarn = bulk === 'warn' || bulk === 'individual';
  if (
    (outside === 'warn' && currentCause() !== undefined) ||
    (mayWarn && hasReceivers(operationOf(query as AnyQuery), model))
  )
    sites.set(query, callSite());
}

/** The line of the app that made the query, if there may be something to warn of. */
export function siteOf(query: AnyQuery): string | undefined {
  return sites.get(query);
}
