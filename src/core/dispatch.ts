import { signalName } from './describe.ts';
import { parseOptions } from './options.ts';
import { currentPlan, type Plan } from './plan.ts';
import type { Registration } from './registration.ts';
import { type Dispatching, type Registry, registry } from './registry.ts';
import { report, reportRejection, reportRejections } from './report.ts';
import { type Following, type SendMethod, tools } from './tools.ts';
import type { AnyFunction, Outcomes } from './types.ts';

type Pair = readonly [AnyFunction, unknown];

/** Everyone is called; what they throw becomes their outcome. */
export function sendRobust(signal: Dispatching, sender: unknown, given: object | undefined): Outcomes<unknown> {
  return follow(signal, sender, signal[registry].prepare(sender, given), 'sendRobust', gather) as Outcomes<unknown>;
}

/** As `send` or `sendRobust`, and wait for what they return. Never throws synchronously. */
export function sendAsync(
  signal: Dispatching,
  sender: unknown,
  given: object | undefined,
  options: unknown,
  method: 'sendAsync' | 'sendRobustAsync',
): Promise<readonly (readonly [AnyFunction, never])[]> {
  try {
    const { serial, [around]: scope } =
      options === undefined ? CONCURRENT : parseOptions(options, `${method}()`, CONCURRENT);
    return follow(
      signal,
      sender,
      signal[registry].prepare(sender, given),
      method,
      serial ? gatherSerially : gatherConcurrently,
      scope,
    ) as Promise<readonly (readonly [AnyFunction, never])[]>;
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Runs each receiver of a send; adapters put it into the scope of its transaction. */
export type Around = (receiver: AnyFunction, invoke: () => unknown) => unknown;

/**
 * The internal option behind `Around`, registered so that an adapter of one copy of the library can send on a signal of
 * another.
 */
export const around: unique symbol = Symbol.for('tocsin/1.around') as never;

const CONCURRENT = { serial: false, [around]: undefined as Around | undefined };

/** One send on its way, receiver by receiver. */
interface Sending {
  readonly signal: Dispatching;
  /** The registry that it had when the send began. */
  readonly plans: Registry;
  /** What the signal had ready then; another one by now means that someone may have been disconnected. */
  readonly begun: Plan;
  readonly plan: Plan;
  readonly sender: unknown;
  readonly args: object;
  readonly robust: boolean;
  readonly following: Following | undefined;
  readonly scope: Around | undefined;
  /** The one that was called last. */
  receiver: AnyFunction | undefined;
}

/** Do a send, with the tools at work looking on. */
export function follow<T>(
  signal: Dispatching,
  sender: unknown,
  args: object,
  method: SendMethod,
  run: (sending: Sending) => T,
  scope?: Around,
): T {
  const plans = signal[registry];
  const plan = plans.planFor(sender);
  const begun = plans.plan();
  const robust = method === 'sendRobust' || method === 'sendRobustAsync';
  const begin = (following?: Following): T =>
    run({ signal, plans, begun, plan, sender, args, robust, following, scope, receiver: undefined });
  return tools.current === undefined ? begin() : tools.current.follow({ signal, sender, args, method }, begin);
}

/** In place of the response of a receiver that is not called. */
const SKIPPED: unique symbol = /* @__PURE__ */ Symbol() as never;

/** What the receiver of that number returns; `SKIPPED` if it is not to be called. */
function call(sending: Sending, index: number): unknown {
  const { signal, begun, plan, sender, args, following, scope } = sending;
  const registration = plan.registrations[index] as Registration;
  if (plan.receivers === undefined || following !== undefined || scope !== undefined)
    return callOtherwise(sending, registration);
  if (signal[currentPlan] !== begun && !registration.connected) return SKIPPED;
  const receiver = plan.receivers[index] as AnyFunction;
  sending.receiver = receiver;
  return receiver(sender, args, signal);
}

/** For a receiver that is no plain one, or with tools or an adapter around it. Ends a `once` connection. */
function callOtherwise(sending: Sending, registration: Registration): unknown {
  const { signal, plans, sender, args, following, scope } = sending;
  const callee = registration.callee();
  sending.receiver = callee?.receiver;
  const { afterCommit, once } = registration.settings;
  const reason =
    callee === undefined
      ? 'ended'
      : following?.isMuted(callee.receiver)
        ? 'muted'
        : afterCommit && plans.kind.defers?.(registration, signal, sender, args, following)
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

/** One after the other. */
export function gather(sending: Sending): readonly Pair[] {
  const { plan, robust } = sending;
  const pairs: Pair[] = [];
  for (let index = 0; index < plan.registrations.length; index++) {
    let outcome: unknown;
    try {
      const value = call(sending, index);
      if (value === SKIPPED) continue;
      outcome = robust ? { status: 'fulfilled', value } : value;
      if (robust && typeof value === 'object')
        reportRejection(value, { signal: sending.signal, sender: sending.sender, receiver: sending.receiver });
    } catch (reason) {
      if (!robust) {
        reportRejections(pairs, sending.signal, sending.sender);
        throw reason;
      }
      outcome = { status: 'rejected', reason };
      report(reason, { signal: sending.signal, sender: sending.sender, receiver: sending.receiver }, true);
    }
    pairs.push([sending.receiver as AnyFunction, outcome]);
  }
  return pairs;
}

async function gatherSerially(sending: Sending): Promise<readonly Pair[]> {
  const { plan, robust } = sending;
  const pairs: Pair[] = [];
  for (let index = 0; index < plan.registrations.length; index++) {
    let outcome: unknown;
    try {
      const response = call(sending, index);
      if (response === SKIPPED) continue;
      const value = await response;
      outcome = robust ? { status: 'fulfilled', value } : value;
    } catch (reason) {
      if (!robust) throw reason;
      outcome = { status: 'rejected', reason };
      report(reason, { signal: sending.signal, sender: sending.sender, receiver: sending.receiver }, true);
    }
    pairs.push([sending.receiver as AnyFunction, outcome]);
  }
  return pairs;
}

/** All are started before anyone waits. A query that only begins when it is awaited begins once. */
async function gatherConcurrently(sending: Sending): Promise<readonly Pair[]> {
  const { signal, sender, plan, robust } = sending;
  const receivers: AnyFunction[] = [];
  const started: Promise<unknown>[] = [];
  for (let index = 0; index < plan.registrations.length; index++) {
    let stopped = false;
    let response: unknown;
    try {
      response = call(sending, index);
    } catch (reason) {
      stopped = !robust;
      response = Promise.reject(reason);
    }
    if (response === SKIPPED) continue;
    receivers.push(sending.receiver as AnyFunction);
    started.push(Promise.resolve(response));
    if (stopped) break;
  }
  let outcomes: unknown[];
  try {
    outcomes = await (robust ? Promise.allSettled(started) : Promise.all(started));
  } catch {
    // still everything started is waited for
    const errors = (await Promise.allSettled(started)).flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    throw errors.length === 1
      ? errors[0]
      : new AggregateError(
          errors,
          `${String(errors.length)} of ${String(receivers.length)} receivers of ${signalName(signal)} failed`,
        );
  }
  return receivers.map((receiver, index) => {
    const outcome = outcomes[index];
    if (robust && (outcome as PromiseSettledResult<unknown>).status === 'rejected')
      report((outcome as PromiseRejectedResult).reason, { signal, sender, receiver }, true);
    return [receiver, outcome];
  });
}
