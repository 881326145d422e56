/** What an ORM can do, by its own prototypes, held against what the programs do. */

/** The names of all methods, as `Class.method`. */
export function methodsOf(api: Readonly<Record<string, object>>): string[] {
  return Object.entries(api).flatMap(([name, holder]) =>
    Reflect.ownKeys(holder)
      .filter((key): key is string => typeof key === 'string' && key !== 'constructor')
      .filter((key) => typeof Object.getOwnPropertyDescriptor(holder, key)?.value === 'function')
      .map((key) => `${name}.${key}`),
  );
}

/**
 * `missing`: methods that nobody has thought of; `stale`: names of no method; `both`: names that are excused, though
 * they are covered.
 */
export function notHeldBy(
  methods: readonly string[],
  covered: readonly string[],
  excused: Readonly<Record<string, string>>,
): { missing: string[]; stale: string[]; both: string[] } {
  const excuses = Object.keys(excused);
  const isExcused = (method: string): boolean => excuses.some((excuse) => matches(excuse, method));
  return {
    missing: methods.filter((method) => !covered.includes(method) && !isExcused(method)),
    stale: [
      ...covered.filter((method) => !methods.includes(method)),
      ...excuses.filter((excuse) => !methods.some((method) => matches(excuse, method))),
    ],
    both: covered.filter((method) => excuses.includes(method)),
  };
}

/** A star stands for anything. */
function matches(excuse: string, method: string): boolean {
  if (!excuse.includes('*')) return excuse === method;
  const parts = excuse.split('*').map((part) => part.replace(/[.$]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`).test(method);
}
