import { signalName } from './describe.ts';
import { parseOptions } from './options.ts';
import { NOTHING, type Plan, silenceOf } from './plan.ts';
import type { Registration } from './registration.ts';
import { reportRejection } from './report.ts';
import { type Following, type SendMethod, tools } from './tools.ts';
import type { AnyFunction, AnySignal, Outcomes, Responses } from './types.ts';

type Pair = readonly [AnyFunction, unknown];

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

/** The payload of a send without one. */
export const NO_ARGS: object = /* @__PURE__ */ Object.freeze({});

/**
 * Call everyone in order; the first throw stops the rest. Plain receivers are called with nothing in between but the question whether
 * the registry has changed, and nothing is allocated until one of them answers.
 */
export function send(signal: AnySignal, plans: Plans, sender: unknown, args: object): Responses<unknown> {
  const plan = plans.planFor(sender);
  const { receivers } = plan;
  if (receivers === undefined || tools.current !== undefined) return follow(signal, plans, plan, sender, args, 'send', answersOf);
  const { version } = plans;
  for (let index = 0; index < receivers.length; index++) {
    const receiver = receivers[index] as AnyFunction;
    const response = receiver(sender, args, signal);
    if (response !== undefined || plans.version !== version) return sendOn(signal, plans, plan, sender, args, version, index, response);
  }
  return (plan.silence ??= silenceOf(plan));
}

/** Go on with a send whose result must be gathered: the receiver at `called` has answered, or may have disconnected another. */
function sendOn(
  signal: AnySignal,
  plans: Plans,
  { receivers = [], registrations }: Plan,
  sender: unknown,
  args: object,
  version: number,
  called: number,
  response: unknown,
): readonly Pair[] {
  const pairs: Pair[] = [];
  for (let index = 0; index < called; index++) pairs.push([receivers[index] as AnyFunction, undefined]);
  pairs.push([receivers[called] as AnyFunction, response]);
  for (let index = called + 1; index < receivers.length; index++) {
    const receiver = receivers[index] as AnyFunction;
    if (plans.version === version || (registrations[index] as Registration).connected) pairs.push([receiver, receiver(sender, args, signal)]);
  }
  return pairs;
}

/** Everyone is called; what they throw becomes their outcome. */
export function sendRobust(signal: AnySignal, plans: Plans, sender: unknown, args: object): Outcomes<unknown> {
  return follow(signal, plans, plans.planFor(sender), sender, args, 'sendRobust', outcomesOf);
}

