/** Values as they can be compared between two databases: with their classes, own keys in order, and nothing shared. */
import { inspect } from 'node:util';

export type Snapshot = string | { readonly [key: string]: Snapshot };

/** The text of a value that must not be walked into; undefined for others. */
export type Leaf = (value: unknown) => string | undefined;

/** What a promise comes to, for steps that run several calls. */
export async function settle(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

export function snapshotOf(value: unknown, leaf?: Leaf, above: readonly unknown[] = []): Snapshot {
  const text = leaf?.(value) ?? textOf(value);
  if (text !== undefined) return text;
  const object = value as object;
  if (above.includes(object)) return `[circular, ${String(above.length - above.indexOf(object))} up]`;
  if (object instanceof Error) return snapshotOfError(object);
  const within = [...above, object];
  const entries: [string, Snapshot][] = [['class', classOf(object)]];
  if (object instanceof Map || object instanceof Set) {
    for (const [index, entry] of [...object].entries()) entries.push([String(index), snapshotOf(entry, leaf, within)]);
  }
  for (const key of Reflect.ownKeys(object)) {
    if (Array.isArray(object) && key === 'length') continue;
    const { enumerable, get, ...property } = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    const name = `${String(key)}${enumerable === true ? '' : ' (hidden)'}`;
    entries.push([name, get === undefined ? snapshotOf(property.value, leaf, within) : '[accessor]']);
  }
  return Object.fromEntries(entries);
}

/** What callers can tell errors apart by. */
export function snapshotOfError(error: unknown): Snapshot {
  if (!(error instanceof Error)) return snapshotOf(error);
  const { name, message, code } = error as Error & { code?: unknown };
  // MariaDB's messages name the database.
  const same = message.replaceAll(/\btocsin_\w+_(?:bare|attached)\b/g, 'database');
  return { class: classOf(error), name, message: same, code: inspect(code) };
}

/** The chain of prototypes, by the names of their classes. */
export function classOf(object: object): string {
  const names: string[] = [];
  for (let each: unknown = Object.getPrototypeOf(object); each !== null; each = Object.getPrototypeOf(each)) {
    names.push((each as { constructor?: { name?: string } }).constructor?.name ?? '(anonymous)');
  }
  return names.length === 0 ? '(no prototype)' : names.join(' < ');
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'function') return `[function ${value.name}]`;
  if (typeof value !== 'object' || value === null) return inspect(value);
  if (value instanceof Date || value instanceof RegExp) return `${classOf(value)} ${inspect(value)}`;
  if (ArrayBuffer.isView(value)) return `${classOf(value)} ${Buffer.from(value.buffer).toString('hex')}`;
  return undefined;
}

/** Where two outcomes first differ, and how; undefined if nowhere. */
export function firstDifference(bare: unknown, attached: unknown, path = ''): string | undefined {
  if (Object.is(bare, attached)) return undefined;
  if (!isRecord(bare) || !isRecord(attached)) {
    return `differs at ${path === '' ? 'the top' : path}:\n  bare         ${short(bare)}\n  with signals ${short(attached)}`;
  }
  for (const key of new Set([...Object.keys(bare), ...Object.keys(attached)])) {
    const difference = firstDifference(bare[key], attached[key], path === '' ? key : `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  const [keys, others] = [Object.keys(bare).join(), Object.keys(attached).join()];
  return keys === others ? undefined : firstDifference(keys, others, `${path} (order of the keys)`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function short(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: Infinity, maxStringLength: 2_000 });
}
