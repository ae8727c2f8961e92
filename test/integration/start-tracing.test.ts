/** The SDK as the programs start it, with a collector of this process: what it sends there, and what it costs when that is away. */

import { type Log, startRequestSpan, startTracing } from '@darkroom/shared/observability';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Collector, startCollector } from '../support/collector.ts';

const lines: string[] = [];
const note = (_: object, event: string) => void lines.push(event);
const log: Log = { debug: note, info: note, warn: note, error: note };
let collector: Collector;
let flush: () => Promise<void>;

beforeAll(async () => {
  collector = await startCollector();
  const more = { OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=testing' };
  // The SDK asks the process for all that it wants to know.
  Object.assign(process.env, collector.env('a-key-of-the-collector'), more);
  flush = await startTracing(process.env, { program: 'api', log });
});
afterAll(() => collector[Symbol.asyncDispose]());

function aRequest(): void {
  startRequestSpan('GET', {})?.end('GET /v1/models', { 'darkroom.tenant': 'acme' }, false);
}

it('sends spans to the collector that the standard variables name, under the name of the program', async () => {
  aRequest();
  await expect.poll(() => collector.sent.length).toBe(1);

  const [only] = collector.sent;
  expect(only).toMatchObject({ path: '/v1/traces', headers: { 'x-collector-key': 'a-key-of-the-collector' } });
  for (const word of ['GET /v1/models', 'acme', 'darkroom-api', 'deployment.environment.name']) {
    expect(only?.body).toContain(word);
  }
  expect(lines).toEqual(['tracing.started']);
});

it('says so when the collector refuses', async () => {
  collector.answer((response) => void response.writeHead(400).end('no'));
  aRequest();

  await expect.poll(() => lines).toContain('tracing.trouble');
});

it('lets a program end that has spans for a collector which does not answer', async () => {
  collector.answer(() => undefined);
  aRequest();
  const startedAt = performance.now();

  await flush();

  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(startRequestSpan('GET', {})).toBeUndefined();
  expect(collector.sent.map(({ path }) => path)).not.toContain('/v1/metrics');
});
