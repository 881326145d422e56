import { AsyncLocalStorage } from 'node:async_hooks';
import { describe } from '../core/describe.ts';
import { dispose } from '../core/dispose.ts';
import { waiters } from '../core/events.ts';
import { observe } from '../core/observe.ts';
import { parseOptions, RULES } from '../core/options.ts';
import { isSignal } from '../core/signal.ts';
import { begun, isThenable } from '../core/thenable.ts';
import type { AnyFunction, AnySignal } from '../core/types.ts';
import { signalsOf } from './signals.ts';

/** What is muted: everything that all of these are true of. */
export interface Mute {
  /** One signal or several; every signal if left out. */
  readonly signal?: AnySignal | readonly AnySignal[];
  /** Only sends from this value. */
  readonly sender?: unknown;
  /** Only this receiver. */
  readonly receiver?: AnyFunction;
}

type Rule = (signal: AnySignal, sender: unknown, receiver: AnyFunction) => boolean;

/**
 * Call no receivers of these signals, or only not those that a description is true of, until it is disposed of. The
 * others are called as ever; a muted receiver yields no pair, and its `once` is not used up. `once()` and `on()` are no
 * receivers in this sense: who waits for a send hears of it.
 *
 * Mutes add up: what two of them mute is heard again when both have ended, in whichever order.
 *
 * @throws TypeError if there is nothing to mute, or a description is wrong.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * saved.connect(() => 'mailed')
 *
 * const muted = mute(saved)
 * saved.send('orders').length // 0
 * muted[Symbol.dispose]()
 * saved.send('orders').length // 1
 * ```
 */
export function mute(...what: readonly (AnySignal | Mute)[]): Disposable {
  const rules = rulesOf(what, 'mute()');
  return { [dispose]: observe({ mutes: (...call) => rules.some((rule) => rule(...call)) }) };
}

const muted = new AsyncLocalStorage<readonly Rule[]>();

/**
 * As `mute()`, for what `run` does: also across awaits, until the promise that it returns has settled, and in nothing
 * else that goes on at the same time. So one request can import in bulk without silencing the others.
 *
 * @returns what `run` returns.
 * @throws whatever `run` throws; TypeError if there is nothing to mute, or nothing to run.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * saved.connect(() => 'mailed')
 *
 * const during = await muteDuring([saved], async () => saved.send('import').length)
 * during // 0
 * ```
 */
export function muteDuring<T>(what: readonly (AnySignal | Mute)[], run: () => T): T {
  const rules = rulesOf(what, 'muteDuring()');
  if (typeof run !== 'function') throw new TypeError(`muteDuring() runs a function, not ${describe(run)}`);
  let over = false;
  const own = rules.map(
    (rule): Rule =>
      (...call) =>
        !over && rule(...call),
  );
  const end = observe({
    mutes: (...call) => muted.getStore()?.some((rule) => own.includes(rule) && rule(...call)) ?? false,
  });
  const finish = (): void => {
    over = true;
    end();
  };
  const store = [...(muted.getStore() ?? []), ...own];
  let result: T;
  try {
    result = muted.run(store, run);
  } catch (error) {
    finish();
    throw error;
  }
  if (!isThenable(result)) {
    finish();
    return result;
  }
  return muted.run(store, begun, result).finally(finish) as T;
}

function rulesOf(what: readonly unknown[], method: string): Rule[] {
  if (!Array.isArray(what) || what.length === 0)
    throw new TypeError(`${method} needs a signal, or a description { signal, sender, receiver }, of what to mute`);
  return what.map((each) => ruleOf(isSignal(each) ? { signal: each } : each, method));
}

const MUTE = { signal: undefined as unknown, sender: undefined as unknown, receiver: undefined as unknown };

function ruleOf(what: unknown, method: string): Rule {
  const given = parseOptions(what, method, MUTE, { sender: RULES.sender });
  const signals = given.signal === undefined ? undefined : signalsOf(given.signal, method);
  const { receiver } = given;
  const sender = given.sender ?? undefined;
  if (receiver !== undefined && typeof receiver !== 'function')
    throw new TypeError(`receiver must be a function, not ${describe(receiver)}`);
  if (signals === undefined && sender === undefined && receiver === undefined)
    throw new TypeError(`${method} needs a signal, sender or receiver: {} would mute everything`);
  return (signal, from, called) =>
    !waiters.has(called) &&
    (signals?.includes(signal) ?? true) &&
    (sender === undefined || Object.is(sender, from)) &&
    (receiver === undefined || receiver === called);
}
