import { deferred } from './after-commit.ts';
import { signalName } from './describe.ts';
import { followed, followedAsync, type Following, observers } from './observe.ts';
import { entries, parseFlag, unknownOption } from './options.ts';
import { NOTHING, type Plan } from './plan.ts';
import type { Callee, Registration } from './registration.ts';
import { reportRejection } from './report.ts';
import type { AnyFunction, AnySignal, Outcomes, Responses } from './types.ts';

type Pair = readonly [AnyFunction, unknown];

/** Where a send finds out whom to call. */
interface Plans {
  planFor(sender: unknown): Plan;
}

/** The payload of a send without one. */
export const NO_ARGS: object = Object.freeze({});

/** Call everyone in order; the first throw stops the rest. */
export function send(signal: AnySignal, plan: Plan, sender: unknown, args: object): Responses<unknown> {
  return plan.plain && observers.length === 0 ? sendPlain(signal, plan, sender, args) : sendOtherwise(signal, plan, sender, args);
}

/** Apart from the plain path, so that that is small enough to be inlined. */
function sendOtherwise(signal: AnySignal, plan: Plan, sender: unknown, args: object): Responses<unknown> {
  return observers.length === 0 ? sendMixed(signal, plan, sender, args, undefined) : observed.send(signal, plan, sender, args);
}

/** Everyone is called; what they throw becomes their outcome. */
export function sendRobust(signal: AnySignal, plan: Plan, sender: unknown, args: object): Outcomes<unknown> {
  return observers.length === 0 ? callRobustly(signal, plan, sender, args, undefined) : observed.sendRobust(signal, plan, sender, args);
}

function callRobustly(signal: AnySignal, plan: Plan, sender: unknown, args: object, following: Following | undefined): Outcomes<unknown> {
  const outcomes: [AnyFunction, PromiseSettledResult<unknown>][] = [];
  for (const registration of plan.registrations) {
    const callee = begin(registration, signal, sender, args, following);
    if (callee === undefined) continue;
    const { receiver } = callee;
    let value: unknown;
    try {
      value = call(callee, signal, sender, args, following);
    } catch (reason) {
      outcomes.push([receiver, { status: 'rejected', reason }]);
      continue;
    }
    outcomes.push([receiver, { status: 'fulfilled', value }]);
    reportRejection(value, { signal, sender, receiver });
  }
  return outcomes.length === 0 ? NOTHING : outcomes;
}

/** As `send`, and wait for what they return. An async function, so that nothing here throws synchronously. */
export async function sendAsync(signal: AnySignal, plans: Plans, sender: unknown, args: object, options: unknown): Promise<Responses<unknown>> {
  const { serial, around } = parseSendOptions(options, 'sendAsync()');
  const plan = plans.planFor(sender);
  if (observers.length > 0) return observed.sendAsync(signal, plan, sender, args, serial ? around : undefined);
  return serial ? sendSerially(signal, plan, sender, args, around, undefined) : sendConcurrently(signal, plan, sender, args, undefined);
}

/** As `sendRobust`, and wait for what they return. */
export async function sendRobustAsync(signal: AnySignal, plans: Plans, sender: unknown, args: object, options: unknown): Promise<Outcomes<unknown>> {
  const { serial } = parseSendOptions(options, 'sendRobustAsync()');
  const plan = plans.planFor(sender);
  return observers.length === 0 ? settleAll(signal, plan, sender, args, serial, undefined) : observed.sendRobustAsync(signal, plan, sender, args, serial);
}

/** The four with tools looking on. Functions of their own, so that a send that nobody looks at pays for no closure. */
const observed = {
  send: (signal: AnySignal, plan: Plan, sender: unknown, args: object): readonly Pair[] =>
    followed({ signal, sender, args, method: 'send' }, (following) => sendMixed(signal, plan, sender, args, following)),

  sendRobust: (signal: AnySignal, plan: Plan, sender: unknown, args: object): Outcomes<unknown> =>
    followed({ signal, sender, args, method: 'sendRobust' }, (following) => callRobustly(signal, plan, sender, args, following)),

  sendAsync: (signal: AnySignal, plan: Plan, sender: unknown, args: object, around: Around | undefined): Promise<readonly Pair[]> =>
    followedAsync({ signal, sender, args, method: 'sendAsync' }, (following) =>
      around === undefined ? sendConcurrently(signal, plan, sender, args, following) : sendSerially(signal, plan, sender, args, around, following),
    ),

  sendRobustAsync: (signal: AnySignal, plan: Plan, sender: unknown, args: object, serial: boolean): Promise<Outcomes<unknown>> =>
    followedAsync({ signal, sender, args, method: 'sendRobustAsync' }, (following) => settleAll(signal, plan, sender, args, serial, following)),
};

async function settleAll(signal: AnySignal, plan: Plan, sender: unknown, args: object, serial: boolean, following: Following | undefined): Promise<Outcomes<unknown>> {
  const receivers: AnyFunction[] = [];
  const settling: Promise<PromiseSettledResult<unknown>>[] = [];
  for (const registration of plan.registrations) {
    const callee = begin(registration, signal, sender, args, following);
    if (callee === undefined) continue;
    const outcome = settle(callee, signal, sender, args, following);
    receivers.push(callee.receiver);
    settling.push(outcome);
    if (serial) await outcome;
  }
  const outcomes = await Promise.all(settling);
  return outcomes.length === 0 ? NOTHING : outcomes.map((outcome, index) => [receivers[index] as AnyFunction, outcome]);
}

