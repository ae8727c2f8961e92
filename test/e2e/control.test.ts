/** Callers that cancel, deadlines that pass, stores that go away, workers that stop. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, PROVIDER_KEY, type System, startSystem } from '../support/system.ts';

const CANARY = 'canary-of-the-prompt-7f3a';

let system: System;
beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl() });
  const { body } = await system.client.submit(aBody({ prompt: `a mug, ${CANARY}`, metadata: { note: CANARY } }));
  await system.client.end(body.id);
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  hold(false);
  await system.storage.bringBack();
});

/** Calls that reach the provider from now on wait there, or go on. */
function hold(on: boolean): void {
  system.emulator.control.patchSettings({ hold: on });
  if (!on) system.emulator.control.release();
}

/** Submits a job and waits until its call is out. */
async function submitHeld(more: Record<string, unknown> = {}): Promise<string> {
  hold(true);
  const body = aBody(more);
  const { id } = (await system.client.submit(body)).body;
  await system.emulator.control.when((entry) => entry.prompt === body['prompt'] && entry.held === true);
  return id;
}

const soon = (ms: number) => new Date(Date.now() + ms).toISOString();

it('cancels a running job at once, keeps the image that was paid for, and tells of it', async () => {
  const { client } = system;
  const id = await submitHeld();

  const canceled = await client.cancel(id);
  hold(false);
  const job = await client.until(id, ({ late_images }) => late_images !== undefined);

  expect(canceled.body).toMatchObject({ status: 'canceled', attempts: [{ state: 'open' }] });
  expect(job).toMatchObject({ status: 'canceled', images: [], attempts: [{ state: 'settled' }] });
  const image = await client.download(`/v1/jobs/${id}/images/0`);
  expect(image.sha256).toBe(job.late_images?.[0]?.sha256);
  const { body } = await client.call<string>('GET', `/v1/jobs/${id}/events`);
  expect(body.match(/^event: .*/gm)).toEqual([
    'event: job.queued',
    'event: job.started',
    'event: job.canceled',
    'event: image.recovered',
  ]);
});

it('expires a job whose deadline passes while it runs, and keeps its image', async () => {
  const id = await submitHeld({ deadline: soon(1_200) });

  const expired = await system.client.end(id);
  hold(false);
  const job = await system.client.until(id, ({ late_images }) => late_images !== undefined);

  expect(expired).toMatchObject({ status: 'expired', error: { code: 'deadline_exceeded', started: true } });
  expect(job).toMatchObject({ status: 'expired', late_images: [{}] });
});

it('expires a job whose deadline passes while it waits, and has spent nothing', async () => {
  const model = 'gemini-3-pro-image';
  const first = aBody({ model, size: '1K' });
  const fault = { kind: 'quota_minute', retryMs: 60_000 } as const;
  system.emulator.control.putFaults([{ match: { promptIncludes: String(first['prompt']) }, fault }]);
  const limited = (await system.client.submit(first)).body.id;
  await system.client.until(limited, ({ phase }) => phase === 'rate_limited');

  const { id } = (await system.client.submit(aBody({ model, size: '1K', deadline: soon(1_200) }))).body;
  const job = await system.client.end(id);

  expect(job).toMatchObject({ status: 'expired', attempts: [], error: { started: false } });
  await system.client.cancel(limited);
});

