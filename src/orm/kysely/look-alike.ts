type Method = (...args: never[]) => unknown;

/**
 * What stands in for an object whose methods need that object itself as `this`: of the same class, with the same
 * properties, and methods that look like its own. `implement` is asked once for each method that is used; by default a
 * method does what it did.
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
      const run = implement(name, (...args) => Reflect.apply(member, target, args) as unknown);
      const method = new Proxy(member as Method, {
        apply: (_member, _self, args: unknown[]) => run(...args),
      });
      methods.set(name, method);
      return method;
    },
  });
}

/** A function that a getter gives has properties of its own and needs no `this`: `db.fn.count`. */
function isMethod(target: object, name: PropertyKey): boolean {
  for (let holder: object | null = target; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const property = Object.getOwnPropertyDescriptor(holder, name);
    if (property !== undefined) return property.get === undefined;
  }
  return false;
}