/**
 * The path of plain receivers: one field read tells whether a receiver is still connected and what to call, and
 * nothing is allocated until one of them answers.
 */
function sendPlain(signal: AnySignal, plan: Plan, sender: unknown, args: object): readonly Pair[] {
  const { registrations, silence } = plan;
  let responses: Pair[] | undefined;
  for (let index = 0; index < registrations.length; index++) {
    const registration = registrations[index] as Registration;
    const receiver = registration.target as AnyFunction | undefined;
    if (receiver === undefined) {
      responses ??= silence.slice(0, index);
      continue;
    }
    const response = receiver(sender, args, signal);
    if (response !== undefined) {
      responses ??= silence.slice(0, index);
      responses.push([receiver, response]);
    } else if (responses !== undefined) {
      responses.push(silence[index] as Pair);
    }
  }
  return responses ?? silence;
}

function sendMixed(signal: AnySignal, plan: Plan, sender: unknown, args: object, following: Following | undefined): readonly Pair[] {
  const responses: Pair[] = [];
  for (const registration of plan.registrations) {
    const callee = begin(registration, signal, sender, args, following);
    if (callee !== undefined) responses.push([callee.receiver, call(callee, signal, sender, args, following)]);
  }
  return responses.length === 0 ? NOTHING : responses;
}

/** All start before this function first waits. A throw stops the starting, and still everything started is waited for. */
async function sendConcurrently(signal: AnySignal, plan: Plan, sender: unknown, args: object, following: Following | undefined): Promise<readonly Pair[]> {
  const receivers: AnyFunction[] = [];
  const started: Promise<PromiseSettledResult<unknown>>[] = [];
  for (const registration of plan.registrations) {
    const callee = begin(registration, signal, sender, args, following);
    if (callee === undefined) continue;
    receivers.push(callee.receiver);
    try {
      started.push(settled(call(callee, signal, sender, args, following)));
    } catch (reason) {
      started.push(Promise.resolve({ status: 'rejected', reason }));
      break;
    }
  }
  const responses: Pair[] = [];
  const errors: unknown[] = [];
  for (const [index, outcome] of (await Promise.all(started)).entries()) {
    if (outcome.status === 'fulfilled') responses.push([receivers[index] as AnyFunction, outcome.value]);
    else errors.push(outcome.reason);
  }
  if (errors.length > 1) {
    throw new AggregateError(errors, `${String(errors.length)} of ${String(receivers.length)} receivers of ${signalName(signal)} failed`);
  }
  if (errors.length === 1) throw errors[0];
  return responses.length === 0 ? NOTHING : responses;
}

async function sendSerially(
  signal: AnySignal,
  plan: Plan,
  sender: unknown,
  args: object,
  around: Around,
  following: Following | undefined,
): Promise<readonly Pair[]> {
  const responses: Pair[] = [];
  for (const registration of plan.registrations) {
    const callee = begin(registration, signal, sender, args, following);
    if (callee === undefined) continue;
    const { receiver } = callee;
    responses.push([receiver, await around(receiver, () => call(callee, signal, sender, args, following))]);
  }
  return responses.length === 0 ? NOTHING : responses;
}

/** What to call now, if the receiver is still connected and its call is not put off until a commit. Ends a `once` connection. */
function begin(registration: Registration, signal: AnySignal, sender: unknown, args: object, following: Following | undefined): Callee | undefined {
  const callee = registration.callee();
  if (callee === undefined) {
    following?.skip(undefined, 'ended');
    return undefined;
  }
  const { afterCommit, once } = registration.settings;
  if (following?.isMuted(callee.receiver) === true) {
    following.skip(callee.receiver, 'muted');
    return undefined;
  }
  if (afterCommit && deferred(registration, signal, sender, args, following)) {
    following?.skip(callee.receiver, 'waiting for the commit');
    return undefined;
  }
  if (once) registration.disconnect();
  return callee;
}

function call({ receiver, self }: Callee, signal: AnySignal, sender: unknown, args: object, following: Following | undefined): unknown {
  if (following === undefined) return Reflect.apply(receiver, self, [sender, args, signal]);
  return following.call(receiver, () => Reflect.apply(receiver, self, [sender, args, signal]) as unknown);
}

function settle(callee: Callee, signal: AnySignal, sender: unknown, args: object, following: Following | undefined): Promise<PromiseSettledResult<unknown>> {
  try {
    return settled(call(callee, signal, sender, args, following));
  } catch (reason) {
    return Promise.resolve({ status: 'rejected', reason });
  }
}

async function settled(response: unknown): Promise<PromiseSettledResult<unknown>> {
  try {
    return { status: 'fulfilled', value: await response };
  } catch (reason) {
    return { status: 'rejected', reason };
  }
}

/** Runs each receiver of a serial send; adapters put it into the scope of its transaction. */
export type Around = (receiver: AnyFunction, invoke: () => unknown) => unknown;

/** The internal option behind `Around`, registered so that an adapter of one copy of the library can send on a signal of another. */
export const around: unique symbol = Symbol.for('tocsin/1.around') as never;

const CONCURRENT = { serial: false, around: (_receiver: AnyFunction, invoke: () => unknown): unknown => invoke() };

function parseSendOptions(options: unknown, method: string): { readonly serial: boolean; readonly around: Around } {
  if (options === undefined) return CONCURRENT;
  const parsed = { ...CONCURRENT };
  for (const [key, value] of entries(options, method)) {
    if (key === 'serial') parsed.serial = parseFlag('serial', value);
    else if (key === around) parsed.around = value as Around;
    else throw unknownOption(key, method, ['serial']);
  }
  return parsed;
}
