import type { Clock } from '@darkroom/shared/ports';
import { openRedisClock, type RedisClock } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const HOUR = 3_600_000;
/** Of an instant that passes between two looks. */
const NEAR_MS = 200;

/** A host whose clock, and whose memory of how long it has been awake, can be set. */
async function openHost({ aheadMs = 0 } = {}) {
  await using opened = new AsyncDisposableStack();
  const redis = opened.adopt(new Redis(testRedisUrl(), { maxRetriesPerRequest: 0 }), (one) => one.disconnect());
  redis.on('error', () => undefined);
  const host = { aheadMs, sleptMs: 0 };
  const told: number[] = [];
  const local: Clock = { now: () => Date.now() + host.aheadMs };
  const monotonic = () => performance.now() - host.sleptMs;
  const tell = (ms: number) => void told.push(Math.round(ms / 1_000) * 1_000);
  const clock: RedisClock = opened.use(await openRedisClock({ redis, tell, local, monotonic }));
  const owned = opened.move();
  return { host, told, local, clock, redis, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** By how much the clock differs from the true time. Redis and this test are on one machine. */
const offBy = (clock: Clock) => Math.abs(clock.now() - Date.now());

it.each([HOUR, -HOUR, 2_000, -400])('a host that is %i ms ahead goes by the time of Redis', async (aheadMs) => {
  await using test = await openHost({ aheadMs });

  expect(offBy(test.clock)).toBeLessThan(NEAR_MS);
  expect(Number.isInteger(test.clock.now())).toBe(true);
  expect(test.told).toEqual(Math.abs(aheadMs) > 1_000 ? [aheadMs] : []);
});

it('a host that keeps its clock sees its own time', async () => {
  await using test = await openHost({ aheadMs: 100 });

  const [before, shown, after] = [test.local.now(), test.clock.now(), test.local.now()];

  expect(shown).toBeGreaterThanOrEqual(before);
  expect(shown).toBeLessThanOrEqual(after);
});

it('tells of a clock that is off once, again when that changes, and when it is over', async () => {
  await using test = await openHost({ aheadMs: HOUR });

  await test.clock.measure();
  test.host.aheadMs = HOUR + 500;
  await test.clock.measure();
  test.host.aheadMs = -HOUR;
  await test.clock.measure();
  test.host.aheadMs = 0;
  await test.clock.measure();

  expect(test.told).toEqual([HOUR, -HOUR, 0]);
});

it('does not follow a clock that is set while the program runs', async () => {
  await using test = await openHost();

  test.host.aheadMs = HOUR;

  expect(offBy(test.clock)).toBeLessThan(NEAR_MS);
  await expect.poll(() => test.told).toEqual([HOUR]);
  expect(offBy(test.clock)).toBeLessThan(NEAR_MS);
});

it('is right again after the host slept, as soon as it has asked', async () => {
  await using test = await openHost();

  test.host.sleptMs = HOUR;

  await expect.poll(() => offBy(test.clock)).toBeLessThan(NEAR_MS);
});

it('keeps what it knows while Redis is away', async () => {
  await using test = await openHost({ aheadMs: HOUR });

  test.redis.disconnect();
  await test.clock.measure();

  expect(offBy(test.clock)).toBeLessThan(NEAR_MS);
  test.host.aheadMs = 2 * HOUR;
  expect(offBy(test.clock)).toBeLessThan(NEAR_MS);
});

it('takes nothing for an offset that may be the way to Redis', async () => {
  await using redis = await openHost();
  // Answers come from the beginning of a way back that takes 900 ms, which pass without being waited for.
  let passed = 0;
  const time = async (): Promise<[number, number]> => {
    const [seconds = 0, micros = 0] = (await redis.redis.time()).map(Number);
    const at = seconds * 1_000 + micros / 1_000 + passed;
    passed += 900;
    return [Math.floor(at / 1_000), Math.floor((at % 1_000) * 1_000)];
  };
  const monotonic = () => performance.now() + passed;
  const local: Clock = { now: () => Date.now() + passed };

  using clock = await openRedisClock({ redis: { time }, tell: () => undefined, local, monotonic });

  expect(Math.abs(clock.now() - local.now())).toBeLessThan(5);
});
