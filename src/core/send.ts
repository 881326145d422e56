import { follow, gather } from './dispatch.ts';
import { currentPlan, onlyReceiver, onlySilence, type Plan, silenceOf } from './plan.ts';
import type { Registration } from './registration.ts';
import { type Dispatching, NO_ARGS, registry } from './registry.ts';
import { reportRejections } from './report.ts';
import { tools } from './tools.ts';
import type { AnyFunction, Responses } from './types.ts';

const NOTHING: Responses<never> = /* @__PURE__ */ Object.freeze([]);

/**
 * Call everyone in order; the first throw stops the rest. What costs is fetching objects from memory, so the plainest
 * send, to one receiver or nobody, finds all that it needs on the signal; the next takes the plan. Nothing is allocated
 * until a receiver answers, and between two calls there is only the question whether the signal has another plan.
 */
export function send(signal: Dispatching, sender: unknown, given: object | undefined): Responses<unknown> {
  if (tools.current !== undefined) return sendOtherwise(signal, sender, given);
  const args = given ?? NO_ARGS;
  const only = signal[onlyReceiver];
  if (only !== undefined) {
    // read before the call: the receiver may disconnect itself, and is in the result all the same
    const silence = signal[onlySilence];
    const response = only(sender, args, signal);
    return response === undefined ? (silence as Responses<undefined>) : [[only, response]];
  }
  const begun = signal[currentPlan] ?? signal[registry].plan();
  const plan = begun.senders === undefined ? begun : (begun.senders.get(sender) ?? signal[registry].planFor(sender));
  const { receivers } = plan;
  if (receivers === undefined) return sendOtherwise(signal, sender, given);
  for (let index = 0; index < receivers.length; index++) {
    const receiver = receivers[index] as AnyFunction;
    const response = receiver(sender, args, signal);
    if (response !== undefined || signal[currentPlan] !== begun)
      return sendOn(signal, begun, plan, sender, args, index, response);
  }
  return (plan.silence ??= silenceOf(receivers));
}

/**
 * Go on with a send whose result must be gathered: the receiver at `called` has answered, or may have disconnected
 * another.
 */
function sendOn(
  signal: Dispatching,
  begun: Plan,
  { receivers = [], registrations }: Plan,
  sender: unknown,
  args: object,
  called: number,
  response: unknown,
): Responses<unknown> {
  const pairs: (readonly [AnyFunction, unknown])[] = [];
  try {
    for (let index = 0; index < receivers.length; index++) {
      const receiver = receivers[index] as AnyFunction;
      if (index <= called) pairs.push([receiver, index < called ? undefined : response]);
      else if (signal[currentPlan] === begun || (registrations[index] as Registration).connected)
        pairs.push([receiver, receiver(sender, args, signal)]);
    }
  } catch (error) {
    reportRejections(pairs, signal, sender);
    throw error;
  }
  return pairs;
}

/** Receivers that want more than to be called, payloads that are to be completed, and tools that look on. */
function sendOtherwise(signal: Dispatching, sender: unknown, given: object | undefined): Responses<unknown> {
  const args = signal[registry].prepare(sender, given);
  if (tools.current === undefined && signal[registry].planFor(sender).registrations.length === 0) return NOTHING;
  return follow(signal, sender, args, 'send', gather);
}
