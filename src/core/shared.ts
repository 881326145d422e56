/**
 * The part of tocsin that exists once per process, however many copies of the library are loaded (ESM beside CommonJS,
 * two installed versions). The number is the protocol: copies that could not understand each other's entries must
 * differ in it.
 */
const process: unique symbol = Symbol.for('tocsin/1');

/**
 * The process-wide object called `name`, made by the first copy of the library that asks for it.
 *
 * @throws Error if something else stands in its place, or nothing can: once, when tocsin is imported.
 */
export function shared<T extends object>(name: string, create: () => T): T {
  const holder = globalThis as { [process]?: unknown };
  // a descriptor without a prototype, for whatever Object.prototype has would count as part of it
  if (holder[process] === undefined)
    Reflect.defineProperty(holder, process, { __proto__: null, value: new Map() } as PropertyDescriptor);
  const entries = holder[process];
  if (isLike(entries, new Map())) {
    const made = create();
    const entry = (entries as Map<string, T>).get(name) ?? made;
    (entries as Map<string, T>).set(name, entry);
    if (isLike(entry, made)) return entry;
  }
  throw new Error(
    `tocsin keeps "${name}" for all its copies in globalThis[Symbol.for('tocsin/1')], but another package has taken that place, or globalThis was frozen before`,
  );
}

/** Whether they are of one kind, in whichever realms. */
function isLike(value: unknown, other: unknown): boolean {
  const tagOf = (each: unknown): string => Object.prototype.toString.call(each);
  return tagOf(value) === tagOf(other);
}
