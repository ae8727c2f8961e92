import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Refusal } from './http/google-error.ts';
import { createQuota, type WindowReport } from './quota.ts';
import { startEmulator } from './server.ts';
import { Quotas, type SettingsPatch } from './settings.ts';
import { controlled, generate, post, type Refused, refused } from './testing/client.ts';

const MINUTE = 60_000;
const NOON_PACIFIC = Date.parse('2026-11-20T20:00:00Z');

async function limited(quotas: NonNullable<SettingsPatch['quotas']>, more: SettingsPatch = {}) {
  const clock = { at: NOON_PACIFIC };
  const emulator = await startEmulator({ now: () => clock.at, settings: { render: 'fast', quotas, ...more } });
  return { emulator, clock, [Symbol.asyncDispose]: () => emulator.close() };
}

const quotaIds = ({ details = [] }: Refused['error']) =>
  details
    .flatMap((detail) => (Array.isArray(detail['violations']) ? detail['violations'] : []))
    .map(({ quotaId }) => quotaId);
const retryDelay = ({ details = [] }: Refused['error']) =>
  details.find((detail) => 'retryDelay' in detail)?.['retryDelay'];

/** Milliseconds of the RetryInfo. */
const waitOf = ({ details = [] }: Refusal): number => {
  const delay = String(details.find((detail) => 'retryDelay' in detail)?.['retryDelay']);
  return Math.round(Number.parseFloat(delay) * 1000);
};

