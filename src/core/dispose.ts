/**
 * The symbols behind `using` and `await using`. Engines without them get the registered symbol that compilers fall back to when
 * they lower `using`; the globals themselves are left alone.
 */
const symbols: { readonly dispose?: symbol; readonly asyncDispose?: symbol } = Symbol;

export const dispose: typeof Symbol.dispose = (symbols.dispose ?? Symbol.for('Symbol.dispose')) as typeof Symbol.dispose;
export const asyncDispose: typeof Symbol.asyncDispose = (symbols.asyncDispose ??
  Symbol.for('Symbol.asyncDispose')) as typeof Symbol.asyncDispose;
