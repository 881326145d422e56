/**
 * A value as it appears in an error message: short, on one line. Never throws, whatever the value does when it is
 * looked at.
 */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'string') return printable(JSON.stringify(shorten(value)));
    if (typeof value === 'function') return `${isClass(value) ? 'class' : 'function'} ${nameOf(value)}`;
    if (Array.isArray(value)) return `an array of ${String(value.length)}`;
    if (!isObject(value)) return printable(`${shorten(String(value))}${typeof value === 'bigint' ? 'n' : ''}`);
    const { constructor = Object } = value as { constructor?: unknown };
    const name = nameOf(constructor);
    return name === 'Object' ? `{ ${printable(shorten(Object.keys(value).join(', ')))} }` : `an instance of ${name}`;
  } catch {
    return 'an unreadable value';
  }
}

/** A receiver's name for people. Never throws. */
export function nameOf(receiver: unknown): string {
  try {
    const name: unknown = (receiver as { name?: unknown } | undefined)?.name;
    return typeof name === 'string' && name !== '' ? printable(shorten(name)) : '(anonymous)';
  } catch {
    return '(unnameable)';
  }
}

/** A signal's name for people. */
export function signalName({ name }: { readonly name: string }): string {
  return printable(shorten(name, 200)) || '(unnamed signal)';
}

/**
 * A text on one line, so that data in it cannot command a terminal, forge a line or turn the direction of reading:
 * control and bidi characters are escaped.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`,
  );
}

/** As `printable()`, line by line. */
export function printableLines(text: string): string {
  return text.replace(/[^\n]+/g, printable);
}

/**
 * Classes and built-in constructors are the functions whose own `prototype` cannot be reassigned: the mark survives
 * minification, proxies and a class that overrides `toString`.
 */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
}

/** Whether a value has an identity of its own and can therefore be held weakly. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' ? value !== null : typeof value === 'function';
}

/**
 * A promise of any realm, and not merely a thenable: waiting for a lazy query would run it. Never throws, whatever the
 * value does.
 */
export function isPromise(value: unknown): value is Promise<unknown> {
  try {
    if (value instanceof Promise || Object.prototype.toString.call(value) === '[object Promise]') return true;
    return isObject(value) && typeof (value as Partial<Promise<unknown>>).then === 'function' && isOfLibrary(value);
  } catch {
    return false;
  }
}

/** A promise of Bluebird or its like: the class of a query has no `resolve()`. */
function isOfLibrary({ constructor }: object): boolean {
  const { resolve, all } = constructor as Partial<PromiseConstructor>;
  return typeof resolve === 'function' && typeof all === 'function';
}

/** What is longer is cut, with a mark. */
export function shorten(text: string, length = 60): string {
  return text.length > length ? `${text.slice(0, length - 3)}...` : text;
}
