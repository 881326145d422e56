/**
 * Follow your signals: who listens to what, since which line of code, and what a piece of work has sent, called and caused.
 */
export type { SendMethod, SkipReason } from './core/observe.ts';
export type { Origin } from './core/origin.ts';
export { publishDiagnostics, type ReceiverMessage, type SendMessage } from './tracing/diagnostics.ts';
export { type HtmlOptions, toHtml } from './tracing/html.ts';
export { inspect, type ReceiverListing, type SignalListing } from './tracing/inspect.ts';
export { toMermaid } from './tracing/mermaid.ts';
export { recordOrigins } from './tracing/origins.ts';
export { type Shown, type TextOptions, toText } from './tracing/text.ts';
export { type CallState, trace, type Trace, type Traced, type TracedCall, type TracedSend, type TraceOptions } from './tracing/trace.ts';
