/** A value as it appears in an error message: short, on one line. Never throws, whatever the value does when it is looked at. */
export function describe(value: unknown): string {
  try {
    switch (typeof value) {
      case 'string':
        return JSON.stringify(shorten(value));
      case 'function':
        return `${isClass(value) ? 'class' : 'function'} ${nameOf(value)}`;
      case 'object':
        return value === null ? 'null' : describeObject(value);
      case 'bigint':
        return `${String(value)}n`;
      default:
        return String(value);
    }
  } catch {
    return 'an unreadable value';
  }
}

/** A receiver's name for people. Never throws. */
export function nameOf(receiver: unknown): string {
  try {
    const name: unknown = (receiver as { name?: unknown } | undefined)?.name;
    return typeof name === 'string' && name !== '' ? shorten(name) : '(anonymous)';
  } catch {
    return '(unnameable)';
  }
}

/** A signal's name for people. */
export function signalName(signal: { readonly name: string }): string {
  return signal.name === '' ? '(unnamed signal)' : signal.name;
}

/**
 * Classes and built-in constructors are the functions whose own `prototype` cannot be reassigned: the mark survives minification,
 * proxies and a class that overrides `toString`.
 */
export function isClass(value: unknown): boolean {
  return (
    typeof value === 'function' &&
    Object.hasOwn(value, 'prototype') &&
    Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
  );
}

/** Whether a value has an identity of its own and can therefore be held weakly. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' ? value !== null : typeof value === 'function';
}

/** A promise of any realm, and not merely a thenable: waiting for a lazy query would run it. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise || Object.prototype.toString.call(value) === '[object Promise]';
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return `an array of ${String(value.length)}`;
  const prototype = Object.getPrototypeOf(value) as { constructor?: unknown } | null;
  const constructor = prototype === null ? 'Object' : nameOf(prototype.constructor);
  if (constructor !== 'Object') return `an instance of ${constructor}`;
  const keys = Object.keys(value);
  return `{ ${shorten(keys.join(', '))} }`;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
