/** What the provider may answer, and what becomes of the job. One system; each test has a prompt of its own. */

import type { FaultRule } from '@darkroom/emulator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

let system: System;
/** Rules of finished tests match no prompt any more. */
const rules: FaultRule[] = [];
beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl() });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

/** Submits a job whose calls meet `faults`, and no other's. */
async function submit(faults: Omit<FaultRule, 'match'>[], more: Record<string, unknown> = {}): Promise<string> {
  const body = aBody(more);
  const match = { promptIncludes: String(body['prompt']) };
  const { control } = system.emulator;
  rules.push(...faults.map((rule) => ({ ...rule, match })));
  control.putFaults(rules);
  return (await system.client.submit(body)).body.id;
}

function callsOf(prompt: string) {
  return system.emulator.control.journal().entries.filter((entry) => entry.prompt === prompt);
}

it('waits as long as a 429 asks, charges no attempt for it, and then makes the image', async () => {
  const model = 'gemini-2.5-flash-image';
  const id = await submit([{ times: 1, fault: { kind: 'quota_minute', retryMs: 2_000 } }], { model, size: '1K' });

  const job = await system.client.end(id);

  expect(job).toMatchObject({
    status: 'succeeded',
    attempts: [{ state: 'rejected', error: 'upstream_rate_limited' }, { state: 'settled' }],
  });
  const [first, second] = callsOf(job.prompt);
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(2_000);
});

it('parks a job whose quota of the day is used up, tells so, and goes on when the operator says so', async () => {
  const model = 'gemini-nano-banana-2.1';
  const id = await submit([{ times: 1, fault: { kind: 'quota_day' } }], { model, size: '1K' });

  const parked = await system.client.until(id, ({ phase }) => phase === 'parked');

  expect(parked).toMatchObject({ status: 'queued', attempts: [{ error: 'upstream_quota_exhausted' }] });
  expect(Date.parse(parked.queue?.eta ?? '')).toBeGreaterThan(Date.now() + 60_000);
  const resumed = await system.client.call('POST', `/v1/limits/${model}/resume`);
  expect(resumed.body).toMatchObject({ model, resumed: true });
  expect(await system.client.end(id)).toMatchObject({ status: 'succeeded' });
  expect((await system.client.call<string>('GET', `/v1/jobs/${id}/events`)).body).toContain('event: quota.parked');
});

it('tries again when the model is overloaded twice', async () => {
  const job = await system.client.end(await submit([{ times: 2, fault: { kind: 'overloaded' } }]));

  expect(job.status).toBe('succeeded');
  expect(job.attempts.map(({ state, error }) => error ?? state)).toEqual([
    'upstream_overloaded',
    'upstream_overloaded',
    'settled',
  ]);
});

describe('shows a refusal with its reason and the words that came with it, and never asks again', () => {
  const reasons = [
    'IMAGE_SAFETY',
    'SAFETY',
    'PROHIBITED_CONTENT',
    'IMAGE_PROHIBITED_CONTENT',
    'IMAGE_RECITATION',
    'RECITATION',
    'BLOCKLIST',
    'SPII',
  ] as const;
  it.each(reasons)('%s', async (finishReason) => {
    const message = `Not shown because of ${finishReason}.`;
    const job = await system.client.end(await submit([{ fault: { kind: 'blocked', finishReason, message } }]));

    expect(job).toMatchObject({
      status: 'blocked',
      error: { code: 'content_blocked', upstream: { finish_reason: finishReason, message } },
      attempts: [{ state: 'settled' }],
    });
  });

  it('of the prompt itself', async () => {
    const job = await system.client.end(
      await submit([{ fault: { kind: 'prompt_blocked', blockReason: 'PROHIBITED_CONTENT' } }]),
    );

    expect(job).toMatchObject({ status: 'blocked', error: { upstream: { block_reason: 'PROHIBITED_CONTENT' } } });
  });
});

it('asks once more when the model made no image', async () => {
  const job = await system.client.end(await submit([{ times: 1, fault: { kind: 'no_image' } }]));

  expect(job).toMatchObject({ status: 'succeeded', attempts: [{ error: 'no_image' }, { state: 'settled' }] });
});

it('gives up with the reason when the model made no image twice', async () => {
  const job = await system.client.end(await submit([{ fault: { kind: 'blocked', finishReason: 'IMAGE_OTHER' } }]));

  expect(job).toMatchObject({
    status: 'failed',
    error: { code: 'no_image', upstream: { finish_reason: 'IMAGE_OTHER' } },
    attempts: [{ state: 'settled' }, { state: 'settled' }],
  });
  expect(job.error?.upstream?.message).toContain('could not generate the image');
});

