import { isObject } from './describe.ts';

/**
 * Whether waiting for a value means calling its `then()`: a promise, or a query that only begins when it is waited for.
 * Never throws, whatever the value does.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return isObject(value) && 'then' in value && typeof value.then === 'function';
  } catch {
    return false;
  }
}

/** Begin to wait now, in the async context of the caller: `await` would call `then()` in that of whoever awaits. */
export function begun<T>(thenable: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    thenable.then(resolve, reject);
  });
}
