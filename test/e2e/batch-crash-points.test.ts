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

/** Batches side by side, each on a system of its own: most of a crash is waiting until what the dead one held runs out. */
const LANES = 6;

/** Every sixth step of the path is a batch's to die at, so that it comes to each of them after the one before. */
const lanes = Array.from({ length: LANES }, (_, lane) => BATCH_CRASHES.filter((_crash, n) => n % LANES === lane));
let runs: Promise<BatchSurvived>[];

beforeAll(() => {
  const redisUrl = testRedisUrl();
  runs = lanes.map(async (crashes) => {
    await using night = await startForBatchCrashes(redisUrl);
    return await surviveBatch(crashes, night);
  });
  for (const run of runs) run.catch(() => undefined); // its own tests tell
});
afterAll(async () => {
  await Promise.allSettled(runs);
});

it('has at least twelve steps at which a program can be made to die', () => {
  expect(BATCH_CRASHES.length).toBeGreaterThanOrEqual(12);
});

describe('a SIGKILL', { timeout: 180_000 }, () => {
  it.each(BATCH_CRASHES)(
    'at $point costs nothing: a provider batch a chunk, a picture a row, and the bill is the ledger',
    async ({ point }: { point: BatchPoint }) => {
      const survived = await runs[lanes.findIndex((crashes) => crashes.some((crash) => crash.point === point))];

      expect(survived).toMatchObject({ rows: ROWS, images: ROWS, inDoubt: 0, second: 0 });
      expect(survived?.points).toContain(point);
    },
  );
});
