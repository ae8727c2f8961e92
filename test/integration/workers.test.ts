import { createRedisWorkers } from '@darkroom/shared/storage/redis';
import { expect, it } from 'vitest';
import { openTestLedger } from '../support/ledger.ts';

it('knows the workers that told of themselves lately, and forgets the others', async () => {
  await using test = await openTestLedger();
  const { redis, prefix } = test;
  const workers = createRedisWorkers({ redis, prefix });
  expect(await workers.live()).toEqual([]);

  await workers.beat('one', { spoolFull: false });
  await workers.beat('two', { spoolFull: true });
  expect(await workers.live()).toHaveLength(2);
  const left = await redis.pttl(`${prefix}{workers}:one`);
  expect(left).toBeGreaterThan(2_000);
  expect(left).toBeLessThanOrEqual(10_000);

  await redis.del(`${prefix}{workers}:one`); // as if its time were over
  expect(await workers.live()).toEqual([{ id: 'two', spoolFull: true }]);
  expect(await redis.smembers(`${prefix}{workers}`)).toEqual(['two']);

  await workers.beat('one', { spoolFull: false });
  expect(await workers.live()).toHaveLength(2);
});
