import { describe } from '../core/describe.ts';

/**
 * Refuse a version of an ORM that the adapter was not written for. npm refuses nothing: the range of an optional peer
 * would be enforced for an app that has that ORM and only wants the core.
 *
 * @param version - what the ORM says of itself; undefined where it does not say, and then it is not refused
 * @param from - the lowest version that is supported, such as `6.35.0`
 * @param before - the first that is not any more, such as `7.0.0`
 * @throws TypeError that names what is supported.
 */
export function assertSupported(orm: string, version: unknown, from: string, before: string): void {
  if (version === undefined) return;
  if (typeof version === 'string' && isAtLeast(version, from) && !isAtLeast(version, before)) return;
  throw new TypeError(
    `tocsin supports ${orm} from ${from} on and before ${before}, not ${describe(version)}. ` +
      `Install a supported version of ${orm}; without an adapter, signals can still be sent by hand.`,
  );
}

/** Of the numbers only: a release candidate counts as its release. */
export function isAtLeast(version: string, other: string): boolean {
  const [left, right] = [version, other].map((each) => (/^\d+(\.\d+)*/.exec(each)?.[0] ?? '').split('.').map(Number));
  for (const [index, number] of (right ?? []).entries()) {
    const own = left?.[index] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}
