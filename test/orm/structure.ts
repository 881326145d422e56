/**
 * A wrapped handle looks like the bare one: the same class, the same properties, own and inherited, each of the same
 * type; functions with their names, arities and properties. `expect(structureOf(wrapped)).toEqual(structureOf(bare))`.
 */
import { classOf } from './equivalence/snapshot.ts';

export interface StructureOptions {
  /** How deep in objects; functions are always looked at whole. Default 1: the properties of the handle itself. */
  readonly depth?: number;
  /** Paths that may differ. Say why beside it. */
  readonly except?: readonly string[];
}

/** What is at each path, as text. */
export function structureOf(
  handle: unknown,
  { depth = 1, except = [] }: StructureOptions = {},
): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (value: unknown, path: string, left: number): void => {
    if (except.includes(path)) return;
    found[path] = describe(value);
    const isFunction = typeof value === 'function';
    if (!isFunction && (left === 0 || typeof value !== 'object' || value === null)) return;
    const keys = isFunction ? Reflect.ownKeys(value).filter((key) => !NATIVE.includes(key)) : allKeys(value);
    for (const key of keys) {
      const inner = path === '' ? String(key) : `${path}.${String(key)}`;
      if (inner.split('.').length > 4) continue;
      let member: unknown;
      try {
        member = (value as Record<PropertyKey, unknown>)[key];
      } catch (error) {
        found[inner] = `throws ${String(error)}`;
        continue;
      }
      visit(member, inner, isFunction ? left : left - 1);
    }
  };
  visit(handle, '', depth);
  return found;
}

const NATIVE: readonly PropertyKey[] = ['length', 'name', 'prototype', 'arguments', 'caller'];

/** Own keys and those of all prototypes but Object's. */
function allKeys(object: object): PropertyKey[] {
  const keys = new Set<PropertyKey>();
  for (let each: object | null = object; each !== null && each !== Object.prototype;) {
    for (const key of Reflect.ownKeys(each)) keys.add(key);
    each = Object.getPrototypeOf(each) as object | null;
  }
  return [...keys].sort((one, other) => String(one).localeCompare(String(other)));
}

function describe(value: unknown): string {
  if (typeof value === 'function') return `function ${value.name}/${String(value.length)}, ${classOf(value)}`;
  if (typeof value === 'object' && value !== null) return `object, ${classOf(value)}`;
  return typeof value;
}
