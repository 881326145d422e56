/**
 * The part of tocsin that exists once per process, however many copies of the library are loaded (ESM beside CommonJS,
 * two installed versions). The number is the protocol: copies that could not understand each other's entries must
 * differ in it.
 */
const process: unique symbol = Symbol.for('tocsin/1');

/** The process-wide object called `name`, made by the first copy of the library that asks for it. */
export function shared<T extends object>(name: string, create: () => T): T {
  const holder = globalThis as { [process]?: Map<string, object> };
  let entries = holder[process];
  if (entries === undefined) {
    entries = new Map();
    Object.defineProperty(holder, process, { value: entries });
  }
  let entry = entries.get(name);
  if (entry === undefined) entries.set(name, (entry = create()));
  return entry as T;
}