describe('while the object store is away', () => {
  it('keeps a paid image in the spool, and stores it when the store is back: one call', async () => {
    const body = aBody();
    await system.storage.takeAway();
    const { id } = (await system.client.submit(body)).body;

    const storing = await system.client.until(id, ({ phase }) => phase === 'storing');
    expect(storing).toMatchObject({ status: 'running', images: [] });
    expect(await system.spooled()).toContainEqual(expect.stringMatching(/\.answer$/));
    await system.storage.bringBack();

    expect(await system.client.end(id)).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  });

  it('a killed worker comes back to its paid images, and none of them waits for another', async () => {
    const { client, workers } = system;
    await system.storage.takeAway();
    const stored = await Promise.all([0, 1].map(async () => (await client.submit(aBody())).body.id));
    await Promise.all(stored.map((id) => client.until(id, ({ phase }) => phase === 'storing')));
    const lost = await submitHeld();

    await workers[0]?.kill();
    await workers[0]?.start();

    // Nobody saw the end of this one's call; it is sent again while the others still wait for the store.
    const again = await client.until(lost, ({ attempts }) => attempts.length === 2, 10_000);
    expect(again.attempts).toMatchObject([{ state: 'in_doubt' }, { state: 'open' }]);
    hold(false);
    await system.storage.bringBack();
    const jobs = await Promise.all([...stored, lost].map((id) => client.end(id)));
    expect(jobs.map(({ status, attempts }) => [status, attempts.length])).toEqual([
      ['succeeded', 1],
      ['succeeded', 1],
      ['succeeded', 2],
    ]);
  });

  it('a worker told to stop leaves what it cannot store to the next one, and does not wait', async () => {
    const { client, workers } = system;
    const [worker] = workers;
    await system.storage.takeAway();
    const { id } = (await client.submit(aBody())).body;
    await client.until(id, ({ phase }) => phase === 'storing');

    expect(await worker?.stop()).toEqual({ code: 0, signal: null });
    await system.storage.bringBack();
    await worker?.start();

    expect(await client.end(id)).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  });
});

it('lets calls in flight end when a worker is told to stop: none is in doubt', async () => {
  const { client, workers, emulator } = system;
  const [worker] = workers;
  const ids = [await submitHeld(), await submitHeld(), await submitHeld()];

  const stopped = worker?.stop();
  await worker?.line(({ event }) => event === 'worker.stopping');
  await sleep(50); // it must be seen to wait
  expect(worker?.running()).toBe(true);
  emulator.control.patchSettings({ hold: false });
  emulator.control.release();

  expect(await stopped).toEqual({ code: 0, signal: null });
  const jobs = await Promise.all(ids.map((id) => client.get(id)));
  expect(jobs.map(({ body: { status, attempts } }) => [status, attempts.length])).toEqual([
    ['succeeded', 1],
    ['succeeded', 1],
    ['succeeded', 1],
  ]);
  await worker?.start();
});

it('still finds a job that has left Redis for the archive, and never makes it again', async () => {
  const { client, redis, prefix } = system;
  const body = aBody();
  const id = `own-${Math.random().toString(36).slice(2)}`;
  await client.submit(body, { id });
  const before = await client.end(id);
  await system.idle();

  await redis.zadd(`${prefix}{t:default}:retention`, 'XX', 1, id); // as if its day were over
  const gone = async (): Promise<boolean> => (await redis.exists(`${prefix}{t:default}:job:${id}`)) === 0;
  while (!(await gone())) await sleep(100);

  const { body: after } = await client.get(id);
  expect({ ...after, images: [] }).toEqual({ ...before, images: [] });
  expect((await client.download(`/v1/jobs/${id}/images/0`)).sha256).toBe(before.images[0]?.sha256);
  expect((await client.submit(body, { id })).headers.get('idempotent-replayed')).toBe('true');
});

it('shows its figures to whoever runs it', async () => {
  const { client, workers } = system;
  const listening = workers[0]?.lines.findLast(({ event }) => event === 'worker.listening');
  const worker = await (await fetch(String(listening?.['metrics']))).text();
  const { body: api } = await client.call<string>('GET', '/metrics');

  for (const name of [
    'darkroom_jobs{status="succeeded"}',
    'darkroom_ledger_calls{state="in_doubt"} 1',
    'darkroom_ledger_usd{kind="in_doubt"}',
    'darkroom_queue_age_seconds',
    'nodejs_eventloop_lag_seconds',
  ]) {
    expect(worker).toContain(name);
    expect(api).toContain(name);
  }
  for (const name of ['darkroom_attempts_total{', 'darkroom_provider_seconds_bucket{', 'darkroom_spool_bytes'])
    expect(worker).toContain(name);
  expect(api).toContain('darkroom_http_request_seconds_bucket{');
});

it('keeps every promise while doing so', async () => {
  expect(await system.assertInvariants()).toMatchObject({ inDoubt: 1, extra: 1 });
});

it('writes no prompt, no key and no secret into any log', () => {
  const logs = [system.api, ...system.workers].map((program) => program.output()).join('\n');

  expect(logs).toContain('"event":"attempt.ended"');
  for (const secret of [CANARY, PROVIDER_KEY, system.secret, 'dk_test_', 'a mug']) expect(logs).not.toContain(secret);
});
