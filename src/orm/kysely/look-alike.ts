type Method = (...args: never[]) => unknown;

/**
 * What stands in for an object whose methods need that object itself as `this`: of the same class, with the same
 * properties, and methods that look like its own. `implement` is asked once for each method that is used, and returns a
 * new function for it.
 */
export function lookAlike<T extends object>(
  target: T,
  implement: (name: PropertyKey, original: (...args: unknown[]) => unknown) => (...args: unknown[]) => unknown,
): T {
  const methods = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_target, name) {
      const known = methods.get(name);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function' || name === 'constructor' || !isMethod(target, name)) return member;
      const method = implement(name, (...args) => Reflect.apply(member, target, args) as unknown);
      dress(method, member as Method);
      methods.set(name, method);
      return method;
    },
  });
}

/** Give a function the name, the arity, the class and the properties of another. */
function dress(method: Method, original: Method): void {
  Object.defineProperties(method, Object.getOwnPropertyDescriptors(original));
  Object.setPrototypeOf(method, Object.getPrototypeOf(original) as object | null);
}

/** A function that a getter gives has properties of its own and needs no `this`: `db.fn.count`. */
function isMethod(target: object, name: PropertyKey): boolean {
  for (let holder: object | null = target; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const property = Object.getOwnPropertyDescriptor(holder, name);
    if (property !== undefined) return property.get === undefined;
  }
  return false;
}
