import { shared } from './shared.ts';
import type { AnyFunction, AnySignal, Connection } from './types.ts';

/** The four ways to send. */
export type SendMethod = 'send' | 'sendRobust' | 'sendAsync' | 'sendRobustAsync';

/** A send, as it begins. */
export interface SendEvent {
  readonly signal: AnySignal;
  readonly sender: unknown;
  readonly args: object;
  readonly method: SendMethod;
}

/** Why a receiver in the list of a send is not called by it. */
export type SkipReason = 'muted' | 'ended' | 'waiting for the commit' | 'dropped by a rollback';

/** What a send tells the tools that follow it. */
export interface Following {
  /** Whether a receiver is not to be called. */
  isMuted(receiver: AnyFunction): boolean;
  /** A receiver is not called, or no more. It is undefined if it has been collected. */
  skip(receiver: AnyFunction | undefined, reason: SkipReason): void;
  /** Call a receiver; returns what it returns. */
  call(receiver: AnyFunction, invoke: () => unknown): unknown;
}

/** The recordings, mutes and traces at work, as far as a signal needs to know them. */
export interface Tools {
  /** Do a send with the tools looking on. */
  follow<T>(event: SendEvent, send: (following: Following) => T): T;
  /** Whether one of them wants a signal to be sent though no receiver hears it. */
  hears(signal: AnySignal, sender: unknown): boolean;
  connected(connection: Connection): void;
}

/** What is at work in the process. Nothing in production: that is all that a send looks at. */
export const tools: { current: Tools | undefined } = /* @__PURE__ */ shared('tools', () => ({ current: undefined }));