it('fails at once when the provider finds the request wrong', async () => {
  const job = await system.client.end(await submit([{ fault: { kind: 'invalid_argument' } }]));

  expect(job).toMatchObject({ status: 'failed', attempts: [{ state: 'rejected', error: 'upstream_rejected' }] });
});

it('keeps the image behind the drafts, and pays for all of them', async () => {
  const job = await system.client.end(await submit([{ fault: { kind: 'drafts', count: 2 } }]));

  expect(job).toMatchObject({ status: 'succeeded', images: [{}], attempts: [{ state: 'settled' }] });
  expect(job.attempts[0]?.reason).toContain('3 images billed');
});

it('counts a broken connection as spent, and sends the call once more', async () => {
  const job = await system.client.end(await submit([{ times: 1, fault: { kind: 'reset_after_billing' } }]));

  expect(job).toMatchObject({
    status: 'succeeded',
    attempts: [{ state: 'in_doubt', error: 'outcome_unknown' }, { state: 'settled' }],
  });
  expect(Number(job.cost.in_doubt)).toBeGreaterThan(0);
});

it('sends a call no third time when two answers were lost', async () => {
  const job = await system.client.end(await submit([{ fault: { kind: 'cut_body' } }]));

  expect(job).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
  expect(callsOf(job.prompt)).toHaveLength(2);
});

it('never sends a call again whose loss the caller wants to see fail', async () => {
  const fault: FaultRule['fault'] = { kind: 'reset_after_billing' };
  const job = await system.client.end(await submit([{ fault }], { on_unknown_outcome: 'fail' }));

  expect(job).toMatchObject({ status: 'failed', attempts: [{ state: 'in_doubt' }] });
});

describe('holds a job for its caller when an answer was lost and it wants to be asked', () => {
  const lost: FaultRule['fault'] = { kind: 'reset_after_billing' };
  const held = async () => {
    const id = await submit([{ times: 1, fault: lost }], { on_unknown_outcome: 'hold' });
    const job = await system.client.until(id, ({ phase }) => phase === 'held');
    expect(job).toMatchObject({ status: 'queued', error: { code: 'outcome_unknown', retryable: true } });
    return id;
  };

  it('and sends it when asked to', async () => {
    const id = await held();

    expect((await system.client.retry(id)).status).toBe(202);

    expect(await system.client.end(id)).toMatchObject({
      status: 'succeeded',
      attempts: [{ state: 'in_doubt' }, { state: 'settled' }],
    });
  });

  it('and ends it when asked to', async () => {
    const id = await held();

    expect((await system.client.cancel(id)).body).toMatchObject({ status: 'canceled' });
  });

  it('and sends the twin that joined it on without it', async () => {
    const { client, emulator } = system;
    const body = aBody({ on_unknown_outcome: 'hold' });
    rules.push({ times: 1, fault: lost, match: { promptIncludes: String(body['prompt']) } });
    emulator.control.putFaults(rules);
    emulator.control.patchSettings({ hold: true });
    const leader = (await client.submit(body)).body.id;
    const twin = (await client.submit(body)).body;
    expect(twin.deduplicated_of).toBe(leader);
    emulator.control.patchSettings({ hold: false });
    emulator.control.release();

    expect(await client.end(twin.id)).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
    expect((await client.get(leader)).body).toMatchObject({ phase: 'held', attempts: [{ state: 'in_doubt' }] });
    await client.cancel(leader);
  });
});

it('sends reference images along', async () => {
  const { client } = system;
  const first = await client.end(await submit([]));
  const { bytes } = await client.download(`/v1/jobs/${first.id}/images/0`);
  const references = [
    { image: first.images[0]?.id, role: 'object', name: 'mug' },
    { data: `data:image/jpeg;base64,${bytes.toString('base64')}` },
  ];

  const job = await client.end(await submit([], { references }));

  expect(job.status).toBe('succeeded');
  const call = system.emulator.control.journal().entries.find(({ prompt }) => prompt?.startsWith(job.prompt));
  expect(call?.prompt).toContain('"mug"');
  expect(call?.billed?.prompt_tokens).toBeGreaterThan(2 * 1_120);
});

it('keeps every promise while doing so', async () => {
  const figures = await system.assertInvariants();

  // Lost answers: one, two of them, one to fail, three held; each was charged and is counted as in doubt.
  expect(figures).toMatchObject({ inDoubt: 7, extra: 7 });
});
