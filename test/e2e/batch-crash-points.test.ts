import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BATCH_CRASHES,
  type BatchPoint,
  type BatchSurvived,
  ROWS,
  startForBatchCrashes,
  surviveBatch,
} from '../support/batch-crash.ts';
import { testRedisUrl } from '../support/redis.ts';

/** Systems side by side: most of a case is waiting until what the dead one held runs out. */
const LANES = 6;
/** The one that waits half a minute goes first. */
const ORDER = BATCH_CRASHES.toSorted(
  (a, b) => Number(b.point === 'batch.enlisted') - Number(a.point === 'batch.enlisted'),
);

const runs = new Map(BATCH_CRASHES.map(({ point }) => [point, Promise.withResolvers<BatchSurvived>()]));
const lanes: Promise<void>[] = [];
const left = [...ORDER];

async function runLane(redisUrl: string): Promise<void> {
  let night = await startForBatchCrashes(redisUrl);
  for (let crash = left.shift(); crash; crash = left.shift()) {
    const run = runs.get(crash.point);
    await surviveBatch(crash, night).then(run?.resolve, async (error: unknown) => {
      run?.reject(error);
      // What one case broke is not held against the next.
      await night[Symbol.asyncDispose]();
      night = await startForBatchCrashes(redisUrl);
    });
  }
  await night[Symbol.asyncDispose]();
}

beforeAll(() => {
  const redisUrl = testRedisUrl();
  for (const { promise } of runs.values()) promise.catch(() => undefined); // its own test tells
  for (let lane = 0; lane < LANES; lane++) lanes.push(runLane(redisUrl));
});
afterAll(async () => {
  await Promise.all(lanes);
});

it('has at least twelve steps at which a program can be made to die', () => {
  expect(BATCH_CRASHES.length).toBeGreaterThanOrEqual(12);
});

describe('a SIGKILL', { timeout: 180_000 }, () => {
  it.each(BATCH_CRASHES)(
    'at $point costs nothing: a provider batch a chunk, a picture a row, and the bill is the ledger',
    async ({ point }: { point: BatchPoint }) => {
      const survived = await runs.get(point)?.promise;

      expect(survived).toMatchObject({ point, rows: ROWS, images: ROWS, inDoubt: 0, second: 0 });
    },
  );
});
