import { everySignal } from '../core/every-signal.ts';
import { describe, nameOf, signalName } from '../core/describe.ts';
import { dispose } from '../core/dispose.ts';
import { observe } from '../core/observe.ts';
import { originOf, type Stack, stackHere } from '../core/origin.ts';
import type { AnySignal, Connection } from '../core/types.ts';
import { signalsOf } from './signals.ts';

/**
 * Take note of who listens now to these signals, or, without any, to every signal that there is; disposing of it throws
 * if someone else does by then, and names them with the lines that connected them. For the `afterEach` of a test, or
 * with `using`. Signals that are made meanwhile are not watched: nobody else can listen to those of a test.
 *
 * @throws TypeError if one is no signal. Disposing of it throws an Error that names the receivers left behind.
 * @example
 * ```ts
 * const saved = new Signal('saved')
 * const clean = expectClean(saved)
 * const connection = saved.connect(() => 'mailed')
 * connection.disconnect() // true
 * clean[Symbol.dispose]() // nobody was left behind
 * ```
 */
export function expectClean(...signals: readonly AnySignal[]): Disposable {
  const watched = signals.length === 0 ? everySignal.members : signalsOf(signals, 'expectClean()');
  const before = new Set(watched.flatMap(({ connections }) => connections));
  const stacks = new WeakMap<Connection, Stack>();
  const end = observe({ connected: (connection) => void stacks.set(connection, stackHere()) });
  let over = false;
  return {
    [dispose]: () => {
      if (over) return;
      over = true;
      end();
      const left = watched.flatMap(({ connections }) => connections).filter((connection) => !before.has(connection));
      if (left.length === 0) return;
      const lines = left.map((connection) => `\n  ${leftBehind(connection, stacks.get(connection))}`);
      throw new Error(
        `${String(left.length)} ${left.length === 1 ? 'receiver is' : 'receivers are'} still connected:${lines.join('')}\nDisconnect them, or give them an owner or an AbortSignal that ends with the test.`,
      );
    },
  };
}

function leftBehind({ signal, receiver, sender }: Connection, stack: Stack | undefined): string {
  const origin = stack && originOf(stack);
  const where = origin === undefined ? '' : ` (${origin.file}:${String(origin.line)}:${String(origin.column)})`;
  return `${signalName(signal)} → ${nameOf(receiver)}${sender === undefined ? '' : ` for ${describe(sender)}`}${where}`;
}
