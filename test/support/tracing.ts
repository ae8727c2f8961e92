/** Tracing into the memory of this process: the SDK as the programs load it, its exporter apart. */

import { setTracing } from '@darkroom/shared/observability';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, type ReadableSpan, type Sampler, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { expect } from 'vitest';

export type TestTracing = AsyncDisposable & {
  /** Every span that has ended since the last `forget`. */
  spans(): ReadableSpan[];
  /** Resolves with the first span of this name, ended or to end. */
  span(name: string, claim?: (span: ReadableSpan) => boolean): Promise<ReadableSpan>;
  forget(): void;
};

/** Once in a process: the API of OpenTelemetry is global, and keeps the first SDK that registers. */
export function openTracing(sampler?: Sampler): TestTracing {
  const exporter = new InMemorySpanExporter();
  const sdk = new NodeSDK({
    ...(sampler && { sampler }),
    resourceDetectors: [],
    metricReaders: [],
    logRecordProcessors: [],
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  sdk.start();
  setTracing(true);
  const spans = () => exporter.getFinishedSpans();
  return {
    spans,
    span: async (name, claim = () => true) => {
      const find = () => spans().find((span) => span.name === name && claim(span));
      await expect.poll(find, { message: `a span named ${name}`, interval: 5, timeout: 5_000 }).toBeDefined();
      return find() as ReadableSpan;
    },
    forget: () => exporter.reset(),
    [Symbol.asyncDispose]: async () => {
      setTracing(false);
      await sdk.shutdown();
    },
  };
}

/** Which span it belongs under, by name; a traceparent when that one is not of this process; `-` = none. */
export function parentOf(span: ReadableSpan, all: readonly ReadableSpan[]): string {
  const id = span.parentSpanContext?.spanId;
  if (!id) return '-';
  return all.find((other) => other.spanContext().spanId === id)?.name ?? id;
}
