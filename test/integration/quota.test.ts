import { randomUUID } from 'node:crypto';
import type { Quota } from '@darkroom/shared/ports';
import { createRedisQuota } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const CHANNEL = 'gemini';
const MODEL = 'gemini-3-pro-image';
const HOUR = 3_600_000;

type Leave = Awaited<ReturnType<Quota['take']>>;

type TestQuota = AsyncDisposable & {
  quotas: Quota[];
  /** Lets `ms` pass for the pace, as if they had. */
  pass: (ms: number) => Promise<void>;
  /** Microseconds by the clock that the pace is kept by. */
  micros: () => Promise<number>;
  prefix: string;
  redis: Redis;
};

/** As many workers as connections, one allowance. */
async function openQuotas(requestsPerMinute: number, workers = 2): Promise<TestQuota> {
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const connections = await Promise.all(
    Array.from({ length: workers + 1 }, async () => {
      const redis = new Redis(testRedisUrl(), { lazyConnect: true });
      await redis.connect();
      return redis;
    }),
  );
  const [redis = new Redis(), ...others] = connections;
  const pace = `${prefix}{c:${CHANNEL}:${MODEL}}:pace`;
  return {
    prefix,
    redis,
    quotas: others.map((one) => createRedisQuota({ redis: one, prefix, requestsPerMinute })),
    pass: async (ms) => {
      const next = Number(await redis.get(pace));
      await redis.set(pace, String(next - ms), 'KEEPTTL');
    },
    micros: async () => {
      const [seconds, micros] = (await redis.call('TIME')) as [string, string];
      return Number(seconds) * 1e6 + Number(micros);
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length) await redis.unlink(keys);
      for (const one of connections) one.disconnect();
    },
  };
}

const takeFrom = async (quota?: Quota, model = MODEL): Promise<Leave> => {
  if (!quota) throw new Error('no such worker');
  return quota.take(CHANNEL, model);
};

describe('the pace', () => {
  it('grants one call an interval, to whichever worker comes first', async () => {
    await using test = await openQuotas(60);
    const [a, b] = test.quotas;

    expect(await takeFrom(a)).toEqual({ granted: true });
    const leave = await takeFrom(b);

    expect(leave).toMatchObject({ granted: false, reason: 'rate_limited' });
    expect(leave.granted ? 0 : leave.retryAfterMs).toBeGreaterThan(0);
    expect(leave.granted ? 0 : leave.retryAfterMs).toBeLessThanOrEqual(1_000);
  });

  it('grants as many calls as intervals pass, when everyone waits as long as was said', async () => {
    await using test = await openQuotas(60);
    const began = await test.micros();
    let granted = 0;
    let waitedMs = 0;

    for (let n = 0; n < 200; n++) {
      const leave = await takeFrom(test.quotas[n % 2]);
      if (leave.granted) granted++;
      else {
        waitedMs += leave.retryAfterMs;
        await test.pass(leave.retryAfterMs);
      }
    }

    const tookMs = ((await test.micros()) - began) / 1_000 + waitedMs;
    expect(granted).toBeGreaterThanOrEqual(100);
    expect(granted).toBeLessThanOrEqual(Math.floor(tookMs / 1_000) + 1);
  });

  it('grants no more than its share to a hundred calls at once', async () => {
    await using test = await openQuotas(6_000, 4);
    const began = await test.micros();

    const leaves = await Promise.all(Array.from({ length: 100 }, (_, n) => takeFrom(test.quotas[n % 4])));

    const tookMs = ((await test.micros()) - began) / 1_000;
    const granted = leaves.filter((leave) => leave.granted).length;
    expect(granted).toBeGreaterThanOrEqual(1);
    expect(granted).toBeLessThanOrEqual(Math.floor(tookMs / 10) + 1);
  });

  it('saves up nothing while nobody calls', async () => {
    await using test = await openQuotas(60);
    const [a] = test.quotas;
    await takeFrom(a);
    await test.pass(HOUR);

    expect(await takeFrom(a)).toEqual({ granted: true });
    expect(await takeFrom(a)).toMatchObject({ granted: false });
  });

  it('is each model’s own', async () => {
    await using test = await openQuotas(1);
    const [a] = test.quotas;

    expect(await takeFrom(a)).toEqual({ granted: true });
    expect(await takeFrom(a, 'gemini-nano-banana-2.1')).toEqual({ granted: true });
    expect(await takeFrom(a)).toMatchObject({ granted: false });
  });

  it('is none when no limit is set', async () => {
    await using test = await openQuotas(0);

    const leaves = await Promise.all(Array.from({ length: 50 }, () => takeFrom(test.quotas[0])));

    expect(leaves.every(({ granted }) => granted)).toBe(true);
    expect(await test.redis.keys(`${test.prefix}*`)).toEqual([]);
  });

  it('leaves no key behind for a model that nobody calls any more', async () => {
    await using test = await openQuotas(60);
    await takeFrom(test.quotas[0]);

    const ttl = await test.redis.pttl(`${test.prefix}{c:${CHANNEL}:${MODEL}}:pace`);

    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(2_000);
  });
});

describe('a pause', () => {
  const waitOf = (leave: Leave) => (leave.granted ? 0 : leave.retryAfterMs);

  it('keeps every worker away, whatever the pace', async () => {
    await using test = await openQuotas(0);
    const [a, b] = test.quotas;

    await a?.pause(CHANNEL, MODEL, HOUR, 'parked');
    const leave = await takeFrom(b);

    expect(leave).toMatchObject({ granted: false, reason: 'parked' });
    expect(waitOf(leave)).toBeGreaterThan(HOUR - 10_000);
    expect(waitOf(leave)).toBeLessThanOrEqual(HOUR);
  });

  it('is never cut by a shorter one, and made longer by a longer one', async () => {
    await using test = await openQuotas(0);
    const [a, b] = test.quotas;
    await a?.pause(CHANNEL, MODEL, HOUR, 'parked');

    await b?.pause(CHANNEL, MODEL, 1_000, 'rate_limited');
    const kept = await takeFrom(b);
    await b?.pause(CHANNEL, MODEL, 2 * HOUR, 'rate_limited');
    const longer = await takeFrom(a);

    expect(kept).toMatchObject({ reason: 'parked' });
    expect(waitOf(kept)).toBeGreaterThan(HOUR - 10_000);
    expect(longer).toMatchObject({ reason: 'rate_limited' });
    expect(waitOf(longer)).toBeGreaterThan(2 * HOUR - 10_000);
  });

  it('takes part of a millisecond for a whole one', async () => {
    await using test = await openQuotas(0);

    await test.quotas[0]?.pause(CHANNEL, MODEL, 0.2, 'rate_limited');

    expect(await test.redis.pttl(`${test.prefix}{c:${CHANNEL}:${MODEL}}:pause`)).toBeLessThanOrEqual(1);
  });

  it('is the model’s own', async () => {
    await using test = await openQuotas(0);
    const [a] = test.quotas;

    await a?.pause(CHANNEL, MODEL, HOUR, 'parked');

    expect(await takeFrom(a, 'gemini-nano-banana-2.1')).toEqual({ granted: true });
  });
});
