/**
 * Traces, as they leave the programs: the API and the worker as they run in production, in this process, with the SDK as
 * the programs load it and a memory in the place of a collector.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@darkroom/emulator';
import { parseEnv, readChannels } from '@darkroom/shared/config';
import { begin } from '@darkroom/shared/domain';
import { setTracing, startRequestSpan } from '@darkroom/shared/observability';
import { SubmitJobBody } from '@darkroom/shared/schemas';
import { submitJob, updateJob } from '@darkroom/shared/usecases';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compose } from '../../apps/worker/src/compose.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';
import { finishAttempt } from '../../apps/worker/src/standard/finish-attempt.ts';
import { openTestAttempts, refOf } from '../support/attempts.ts';
import { testRedisUrl } from '../support/redis.ts';
import { anImage } from '../support/run-job.ts';
import { startApi, type TestApi } from '../support/start-api.ts';
import { openTracing, parentOf, type TestTracing } from '../support/tracing.ts';
import { startSink } from '../support/webhook-sink.ts';

const MODEL = 'gemini-3.1-flash-image';
const SECRET = 'a secret that both programs have in common';
const CALLER = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' };
const traceparent = (flags: '00' | '01') => `00-${CALLER.trace}-${CALLER.span}-${flags}`;

const opened = new AsyncDisposableStack();
let tracing: TestTracing;
let emulator: Emulator;
let api: TestApi;

beforeAll(async () => {
  tracing = opened.use(openTracing());
  emulator = opened.use(
    await startEmulator({ settings: { longest_side: 64, batches: { turnaround_ms: 50, spread: 0 } } }),
  );
  api = opened.use(await startApi({ env: { DARKROOM_SECRET: SECRET, WEBHOOK_HTTP: 'true' } }));
  const data = await mkdtemp(join(tmpdir(), 'darkroom-tracing-'));
  opened.defer(() => rm(data, { recursive: true, force: true }));
  const config = parseEnv(WorkerEnv, {
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: api.prefix,
    STORAGE_URL: `file://${api.folder}`,
    DARKROOM_SECRET: SECRET,
    DARKROOM_DATA: data,
    GEMINI_API_KEY: 'AIzaTestKey-of-the-emulator-000000000000',
    GEMINI_BASE_URL: emulator.url,
    WEBHOOK_HTTP: 'true',
    BATCH_GATHER: '0.2',
    BATCH_POLL: '0.1',
  });
  const channels = readChannels({
    env: { GEMINI_API_KEY: 'AIzaTestKey-of-the-emulator-000000000000', GEMINI_BASE_URL: emulator.url },
    cwd: data,
    credentials: 'resolve',
    defaults: { batch: { slots: 80, enqueuedTokens: 0 } },
  });
  const worker = opened.use(await compose(config, channels, api.deps.log));
  worker.run();
  opened.defer(() => worker.drain());
});
afterAll(() => opened.disposeAsync());
beforeEach(() => {
  setTracing(true);
  tracing.forget();
  emulator.control.putFaults([]);
});

async function submit(body: object, headers: Record<string, string> = {}) {
  const { json } = await api.call('POST', '/v1/jobs', {
    body: { prompt: 'a lighthouse', model: MODEL, size: '512', dedup: false, ...body },
    headers,
  });
  return String(json.id);
}

async function ended(id: string) {
  const view = async () => (await api.call('GET', `/v1/jobs/${id}?wait=5`)).json;
  await expect.poll(async () => (await view()).completed_at, { timeout: 15_000 }).toBeDefined();
  return view();
}

/** The spans of one trace, as `name < name of its parent`. */
function namesIn(trace: string): string[] {
  const spans = tracing.spans().filter((span) => span.spanContext().traceId === trace);
  return spans.map((span) => `${span.name} < ${parentOf(span, spans)}`).sort();
}

const ofJob = (id: string) => (span: ReadableSpan) => span.attributes['darkroom.job.id'] === id;

