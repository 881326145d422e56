import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import { Signal } from '../../src/index.ts';

test('examples/opentelemetry.ts makes spans of sends and receivers, each inside what caused it', async () => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  await import('../../examples/opentelemetry.ts');
  const [ordered, mailed] = [new Signal('ordered'), new Signal('mailed')];
  class Shop {}
  ordered.connect(async function sendReceipt() {
    await new Promise((resolve) => setTimeout(resolve, 2));
    mailed.sendRobust('mailer');
  });
  mailed.connect(function fails() {
    throw new Error('no');
  });
  await ordered.sendAsync(Shop);
  await new Promise((resolve) => setTimeout(resolve, 2));
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]));
  expect(
    spans.map((span) => [span.name, names.get(span.parentSpanContext?.spanId ?? ''), span.status.code]).sort(),
  ).toEqual([
    ['fails', 'mailed mailer', 2],
    ['mailed mailer', 'sendReceipt', 0],
    ['ordered Shop', undefined, 0],
    ['sendReceipt', 'ordered Shop', 0],
  ]);
});
