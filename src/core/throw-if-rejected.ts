import { nameOf, shorten } from './describe.ts';
import type { Outcomes, Responses } from './types.ts';

/**
 * Throw what receivers threw, after all of them were called: what a robust send is for, with the errors not to be
 * overlooked. Named after `AbortSignal.throwIfAborted()`.
 *
 * @param outcomes - what `sendRobust()` returned, or `sendRobustAsync()` resolved to.
 * @returns `[receiver, response]` for each receiver, in call order, if none failed: what `send()` returns.
 * @throws AggregateError if one or more failed, also for a single one: `errors` are what was thrown, in call order, and
 * the message names the receivers.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * saved.connect(function mail() { throw new Error('mail server down') })
 * saved.connect(function audit() { return 'written' })
 *
 * try {
 *   throwIfRejected(saved.sendRobust('orders'))
 * } catch (error) {
 *   (error as Error).message // '1 of 2 receivers failed: mail'
 * }
 * ```
 */
export function throwIfRejected<TResponse>(outcomes: Outcomes<TResponse>): Responses<TResponse> {
  const responses: Responses<TResponse>[number][] = [];
  const failed: string[] = [];
  const errors: unknown[] = [];
  for (const [receiver, outcome] of outcomes) {
    if (outcome.status === 'fulfilled') responses.push([receiver, outcome.value]);
    else {
      failed.push(nameOf(receiver));
      errors.push(outcome.reason);
    }
  }
  if (errors.length === 0) return responses;
  throw new AggregateError(
    errors,
    `${String(errors.length)} of ${String(outcomes.length)} receivers failed: ${shorten(failed.join(', '), 500)}`,
  );
}
