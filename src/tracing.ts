/**
 * Follow your signals: who listens to what, since which line of code, and what a piece of work has sent, called and
 * caused.
 */
import { recordOrigins } from './tracing/origins.ts';

export type { SendMethod, SkipReason } from './core/observe.ts';
export type { Origin } from './core/origin.ts';
export {
  type DiagnosticsOptions,
  publishDiagnostics,
  type ReceiverMessage,
  type SendMessage,
} from './tracing/diagnostics.ts';
export { type HtmlOptions, toHtml } from './tracing/html.ts';
export { inspect, type ReceiverListing, type SignalListing } from './tracing/inspect.ts';
export { toMermaid } from './tracing/mermaid.ts';
export { recordOrigins };
export type { Redact, RedactedKind } from './tracing/redact.ts';
export { type Shown, type TextOptions, toText } from './tracing/text.ts';
export {
  type CallState,
  trace,
  type Trace,
  type Traced,
  type TracedCall,
  type TracedSend,
  type TraceOptions,
} from './tracing/trace.ts';

// for `node --import tocsin/tracing`; package.json names this file among those that have an effect
if ((globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.TOCSIN_ORIGINS === '1')
  recordOrigins();
