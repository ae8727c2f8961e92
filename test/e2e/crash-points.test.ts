import { CRASH_POINTS, type CrashPointName } from '@darkroom/shared/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRASH_CASES, type Survived, startForCrashes, survive } from '../support/crash.ts';
import { testRedisUrl } from '../support/redis.ts';

/** Cases that run side by side, each lane on a system of its own: most of their time is spent starting programs. */
const LANES = 3;

const runs = new Map(CRASH_CASES.map(({ point }) => [point, Promise.withResolvers<Survived>()]));
const lanes: Promise<void>[] = [];

async function runLane(lane: number, redisUrl: string): Promise<void> {
  await using system = await startForCrashes(redisUrl);
  for (const [n, crash] of CRASH_CASES.entries()) {
    const run = runs.get(crash.point);
    if (n % LANES !== lane || !run) continue;
    await survive(crash, system).then(run.resolve, run.reject);
  }
}

beforeAll(() => {
  const redisUrl = testRedisUrl();
  for (const { promise } of runs.values()) promise.catch(() => undefined); // its own test tells
  for (let lane = 0; lane < LANES; lane++) lanes.push(runLane(lane, redisUrl));
});
afterAll(async () => {
  await Promise.all(lanes);
});

it('has a case for every step at which a program can be made to die', () => {
  expect(CRASH_CASES.map(({ point }) => point)).toEqual([...CRASH_POINTS]);
  expect(CRASH_POINTS.length).toBeGreaterThanOrEqual(15);
});

describe('a SIGKILL', { timeout: 180_000 }, () => {
  it.each(CRASH_CASES)(
    'at $point loses nothing and costs $price.extra extra calls, $price.inDoubt in doubt',
    async ({ point }: { point: CrashPointName }) => {
      const survived = await runs.get(point)?.promise;

      expect(survived).toMatchObject({ point });
    },
  );
});
