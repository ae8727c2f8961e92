import { describe, expect, it } from 'vitest';
import { startEmulator } from './server.ts';
import type { SettingsPatch } from './settings.ts';
import { generate, post, type Refused, refused } from './testing/client.ts';

const MINUTE = 60_000;
const NOON_PACIFIC = Date.parse('2026-11-20T20:00:00Z');

async function limited(quotas: NonNullable<SettingsPatch['quotas']>) {
  const clock = { at: NOON_PACIFIC };
  const emulator = await startEmulator({ now: () => clock.at, settings: { render: 'fast', quotas } });
  return { emulator, clock, [Symbol.asyncDispose]: () => emulator.close() };
}

const quotaIds = ({ details = [] }: Refused['error']) =>
  details
    .flatMap((detail) => (Array.isArray(detail['violations']) ? detail['violations'] : []))
    .map(({ quotaId }) => quotaId);
const retryDelay = ({ details = [] }: Refused['error']) =>
  details.find((detail) => 'retryDelay' in detail)?.['retryDelay'];

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

  it('are changed while it runs', async () => {
    await using system = await limited({ rpm: 1 });
    await generate(system.emulator);
    expect((await post(system.emulator)).status).toBe(429);

    system.emulator.control.patchSettings({ quotas: {} });

    expect((await post(system.emulator)).status).toBe(200);
  });
});
