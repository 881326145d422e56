/** Signals as OpenTelemetry spans: a send is a span, and so is each call of a receiver, inside what caused it. */
import { subscribe } from 'node:diagnostics_channel';
import { context, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { publishDiagnostics, type ReceiverMessage, type SendMessage } from 'tocsin/tracing';

type Message = SendMessage & Omit<ReceiverMessage, 'parent'>;

publishDiagnostics();
const spans = new WeakMap<object, Span>();

for (const kind of ['send', 'receiver']) {
  const on = (event: string, listener: (message: Message) => void): void => {
    subscribe(`tracing:tocsin:${kind}:${event}`, (message) => {
      listener(message as Message);
    });
  };
  on('start', (message) => {
    const parent = message.parent && spans.get(message.parent);
    const name =
      kind === 'send'
        ? `${message.signal.name} ${String((message.sender as { name?: unknown } | undefined)?.name ?? message.sender)}`
        : message.receiver.name;
    spans.set(
      message,
      trace.getTracer('tocsin').startSpan(name, {}, parent && trace.setSpan(context.active(), parent)),
    );
  });
  on('error', (message) => {
    spans.get(message)?.recordException(message.error as Error);
    spans.get(message)?.setStatus({ code: SpanStatusCode.ERROR });
  });
  on('end', (message) => {
    if (!message.waits) spans.get(message)?.end();
  });
  on('asyncEnd', (message) => spans.get(message)?.end());
}