/** The submission's work, as under a request of the caller's, on a way of our own. */
async function asRequest<T>(work: () => Promise<T>): Promise<T> {
  const request = startRequestSpan('POST', { traceparent: traceparent('01') });
  const { promise, resolve } = Promise.withResolvers<T>();
  request?.around(() => resolve(work()))();
  const done = await promise;
  request?.end('POST /v1/jobs', {}, false);
  return done;
}

const recordOf = (id: string) => api.deps.ledger.read('default', id);
const linksOf = ({ links }: ReadableSpan) => links.map(({ context }) => context.spanId);
const idOf = (span: ReadableSpan) => span.spanContext().spanId;

describe('a job of the standard lane', () => {
  it("is one trace, the caller's, from its request to its image at rest", async () => {
    const id = await submit({}, { traceparent: traceparent('01') });
    await ended(id);
    const attempt = await tracing.span('attempt', ofJob(id));

    expect(namesIn(CALLER.trace)).toEqual([
      'POST /v1/jobs < 00f067aa0ba902b7',
      'attempt < job.admit',
      'gemini generateContent < attempt',
      'job.admit < POST /v1/jobs',
      'store < attempt',
    ]);
    expect(attempt.attributes).toMatchObject({
      'darkroom.tenant': 'default',
      'darkroom.model': MODEL,
      'darkroom.lane': 'standard',
      'darkroom.attempt.number': 1,
      'darkroom.outcome': 'succeeded',
      'darkroom.status': 'succeeded',
      'darkroom.cost_micros': expect.any(Number),
    });
    expect(attempt.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('begins a trace of its own when the caller names none', async () => {
    const id = await submit({});
    const admit = await tracing.span('job.admit', ofJob(id));
    await ended(id);
    const attempt = await tracing.span('attempt', ofJob(id));

    expect(attempt.parentSpanContext).toMatchObject({ traceId: admit.spanContext().traceId, spanId: idOf(admit) });
    expect((await recordOf(id))?.state.trace).toBe(`00-${admit.spanContext().traceId}-${idOf(admit)}-01`);
  });

  it('shows each attempt in it, and what became of those that failed', async () => {
    emulator.control.putFaults([
      { match: { promptIncludes: 'a stormy lighthouse' }, times: 1, fault: { kind: 'unavailable' } },
    ]);
    const id = await submit({ prompt: 'a stormy lighthouse' }, { traceparent: traceparent('01') });
    await ended(id);
    const second = await tracing.span(
      'attempt',
      (span) => ofJob(id)(span) && span.attributes['darkroom.attempt.number'] === 2,
    );
    const first = await tracing.span('attempt', ofJob(id));
    const call = await tracing.span('gemini generateContent', ({ status }) => status.code === SpanStatusCode.ERROR);

    expect([first, second].map((span) => span.spanContext().traceId)).toEqual([CALLER.trace, CALLER.trace]);
    expect(first.status.code).toBe(SpanStatusCode.ERROR);
    expect(first.attributes).toMatchObject({ 'darkroom.outcome': 'rejected', 'error.type': 'upstream_overloaded' });
    expect(call.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': '503' });
    expect(second.attributes['darkroom.outcome']).toBe('succeeded');
  });

  it('keeps its trace when its message is lost, and the sweeper makes another', async () => {
    const silent = { push: () => undefined, flush: async () => undefined };
    const body = SubmitJobBody.parse({ prompt: 'a lost message', model: MODEL, size: '512' });
    const { job } = await asRequest(() => submitJob({ ...api.deps, outbox: silent }, { tenant: 'default', body }));
    await ended(job.id);

    const attempt = await tracing.span('attempt', ofJob(job.id));

    expect(attempt.spanContext().traceId).toBe(CALLER.trace);
    expect(parentOf(attempt, tracing.spans())).toBe('job.admit');
  });

  it('keeps its trace when the process died, and the next one finds the answer in the spool', async () => {
    await using attempts = await openTestAttempts();
    const { test, deps } = attempts;
    const { job } = await asRequest(() => test.submit({ prompt: 'an answer that was paid for' }));
    const ref = refOf(job);
    await updateJob(deps.ledger, ref.tenant, ref.job, (now) => {
      const begun = begin(now, { id: ref.attempt, channel: 'gemini' }, deps.clock.now());
      return begun.type === 'go' ? begun.change : undefined;
    });
    const { entry, answer } = await attempts.answered(ref, await anImage());

    await finishAttempt(deps, entry, { type: 'answered', answer });

    const attempt = await tracing.span('attempt', ofJob(job.id));
    expect(attempt.spanContext().traceId).toBe(CALLER.trace);
    expect(attempt.attributes).toMatchObject({ 'darkroom.attempt.number': 1, 'darkroom.outcome': 'succeeded' });
  });
});

describe('nothing is recorded', () => {
  it('of a job whose caller wants its trace not recorded', async () => {
    const id = await submit({}, { traceparent: traceparent('00') });
    await ended(id);

    expect((await recordOf(id))?.state).not.toHaveProperty('trace');
    expect(tracing.spans().filter(({ name }) => name !== 'GET /v1/jobs/:id')).toEqual([]);
  });

  it('without tracing, of a job that comes with a trace either', async () => {
    setTracing(false);
    const id = await submit({}, { traceparent: traceparent('01') });
    await ended(id);

    expect((await recordOf(id))?.state).not.toHaveProperty('trace');
    expect(tracing.spans()).toEqual([]);
  });

  it('of probes, and by the loops of a worker', async () => {
    await api.call('GET', '/livez', { key: '' });
    await api.call('GET', '/metrics');
    await api.call('GET', '/v1/models');

    await tracing.span('GET /v1/models');
    expect(new Set(tracing.spans().map(({ name }) => name))).toEqual(new Set(['GET /v1/models']));
  });
});

describe('a request', () => {
  it('that is refused is no failure of ours, and says who asked', async () => {
    await api.call('POST', '/v1/jobs', { body: { prompt: 5 } });
    const span = await tracing.span('POST /v1/jobs');

    expect(span.status.code).toBe(SpanStatusCode.UNSET);
    expect(span.attributes).toMatchObject({ 'http.response.status_code': 400, 'darkroom.tenant': 'default' });
  });

  it('that no route answers is named by its method alone', async () => {
    await api.call('GET', '/v1/a-path-of-the-callers');

    const span = await tracing.span('GET');
    expect(JSON.stringify(span.attributes)).not.toContain('a-path-of-the-callers');
  });
});

describe('a job of the batch lane', () => {
  it('has the end of its wait linked to its submission, beside the steps of its chunk', async () => {
    const id = await submit({ lane: 'batch' }, { traceparent: traceparent('01') });
    await ended(id);
    const admit = await tracing.span('job.admit', ofJob(id));
    const settle = await tracing.span('settle', ofJob(id));
    const collect = await tracing.span('chunk.collect');
    const others = await Promise.all([tracing.span('chunk.upload'), tracing.span('chunk.create')]);

    expect(namesIn(CALLER.trace)).toEqual(['POST /v1/jobs < 00f067aa0ba902b7', 'job.admit < POST /v1/jobs']);
    expect(namesIn(collect.spanContext().traceId)).toEqual([
      'chunk.collect < -',
      'settle < chunk.collect',
      'store < settle',
    ]);
    expect([settle, collect, ...others].map(linksOf)).toEqual(Array.from({ length: 4 }, () => [idOf(admit)]));
    expect(settle.attributes).toMatchObject({ 'darkroom.lane': 'batch', 'darkroom.outcome': 'succeeded' });
    expect(collect.attributes).toMatchObject({ 'darkroom.lines.settled': 1, 'darkroom.outcome': 'succeeded' });
  });
});

describe('a batch', () => {
  async function make(lane: string): Promise<string> {
    const items = ['one', 'two', 'three'].map((key) => ({
      key,
      prompt: `a ${key} of ${lane}`,
      model: MODEL,
      size: '512',
    }));
    const body = { items, lane };
    const { json } = await api.call('POST', '/v1/batches', { body });
    const status = async () => (await api.call('GET', `/v1/batches/${json.id}`)).json.status;
    await expect.poll(status, { timeout: 15_000 }).toBe('completed');
    return json.id;
  }

  it('of the standard lane has its rows in traces of their own, linked to its submission', async () => {
    await make('standard');
    const admit = await tracing.span('batch.admit');
    await expect.poll(() => tracing.spans().filter(({ name }) => name === 'attempt')).toHaveLength(3);
    const attempts = tracing.spans().filter(({ name }) => name === 'attempt');

    expect(attempts.map(linksOf)).toEqual(Array.from({ length: 3 }, () => [idOf(admit)]));
    expect(new Set(attempts.map((span) => span.spanContext().traceId)).size).toBe(3);
    for (const span of attempts) {
      expect(namesIn(span.spanContext().traceId)).toEqual([
        'attempt < -',
        'gemini generateContent < attempt',
        'store < attempt',
      ]);
    }
  });

  it('of the batch lane tells of its rows by the counts of their chunk, and keeps nothing with each of them', async () => {
    const id = await make('batch');
    const admit = await tracing.span('batch.admit');
    const collect = await tracing.span('chunk.collect');
    const rows = (await api.call('GET', `/v1/batches/${id}/items`)).json.data as { id: string }[];
    const records = await Promise.all(rows.map((row) => recordOf(row.id)));

    expect(linksOf(collect)).toEqual([idOf(admit)]);
    expect(collect.attributes['darkroom.lines.settled']).toBe(3);
    expect(namesIn(collect.spanContext().traceId)).toEqual(['chunk.collect < -']);
    expect(records.map((record) => record?.state.trace)).toEqual([undefined, undefined, undefined]);
  });
});

it('what a caller wrote is in no span', async () => {
  const word = 'canary-of-the-caller';
  emulator.control.putFaults([
    { match: { promptIncludes: 'refused' }, fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY', message: word } },
    { match: { promptIncludes: 'wrong' }, fault: { kind: 'invalid_argument' } },
  ]);
  for (const kind of ['good', 'refused', 'wrong']) {
    const id = await submit(
      { prompt: `${kind} ${word}`, metadata: { note: word }, tags: [word] },
      { 'idempotency-key': `${word}-${kind}` },
    );
    await ended(id);
    await tracing.span('attempt', ofJob(id));
  }

  const told = tracing
    .spans()
    .map(({ name, attributes, events, status }) => JSON.stringify({ name, attributes, events, status }));
  expect(told.length).toBeGreaterThan(10);
  expect(told.filter((text) => text.includes(word) || text.includes('AIza'))).toEqual([]);
});

describe('a webhook', () => {
  it('is delivered within the trace of the job that it tells of', async () => {
    await using sink = await startSink();
    const path = '/a-secret-path?token=secret';
    sink.answer(path, 500);
    const webhook = { url: sink.url(path), events: ['job.succeeded'] };
    const id = await submit({ webhook }, { traceparent: traceparent('01') });
    await ended(id);

    const deliver = await tracing.span('webhook.deliver');

    expect(namesIn(CALLER.trace)).toContain('webhook.deliver < job.admit');
    expect(deliver.kind).toBe(SpanKind.CLIENT);
    expect(deliver.status.code).toBe(SpanStatusCode.ERROR);
    expect(deliver.attributes).toMatchObject({
      'darkroom.event.type': 'job.succeeded',
      'darkroom.delivery.try': 1,
      'http.response.status_code': 500,
      'server.address': '127.0.0.1',
    });
    expect(JSON.stringify(deliver.attributes)).not.toContain('secret');
  });
});
