import { signalName } from './describe.ts';
import { parseOptions } from './options.ts';
import { NOTHING, type Plan, silenceOf } from './plan.ts';
import type { Callee, Registration } from './registration.ts';
import { reportRejection } from './report.ts';
import { type Following, type SendMethod, tools } from './tools.ts';
import type { AnyFunction, AnySignal, Outcomes, Responses } from './types.ts';

type Pair = readonly [AnyFunction, unknown];
type Outcome = PromiseSettledResult<unknown>;

/** What a send needs to know of its signal's registry. */
interface Plans {
  readonly version: number;
  planFor(sender: unknown): Plan;
}

/** A signal that can put the call of an `afterCommit` receiver off until the commit. */
interface Deferring extends AnySignal {
  /** False outside a transaction, where it is called at once. */
  defers?(registration: Registration, sender: unknown, args: object, following: Following | undefined): boolean;
}

/** One send on its way. */
interface Sending {
  readonly signal: Deferring;
  readonly plan: Plan;
  readonly sender: unknown;
  readonly args: object;
  readonly following: Following | undefined;
}

/** The payload of a send without one. */
export const NO_ARGS: object = /* @__PURE__ */ Object.freeze({});

/**
 * Call everyone in order; the first throw stops the rest. Plain receivers are called with nothing in between but the question whether
 * the registry has changed, and nothing is allocated until one of them answers.
 */
export function send(signal: AnySignal, plans: Plans, sender: unknown, args: object): Responses<unknown> {
  const plan = plans.planFor(sender);
  const { receivers } = plan;
  if (receivers === undefined || tools.current !== undefined) return follow(signal, plan, sender, args, 'send', sendMixed);
  const { version } = plans;
  for (let index = 0; index < receivers.length; index++) {
    const receiver = receivers[index] as AnyFunction;
    const response = receiver(sender, args, signal);
    if (response !== undefined || plans.version !== version) return sendOn(signal, plan, sender, args, receivers, index, response);
  }
  return (plan.silence ??= silenceOf(plan));
}

/** Go on with a send whose result must be gathered: one has answered, or may have disconnected another. */
function sendOn(signal: AnySignal, plan: Plan, sender: unknown, args: object, receivers: readonly AnyFunction[], called: number, response: unknown): readonly Pair[] {
  const { registrations } = plan;
  const responses: Pair[] = (plan.silence ??= silenceOf(plan)).slice(0, called);
  responses.push([receivers[called] as AnyFunction, response]);
  for (let index = called + 1; index < receivers.length; index++) {
    const receiver = receivers[index] as AnyFunction;
    if ((registrations[index] as Registration).connected) responses.push([receiver, receiver(sender, args, signal)]);
  }
  return responses;
}

/** Everyone is called; what they throw becomes their outcome. */
export function sendRobust(signal: AnySignal, plans: Plans, sender: unknown, args: object): Outcomes<unknown> {
  return follow(signal, plans.planFor(sender), sender, args, 'sendRobust', sendMixedRobustly);
}

/**
 * As `send` or `sendRobust`, and wait for what they return. All start before this function first waits, unless it is serial. An async
 * function, so that nothing here throws synchronously.
 */
