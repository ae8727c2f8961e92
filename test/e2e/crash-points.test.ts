import { CRASH_POINTS, type CrashPointName } from '@darkroom/shared/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRASH_CASES, type Survived, startForCrashes, survive } from '../support/crash.ts';
import { testRedisUrl } from '../support/redis.ts';

/** Cases that run side by side, each lane on a system of its own: most of their time is spent starting programs. */
const LANES = 3;

const runs = new Map(CRASH_CASES.map(({ point }) => [point, Promise.withResolvers<Survived>()]));
const lanes: Promise<void>[] = [];

async function runLane(lane: number, redisUrl: string): Promise<void> {
  const cases = CRASH_CASES.filter((_crash, n) => n % LANES === lane);
  // A system that does not start fails all of its lane: nobody waits for what never comes.
  await using system = await startForCrashes(redisUrl).catch((error: Error) => {
    for (const { point } of cases) runs.get(point)?.reject(error);
    throw error;
  });
  for (const crash of cases) {
    const run = runs.get(crash.point);
    await survive(crash, system).then(run?.resolve, run?.reject);
  }
}

beforeAll(() => {
  const redisUrl = testRedisUrl();
  for (const { promise } of runs.values()) promise.catch(() => undefined); // its own test tells
  for (let lane = 0; lane < LANES; lane++) lanes.push(runLane(lane, redisUrl));
  for (const lane of lanes) lane.catch(() => undefined); // told by its tests, too
});
afterAll(async () => {
  await Promise.allSettled(lanes);
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
