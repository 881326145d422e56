/**
 * Django's signals for TypeScript: one part of an app reacts when something happens in another, without either knowing
 * the other.
 */
export { Signal, type Receiver } from './core/signal.ts';
export { receiver, connectReceivers } from './core/decorator.ts';
export { disconnectReceivers } from './core/owners.ts';
export { disconnectSender } from './core/disconnect-sender.ts';
export { watchConnections, type ConnectionWatcher } from './core/watch-connections.ts';
export { setMaxListeners } from './core/max-listeners.ts';
export { throwIfRejected } from './core/throw-if-rejected.ts';
export { on, once, type OnceOptions, type OnOptions, type SignalIterator } from './core/events.ts';
export { onError, type ErrorContext, type ErrorHandler, type ErrorOptions } from './core/report.ts';
export { m2mChanged, postBulk, postDelete, postSave, preDelete, preSave } from './models.ts';
export type { ReceiverDecorator, ReceiverOptions, ReceiverParameters } from './core/decorator-types.ts';
export type * from './core/model-types.ts';
export type {
  AbortSignalLike,
  AnyFunction,
  AnySignal,
  ConnectOptions,
  Connection,
  DisconnectOptions,
  DispatchUidOptions,
  Outcomes,
  ReceiverThis,
  RegistrationOptions,
  Responses,
  SendArguments,
  SendAsyncArguments,
  SendAsyncOptions,
  SenderConnectOptions,
} from './core/types.ts';
