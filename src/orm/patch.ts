type Method = (this: never, ...args: never[]) => unknown;

interface Patch {
  readonly original: Method;
  readonly replacement: Method;
  uses: number;
}

const patches = new WeakMap<object, Map<string, Patch>>();

/**
 * Put `wrap(original)` in place of a method of an ORM that has no hook at that point. The classes are the ORM's own,
 * shared by all its databases, so that the replacement must pass on what does not concern it. Returns what puts the
 * original back after the last use.
 */
export function patch(prototype: object, name: string, wrap: (original: Method) => Method): () => void {
  const methods = prototype as Record<string, Method>;
  let named = patches.get(prototype);
  if (named === undefined) patches.set(prototype, (named = new Map<string, Patch>()));
  let entry = named.get(name);
  if (entry === undefined) {
    const original = methods[name] as Method;
    const replacement = wrap(original);
    // Name, arity, what somebody has hung on it, and whether it is an async function.
    Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
    Object.setPrototypeOf(replacement, Object.getPrototypeOf(original) as object);
    entry = { original, replacement, uses: 0 };
    named.set(name, entry);
    methods[name] = entry.replacement;
  }
  const { original, replacement } = entry;
  entry.uses++;
  return () => {
    if (--entry.uses > 0) return;
    named.delete(name);
    // somebody else may have wrapped it since
    if (methods[name] === replacement) methods[name] = original;
  };
}

/** The prototype in the chain of `instance` that defines the method. */
export function ownerOf(instance: object, method: string): object {
  let prototype = Object.getPrototypeOf(instance) as object;
  while (!Object.hasOwn(prototype, method)) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype;
}
