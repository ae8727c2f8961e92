import { describe, expect, it } from 'vitest';
import { isTracingAsked } from './start-tracing.ts';
import { isInSpan, isTracing, startRequestSpan, traceFields, traceparent, withSpan } from './trace.ts';

describe('without tracing', () => {
  it('runs work as it is, with nothing around it', async () => {
    const from = { parent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };

    const seen = await withSpan('attempt', { from }, async () => [
      isTracing(),
      isInSpan(),
      traceparent(),
      traceFields(),
    ]);

    expect(seen).toEqual([false, false, undefined, {}]);
    expect(startRequestSpan('GET', {})).toBeUndefined();
  });
});

describe('tracing', () => {
  it.each([
    ['nothing is set', {}, false],
    ['a collector is named', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }, true],
    ['a collector of traces is named', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, true],
    ['an exporter is named', { OTEL_TRACES_EXPORTER: 'console' }, true],
    ['it is refused', { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }, false],
    ['only the program is named', { OTEL_SERVICE_NAME: 'images' }, false],
  ])('when %s', (_, env, asked) => {
    expect(isTracingAsked(env)).toBe(asked);
  });
});
