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
  let entries = holder[process];
  if (entries === undefined) {
    entries = new Map();
    try {
      // without a prototype, for whatever Object.prototype has would count as part of it
      Object.defineProperty(holder, process, { __proto__: null, value: entries } as PropertyDescriptor);
    } catch (cause) {
      throw new Error('tocsin keeps on globalThis what all its copies share: import it before that is frozen', {
        cause,
      });
    }
  }
  const made = create();
  const known = tagOf(entries) === tagOf(new Map()) ? entries : undefined;
  const entry = (known as Map<string, object> | undefined)?.get(name) ?? made;
  if (known === undefined || tagOf(entry) !== tagOf(made))
    throw new Error(
      `globalThis[Symbol.for('tocsin/1')] is not what tocsin puts there ("${name}"): another package has taken the place`,
    );
  (known as Map<string, object>).set(name, entry);
  return entry as T;
}

/** What a value is, in any realm. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
