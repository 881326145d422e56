import { isAtLeast } from '../supported.ts';
import type { AnyModel } from './adapter.ts';

/** Where Mongoose keeps the hooks of a schema, which it does not document. */
interface HookedSchema {
  readonly s?: { readonly hooks?: { readonly _pres?: Hooks; readonly _posts?: Hooks } };
  readonly childSchemas?: readonly { readonly schema: HookedSchema }[];
}
type Hooks = ReadonlyMap<string, readonly { readonly fn: { readonly name: string } }[]>;

/** Mongoose's own, of virtual populates and of shard keys: they do what a document made of a row needs. */
const BUILT_IN = new Set(['virtualPreInit', 'shardingPluginPostInit']);

/**
 * Whether a document that is made of a row runs hooks of `init`, which are those of documents that the app reads. Since
 * 9.3 Mongoose leaves them out where it is asked to.
 */
export function hasHooksOfReads({ base, schema }: AnyModel): boolean {
  return !isAtLeast(base.version, '9.3.0') && hasOwnHooks(schema);
}

function hasOwnHooks({ s, childSchemas = [] }: HookedSchema): boolean {
  const { _pres: before, _posts: after } = s?.hooks ?? {};
  if (before === undefined || after === undefined) return true;
  const hooks = [before, after].flatMap((each) => each.get('init') ?? []);
  return hooks.some(({ fn }) => !BUILT_IN.has(fn.name)) || childSchemas.some(({ schema }) => hasOwnHooks(schema));
}
