/**
 * The symbols behind `using` and `await using`. Engines without them get the registered symbol that compilers fall back
 * to when they lower `using`; the globals themselves are left alone.
 */
export const dispose: typeof Symbol.dispose = /* @__PURE__ */ wellKnown('dispose') as typeof Symbol.dispose;
export const asyncDispose: typeof Symbol.asyncDispose = /* @__PURE__ */ wellKnown(
  'asyncDispose',
) as typeof Symbol.asyncDispose;

function wellKnown(name: 'dispose' | 'asyncDispose'): symbol {
  return (Symbol as Partial<typeof Symbol>)[name] ?? Symbol.for(`Symbol.${name}`);
}