describe('quotas', () => {
  it('refuse the call over the minute, say when to come back, and let it in then', async () => {
    await using system = await limited({ rpm: 2 });
    const { emulator, clock } = system;
    await generate(emulator);
    clock.at += 10_000;
    await generate(emulator);

    const error = await refused(emulator);
    expect(quotaIds(error)).toEqual(['GenerateRequestsPerMinutePerProjectPerModel']);
    expect(retryDelay(error)).toBe('50s');
    expect(error.message).toMatch(/limit: 2, model: gemini-3-pro-image\nPlease retry in 50s\.$/);

    clock.at += 50_000;
    expect((await post(emulator)).status).toBe(200);
    expect((await post(emulator)).status).toBe(429);
    expect(emulator.control.bill()).toMatchObject({ calls: 5, billed_calls: 3 });
  });

  it('count each model alone, and each project when keys name one', async () => {
    await using system = await limited({ rpm: 1, project: 'key_prefix' });
    const status = async (key: string, model?: string) =>
      (await post(system.emulator, { key, ...(model && { model }) })).status;

    expect([await status('a.1'), await status('a.2'), await status('b.1')]).toEqual([200, 429, 200]);
    expect(await status('a.1', 'gemini-2.5-flash-image')).toBe(200);
  });

  it('count images and prompt tokens per minute', async () => {
    await using system = await limited({ ipm: 1, tpm: 10_000 });
    await generate(system.emulator);
    expect(quotaIds(await refused(system.emulator))).toEqual(['GenerateImagesPerMinutePerProjectPerModel']);

    const long = await refused(system.emulator, { model: 'gemini-2.5-flash-image', prompt: 'x'.repeat(40_004) });
    expect(quotaIds(long)).toEqual(['GenerateContentInputTokensPerModelPerMinute']);
  });

  it('end the day at midnight Pacific, and name minute and day when both are spent', async () => {
    await using system = await limited({ rpd: 1, rpm: 1 });
    const { emulator, clock } = system;
    await generate(emulator);

    const error = await refused(emulator);
    expect(quotaIds(error)).toEqual([
      'GenerateRequestsPerDayPerProjectPerModel',
      'GenerateRequestsPerMinutePerProjectPerModel',
    ]);
    expect(retryDelay(error)).toBe(`${12 * 3600}s`);

    clock.at += 12 * 60 * MINUTE - 1;
    expect((await post(emulator)).status).toBe(429);
    clock.at += 1;
    expect((await post(emulator)).status).toBe(200);
  });

  it('may roll the day', async () => {
    await using system = await limited({ rpd: 1, day: 'rolling' });
    await generate(system.emulator);
    system.clock.at += 20 * 60 * MINUTE;

    expect(retryDelay(await refused(system.emulator))).toBe(`${4 * 3600}s`);
  });

  it('stop all models once the spend of ten minutes is reached', async () => {
    await using system = await limited({ spend_micros: 200_000 });
    const { emulator, clock } = system;
    await generate(emulator);
    await generate(emulator);

    const error = await refused(emulator, { model: 'gemini-2.5-flash-image' });
    expect(error).not.toHaveProperty('details');
    expect(error.message).toBe(
      "You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit for your account's billing history and tier.",
    );
    clock.at += 10 * MINUTE;
    expect((await post(emulator)).status).toBe(200);
  });

  it("pass as fast as the emulator's own time, with waits as long as they really are", async () => {
    await using system = await limited({ rpm: 1, rpd: 3 }, { clock_scale: 600 });
    const { emulator, clock } = system;
    await generate(emulator);

    const error = await refused(emulator);
    expect(retryDelay(error)).toBe('0.1s');
    expect(error.message).toMatch(/Please retry in 0\.1s\.$/);
    clock.at += 99;
    expect((await post(emulator)).status).toBe(429);
    clock.at += 1;
    expect((await post(emulator)).status).toBe(200);

    emulator.control.advance(12 * 60 * MINUTE);
    expect(emulator.control.quota()).toContainEqual(expect.objectContaining({ window: 'day', used: 0, counted: 2 }));
  });

  it('end a day of 25 hours an hour later', async () => {
    await using system = await limited({ rpd: 1 });
    system.clock.at = Date.parse('2026-11-01T07:00:00Z');
    await generate(system.emulator);

    expect(retryDelay(await refused(system.emulator))).toBe(`${25 * 3600}s`);
  });

  it('speak as the free tier does, whose day asks for the patience of a minute', async () => {
    await using system = await limited({ rpd: 1, tpm: 5, tier: 'free' });
    await generate(system.emulator);
    system.clock.at += 19_000;

    const error = await refused(system.emulator);
    expect(quotaIds(error)).toEqual([
      'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
      'GenerateContentInputTokensPerModelPerMinute-FreeTier',
    ]);
    expect(retryDelay(error)).toBe('41s');
  });

  it('of nothing mean that the model is not there for this tier', async () => {
    await using system = await limited({ rpd: 0, tier: 'free' });

    expect((await refused(system.emulator)).message).toContain('limit: 0, model: gemini-3-pro-image');
  });

  it('are written as Vertex writes them, or as Google Cloud does', async () => {
    await using vertex = await limited({ rpm: 0, form: 'vertex' });
    await using cloud = await limited({ ipm: 7, rpm: 0, form: 'cloud' });

    const bare = await refused(vertex.emulator);
    expect(bare.message).toMatch(/^Resource exhausted\. Please try again later\. Please refer to .*error-code-429/);
    expect(bare).not.toHaveProperty('details');
    expect((await refused(cloud.emulator)).details?.[0]).toMatchObject({
      reason: 'RATE_LIMIT_EXCEEDED',
      metadata: { quota_limit: 'GenerateRequestsPerMinutePerProjectPerModel', quota_limit_value: '0' },
    });
  });

  it('of one model stand in place of those of all', async () => {
    await using system = await limited({ rpm: 5, models: { 'gemini-2.5-flash-image': { rpm: 0 } } });

    expect((await post(system.emulator)).status).toBe(200);
    expect((await post(system.emulator, { model: 'gemini-2.5-flash-image' })).status).toBe(429);
  });

  it('may bound how many calls are in flight', async () => {
    await using emulator = await startEmulator({ settings: { hold: true, quotas: { concurrency: 2 } } });
    const calls = [post(emulator), post(emulator)];
    await emulator.control.when(({ held, n }) => held === true && n === 2);

    expect((await refused(emulator)).message).toContain('Resource exhausted');
    emulator.control.patchSettings({ hold: false });
    emulator.control.release();
    for (const response of await Promise.all(calls)) await response.text();
    await emulator.control.idle();

    expect((await post(emulator)).status).toBe(200);
    expect(emulator.control.quota()).toContainEqual(
      expect.objectContaining({ window: 'concurrency', limit: 2, refused: 1, largest: 2, largest_share: 1 }),
    );
  });

  it('let in all that is allowed and no more, in every interval of their length, and say exactly when', () => {
    const arrivals = fc.array(fc.record({ pass: fc.nat(20_000), tokens: fc.integer({ min: 1, max: 60 }) }), {
      maxLength: 120,
    });
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 60, max: 200 }), (calls, rpm, tpm) => {
        const time = { at: NOON_PACIFIC };
        const quota = createQuota({ now: () => time.at, outsideMs: (ms) => ms / 10 });
        const limits = Quotas.parse({ rpm, tpm });
        const place = { project: 'p', model: 'm' };
        const entered: { at: number; tokens: number }[] = [];
        const inside = () => entered.filter(({ at }) => at > time.at - MINUTE);
        const tokensInside = () => inside().reduce((sum, entry) => sum + entry.tokens, 0);
        for (const { pass, tokens } of calls) {
          time.at += pass;
          const fits = inside().length < rpm && tokensInside() + tokens <= tpm;
          const refusal = quota.admit({ ...place, tokens }, limits);
          expect(refusal === undefined).toBe(fits);
          if (refusal) time.at += waitOf(refusal) * 10 - 10;
          // A client that waits as it was told is let in, and would not have been a millisecond of its own earlier.
          const early = refusal !== undefined && inside().length < rpm && tokensInside() + tokens <= tpm;
          if (refusal) time.at += 10;
          const late = refusal && quota.admit({ ...place, tokens }, limits);
          expect({ early, late }).toEqual({ early: false, late: undefined });
          entered.push({ at: time.at, tokens });
        }
        expect(quota.report().every(({ largest_share }) => largest_share <= 1)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('report how full each window ever was, and what it refused', async () => {
    await using system = await limited({ rpm: 2, spend_micros: 1_000_000 });
    const { emulator, clock } = system;
    for (const pass of [0, 40_000, 30_000, 1_000]) {
      clock.at += pass;
      await (await post(emulator)).text();
    }

    const windows = (await (await controlled(emulator, 'GET', 'quota')).json()) as WindowReport[];
    const of = (name: string) => windows.find(({ window }) => window === name);
    expect(of('requests')).toMatchObject({
      project: 'project',
      model: 'gemini-3-pro-image',
      limit: 2,
      used: 2,
      counted: 3,
      refused: 1,
      largest: 2,
      largest_share: 1,
      first_at: NOON_PACIFIC,
      last_at: NOON_PACIFIC + 70_000,
    });
    expect(of('spend')).toMatchObject({ model: '*', counted: emulator.control.bill().cost_micros, refused: 0 });
    expect(of('images')).toMatchObject({ counted: 3, refused: 0, largest_share: 0 });

    emulator.control.reset();
    expect(emulator.control.quota()).toEqual([expect.objectContaining({ window: 'concurrency', used: 0, counted: 0 })]);
  });

  it('are changed while it runs', async () => {
    await using system = await limited({ rpm: 1 });
    await generate(system.emulator);
    expect((await post(system.emulator)).status).toBe(429);

    system.emulator.control.patchSettings({ quotas: {} });

    expect((await post(system.emulator)).status).toBe(200);
  });
});
