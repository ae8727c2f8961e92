import { randomUUID } from 'node:crypto';
import type { Limits, Place } from '@darkroom/shared/domain';
import type { Demand, Leave, Quotas } from '@darkroom/shared/ports';
import { createRedisQuotas, type QuotaSpans } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const PRO: Place = { channel: 'gemini-a', model: 'pro' };
const FLASH: Place = { channel: 'gemini-a', model: 'flash' };
const ONE: Demand = { tokens: 100, images: 1, cost: 1_000 };

type TestQuotas = AsyncDisposable & { redis: Redis; prefix: string; quotas: Quotas; other: Quotas };

/** Two workers, one allowance. */
async function openQuotas(
  model: Partial<Limits> = {},
  options: {
    spans?: Partial<QuotaSpans>;
    channel?: { spendPerTenMinutes?: number; concurrency?: number };
    callMs?: number;
  } = {},
): Promise<TestQuotas> {
  const { channel = {}, ...more } = options;
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const connections = await Promise.all(
    [0, 1].map(async () => {
      const redis = new Redis(testRedisUrl(), { lazyConnect: true });
      await redis.connect();
      return redis;
    }),
  );
  const [redis, second] = connections;
  if (!redis || !second) throw new Error('no connection');
  const open = (one: Redis) =>
    createRedisQuotas({
      redis: one,
      prefix,
      limitsOf: () => ({ model: { day: 'pacific', ...model }, channel }),
      ...more,
    });
  return {
    redis,
    prefix,
    quotas: open(redis),
    other: open(second),
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length) await redis.unlink(keys);
      for (const one of connections) one.disconnect();
    },
  };
}

const waitOf = (leave: Leave) => (leave.granted ? 0 : leave.retryAfterMs);

async function stateOf(quotas: Quotas, place = PRO) {
  const [state] = await quotas.look([place]);
  if (!state) throw new Error('no state');
  return { ...state, of: (name: string) => state.windows.find(({ window }) => window === name) };
}

describe('leave', () => {
  it('is granted up to the limit, to whichever worker asks, and refused until the oldest call has slid out', async () => {
    await using test = await openQuotas({ requestsPerMinute: 3 });

    const leaves = [
      await test.quotas.take(PRO, 'a', ONE),
      await test.other.take(PRO, 'b', ONE),
      await test.quotas.take(PRO, 'c', ONE),
      await test.other.take(PRO, 'd', ONE),
    ];

    expect(leaves.map(({ granted }) => granted)).toEqual([true, true, true, false]);
    expect(leaves[3]).toMatchObject({ reason: 'rate_limited', window: 'requests' });
    expect(waitOf(leaves[3] ?? { granted: true })).toBeGreaterThan(59_000);
    expect(waitOf(leaves[3] ?? { granted: true })).toBeLessThanOrEqual(60_400);
  });

  it.each([
    ['images', { imagesPerMinute: 4 }, { images: 3 }],
    ['tokens', { tokensPerMinute: 1_000 }, { tokens: 700 }],
    ['day', { requestsPerDay: 1 }, {}],
    ['day', { requestsPerDay: 1, day: 'rolling' as const }, {}],
    ['concurrency', { concurrency: 1 }, {}],
  ])('is refused when %s would exceed their limit', async (window, limits, demand) => {
    await using test = await openQuotas(limits);
    expect(await test.quotas.take(PRO, 'a', { ...ONE, ...demand })).toEqual({ granted: true });

    const leave = await test.quotas.take(PRO, 'b', { ...ONE, ...demand });

    expect(leave).toMatchObject({ granted: false, window });
    expect(waitOf(leave)).toBeGreaterThan(0);
    expect(await test.quotas.take(FLASH, 'c', ONE)).toEqual({ granted: true });
  });

  it.each([
    ['spend', { spendPerTenMinutes: 1_500 }],
    ['channel_concurrency', { concurrency: 1 }],
  ])('is refused when the channel’s %s would exceed its limit, for all its models', async (_window, channel) => {
    await using test = await openQuotas({}, { channel });
    await test.quotas.take(PRO, 'a', ONE);

    expect(await test.quotas.take(FLASH, 'b', ONE)).toMatchObject({ granted: false });
    expect(await test.quotas.take({ channel: 'gemini-b', model: 'pro' }, 'c', ONE)).toEqual({ granted: true });
  });

  it('counts a call once, however often it is asked for', async () => {
    await using test = await openQuotas({ requestsPerMinute: 2 });

    for (let n = 0; n < 5; n++) expect(await test.quotas.take(PRO, 'a', ONE)).toEqual({ granted: true });

    expect((await stateOf(test.quotas)).of('requests')).toEqual({ window: 'requests', used: 1, limit: 2 });
  });

  it('that is refused by one window takes nothing out of the others', async () => {
    await using test = await openQuotas({ requestsPerMinute: 10, tokensPerMinute: 150 });
    await test.quotas.take(PRO, 'a', ONE);

    expect(await test.quotas.take(PRO, 'b', ONE)).toMatchObject({ granted: false, window: 'tokens' });

    const state = await stateOf(test.quotas);
    expect([state.of('requests')?.used, state.of('images')?.used, state.of('spend')?.used]).toEqual([1, 1, 1_000]);
    expect(state.of('concurrency')?.used).toBe(1);
  });

  it('given back counts nowhere', async () => {
    await using test = await openQuotas(
      { requestsPerMinute: 1, requestsPerDay: 1 },
      { channel: { spendPerTenMinutes: 1_000 } },
    );
    await test.quotas.take(PRO, 'a', ONE);

    await test.quotas.giveBack(PRO, 'a');
    await test.quotas.giveBack(PRO, 'a');

    expect((await stateOf(test.quotas)).windows.map(({ used }) => used)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(await test.quotas.take(PRO, 'b', ONE)).toEqual({ granted: true });
  });

  it('is corrected by what the call really used', async () => {
    await using test = await openQuotas();
    await test.quotas.take(PRO, 'a', ONE);
    await test.quotas.sent(PRO, 'a');

    await test.quotas.ended(PRO, 'a', { tokens: 250, images: 2, cost: 40 });
    await test.quotas.ended(PRO, 'a', { tokens: 250, images: 2, cost: 40 });

    const { windows } = await stateOf(test.quotas);
    expect(Object.fromEntries(windows.map(({ window, used }) => [window, used]))).toEqual({
      requests: 1,
      images: 2,
      tokens: 250,
      day: 1,
      spend: 40,
      concurrency: 0,
      channel_concurrency: 0,
    });
  });

  it('leaves no key that stays for ever', async () => {
    await using test = await openQuotas();
    await test.quotas.take(PRO, 'a', ONE);

    const keys = await test.redis.keys(`${test.prefix}*`);
    const lives = await Promise.all(keys.map((key) => test.redis.pttl(key)));

    expect(keys.length).toBe(7);
    expect(Math.min(...lives)).toBeGreaterThan(0);
  });
});
