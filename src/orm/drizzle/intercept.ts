import { isClass } from '../../core/describe.ts';

type Method = (...args: unknown[]) => unknown;
/** Called in place of a method. `original` calls that, unhooked. */
export type Hook = (args: unknown[], original: Method) => unknown;

/**
 * The object as it is, with some of its methods hooked. It keeps its class, its keys and its functions, which keep
 * their names and properties; a method that returns the object itself returns the hooked one.
 */
export function intercept<T extends object>(target: T, hooks: ReadonlyMap<PropertyKey, Hook>): T {
  const hooked = new Map<PropertyKey, { readonly member: Method; readonly replacement: Method }>();
  const proxy: T = new Proxy(target, {
    get(_target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      const hook = hooks.get(name);
      // Arrow functions of the instance know no other `this`; those of the prototype are called on the proxy.
      if (typeof member !== 'function' || isClass(member)) return member;
      if (hook === undefined && !Object.hasOwn(target, name)) return member;
      const known = hooked.get(name);
      if (known?.member === member) return known.replacement;
      const original = (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      const replacement = new Proxy(member as Method, {
        apply(_member, _self, args: unknown[]) {
          const result = hook === undefined ? original(...args) : hook(args, original);
          return result === target ? proxy : result;
        },
      });
      hooked.set(name, { member: member as Method, replacement });
      return replacement;
    },
  });
  return proxy;
}