/** As `send` or `sendRobust`, and wait for what they return. Never throws synchronously. */
export function sendAsync(signal: AnySignal, plans: Plans, sender: unknown, args: object, options: unknown, method: 'sendAsync' | 'sendRobustAsync'): Promise<readonly (readonly [AnyFunction, never])[]> {
  try {
    const { serial, [around]: scope } = options === undefined ? CONCURRENT : parseOptions(options, `${method}()`, CONCURRENT);
    const [concurrently, serially] = method === 'sendAsync' ? [settledAnswersOf, serialAnswersOf] : [settledOutcomesOf, serialOutcomesOf];
    return follow(signal, plans, plans.planFor(sender), sender, args, method, serial ? serially : concurrently, scope) as Promise<readonly (readonly [AnyFunction, never])[]>;
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Runs each receiver of a send; adapters put it into the scope of its transaction. */
export type Around = (receiver: AnyFunction, invoke: () => unknown) => unknown;

/** The internal option behind `Around`, registered so that an adapter of one copy of the library can send on a signal of another. */
export const around: unique symbol = Symbol.for('tocsin/1.around') as never;

const CONCURRENT = { serial: false, [around]: undefined as Around | undefined };

/** Do a send, with the tools at work looking on. */
function follow<T>(signal: AnySignal, plans: Plans, plan: Plan, sender: unknown, args: object, method: SendMethod, run: (sending: Sending) => T, scope?: Around): T {
  const begin = (following?: Following): T => run({ signal, plans, version: plans.version, plan, size: plan.registrations.length, sender, args, following, scope, receiver: undefined });
  return tools.current === undefined ? begin() : tools.current.follow({ signal, sender, args, method }, begin);
}

/** In place of the response of a receiver that is not called. */
const SKIPPED: unique symbol = /* @__PURE__ */ Symbol() as never;

/** One send on its way, receiver by receiver. */
interface Sending {
  readonly signal: Deferring;
  readonly plans: Plans;
  /** That of the registry when it began. */
  readonly version: number;
  readonly plan: Plan;
  readonly size: number;
  readonly sender: unknown;
  readonly args: object;
  readonly following: Following | undefined;
  readonly scope: Around | undefined;
  /** The one that was called last. */
  receiver: AnyFunction | undefined;
}

/** What the receiver of that number returns; `SKIPPED` if it is not to be called. */
function call(sending: Sending, index: number): unknown {
  const { plans, version, plan, signal, sender, args, following, scope } = sending;
  const registration = plan.registrations[index] as Registration;
  if (plan.receivers === undefined || following !== undefined || scope !== undefined) return callOtherwise(sending, registration);
  if (plans.version !== version && !registration.connected) return SKIPPED;
  const receiver = plan.receivers[index] as AnyFunction;
  sending.receiver = receiver;
  return receiver(sender, args, signal);
}

/** For a receiver that is no plain one, or with tools or an adapter around it. Ends a `once` connection. */
function callOtherwise(sending: Sending, registration: Registration): unknown {
  const { signal, sender, args, following, scope } = sending;
  const callee = registration.callee();
  sending.receiver = callee?.receiver;
  const { afterCommit, once } = registration.settings;
  const reason =
    callee === undefined
      ? 'ended'
      : following?.isMuted(callee.receiver)
        ? 'muted'
        : afterCommit && signal.defers?.(registration, sender, args, following)
          ? 'waiting for the commit'
          : undefined;
  if (callee === undefined || reason !== undefined) {
    following?.skip(callee?.receiver, reason as never);
    return SKIPPED;
  }
  if (once) registration.disconnect();
  const { receiver, self } = callee;
  const invoke = (): unknown => Reflect.apply(receiver, self, [sender, args, signal]);
  const followed = following === undefined ? invoke : (): unknown => following.call(receiver, invoke);
  return scope === undefined ? followed() : scope(receiver, followed);
}

function answersOf(sending: Sending): readonly Pair[] {
  const pairs: Pair[] = [];
  for (let index = 0; index < sending.size; index++) {
    const response = call(sending, index);
    if (response !== SKIPPED) pairs.push([sending.receiver as AnyFunction, response]);
  }
  return orNothing(pairs);
}

function outcomesOf(sending: Sending): Outcomes<unknown> {
  const outcomes: (readonly [AnyFunction, PromiseSettledResult<unknown>])[] = [];
  for (let index = 0; index < sending.size; index++) {
    let value: unknown;
    try {
      value = call(sending, index);
    } catch (reason) {
      outcomes.push([sending.receiver as AnyFunction, { status: 'rejected', reason }]);
      continue;
    }
    if (value === SKIPPED) continue;
    const receiver = sending.receiver as AnyFunction;
    outcomes.push([receiver, { status: 'fulfilled', value }]);
    if (typeof value === 'object') reportRejection(value, { signal: sending.signal, sender: sending.sender, receiver });
  }
  return orNothing(outcomes);
}

async function serialAnswersOf(sending: Sending): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  for (let index = 0; index < sending.size; index++) {
    const response = call(sending, index);
    if (response !== SKIPPED) pairs.push([sending.receiver as AnyFunction, await response]);
  }
  return orNothing(pairs);
}

async function settledAnswersOf(sending: Sending): Promise<readonly Pair[]> {
  const { receivers, started } = start(sending, true);
  let values: unknown[];
  try {
    values = await Promise.all(started);
  } catch {
    // still everything started is waited for
    const errors = (await Promise.allSettled(started)).flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    throw errors.length === 1 ? errors[0] : new AggregateError(errors, `${String(errors.length)} of ${String(receivers.length)} receivers of ${signalName(sending.signal)} failed`);
  }
  return orNothing(receivers.map((receiver, index) => [receiver, values[index]]));
}

async function serialOutcomesOf(sending: Sending): Promise<Outcomes<unknown>> {
  const outcomes: (readonly [AnyFunction, PromiseSettledResult<unknown>])[] = [];
  for (let index = 0; index < sending.size; index++) {
    let outcome: PromiseSettledResult<unknown>;
    try {
      const value = await call(sending, index);
      if (value === SKIPPED) continue;
      outcome = { status: 'fulfilled', value };
    } catch (reason) {
      outcome = { status: 'rejected', reason };
    }
    outcomes.push([sending.receiver as AnyFunction, outcome]);
  }
  return orNothing(outcomes);
}

async function settledOutcomesOf(sending: Sending): Promise<Outcomes<unknown>> {
  const { receivers, started } = start(sending, false);
  const outcomes = await Promise.allSettled(started);
  return orNothing(receivers.map((receiver, index) => [receiver, outcomes[index] as PromiseSettledResult<unknown>]));
}

interface Started {
  readonly receivers: AnyFunction[];
  readonly started: Promise<unknown>[];
}

/** Start all, before anyone waits. A query that only begins when it is awaited begins once. */
function start(sending: Sending, untilThrow: boolean): Started {
  const receivers: AnyFunction[] = [];
  const started: Promise<unknown>[] = [];
  for (let index = 0; index < sending.size; index++) {
    let failed = false;
    let response: unknown;
    try {
      response = call(sending, index);
    } catch (reason) {
      failed = untilThrow;
      response = Promise.reject(reason);
    }
    if (response === SKIPPED) continue;
    receivers.push(sending.receiver as AnyFunction);
    started.push(Promise.resolve(response));
    if (failed) break;
  }
  return { receivers, started };
}

/** Sends that have called nobody share their result. */
function orNothing<T>(pairs: readonly T[]): readonly T[] {
  return pairs.length === 0 ? NOTHING : pairs;
}