export async function sendAsync(signal: AnySignal, plans: Plans, sender: unknown, args: object, options: unknown, method: 'sendAsync' | 'sendRobustAsync'): Promise<readonly (readonly [AnyFunction, never])[]> {
  const { serial, [around]: scope } = parseOptions(options, `${method}()`, CONCURRENT);
  const robust = method === 'sendRobustAsync';
  return follow(signal, plans.planFor(sender), sender, args, method, async (sending) => {
    const receivers: AnyFunction[] = [];
    const settling: (Outcome | Promise<Outcome>)[] = [];
    for (const registration of sending.plan.registrations) {
      const callee = begin(registration, sending);
      if (callee === undefined) continue;
      const { receiver } = callee;
      let outcome: Outcome | Promise<Outcome>;
      try {
        outcome = settled(scope(receiver, () => call(callee, sending)));
        if (serial) outcome = await outcome;
      } catch (reason) {
        outcome = { status: 'rejected', reason };
      }
      receivers.push(receiver);
      settling.push(outcome);
      if (!robust && 'reason' in outcome) break;
    }
    // eslint-disable-next-line @typescript-eslint/await-thenable -- some have settled, in a serial send all of them
    const outcomes = await Promise.all(settling);
    const errors = robust ? [] : outcomes.filter(({ status }) => status === 'rejected').map((outcome) => (outcome as PromiseRejectedResult).reason as unknown);
    if (errors.length > 1) {
      throw new AggregateError(errors, `${String(errors.length)} of ${String(receivers.length)} receivers of ${signalName(signal)} failed`);
    }
    if (errors.length === 1) throw errors[0];
    return outcomes.length === 0 ? NOTHING : outcomes.map((outcome, index) => [receivers[index], robust ? outcome : (outcome as PromiseFulfilledResult<unknown>).value] as never);
  });
}

/** Runs each receiver of an async send; adapters put it into the scope of its transaction. */
export type Around = (receiver: AnyFunction, invoke: () => unknown) => unknown;

/** The internal option behind `Around`, registered so that an adapter of one copy of the library can send on a signal of another. */
export const around: unique symbol = Symbol.for('tocsin/1.around') as never;

const CONCURRENT = { serial: false, [around]: (_receiver: AnyFunction, invoke: () => unknown): unknown => invoke() };

/** Do a send, with the tools at work looking on. */
function follow<T>(signal: AnySignal, plan: Plan, sender: unknown, args: object, method: SendMethod, run: (sending: Sending) => T): T {
  if (tools.current === undefined) return run({ signal, plan, sender, args, following: undefined });
  return tools.current.follow({ signal, sender, args, method }, (following) => run({ signal, plan, sender, args, following }));
}

function sendMixed(sending: Sending): readonly Pair[] {
  const responses: Pair[] = [];
  for (const registration of sending.plan.registrations) {
    const callee = begin(registration, sending);
    if (callee !== undefined) responses.push([callee.receiver, call(callee, sending)]);
  }
  return responses.length === 0 ? NOTHING : responses;
}

function sendMixedRobustly(sending: Sending): Outcomes<unknown> {
  const outcomes: (readonly [AnyFunction, Outcome])[] = [];
  for (const registration of sending.plan.registrations) {
    const callee = begin(registration, sending);
    if (callee === undefined) continue;
    const { receiver } = callee;
    let outcome: Outcome;
    try {
      outcome = { status: 'fulfilled', value: call(callee, sending) };
    } catch (reason) {
      outcome = { status: 'rejected', reason };
    }
    outcomes.push([receiver, outcome]);
    if ('value' in outcome) reportRejection(outcome.value, { signal: sending.signal, sender: sending.sender, receiver });
  }
  return outcomes.length === 0 ? NOTHING : outcomes;
}

/** What to call now, if the receiver is still connected and its call is not put off until a commit. Ends a `once` connection. */
function begin(registration: Registration, { signal, sender, args, following }: Sending): Callee | undefined {
  const callee = registration.callee();
  const { afterCommit, once } = registration.settings;
  const skipped =
    callee === undefined
      ? 'ended'
      : following?.isMuted(callee.receiver)
        ? 'muted'
        : afterCommit && signal.defers?.(registration, sender, args, following)
          ? 'waiting for the commit'
          : undefined;
  if (skipped !== undefined) {
    following?.skip(callee?.receiver, skipped);
    return undefined;
  }
  if (once) registration.connection.disconnect();
  return callee;
}

function call({ receiver, self }: Callee, { signal, sender, args, following }: Sending): unknown {
  const invoke = (): unknown => Reflect.apply(receiver, self, [sender, args, signal]);
  return following === undefined ? invoke() : following.call(receiver, invoke);
}

async function settled(response: unknown): Promise<Outcome> {
  try {
    return { status: 'fulfilled', value: await response };
  } catch (reason) {
    return { status: 'rejected', reason };
  }
}
