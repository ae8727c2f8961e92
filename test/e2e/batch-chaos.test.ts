import { expect, it } from 'vitest';
import { BATCH_SHORT, runBatchChaos } from '../support/batch-chaos.ts';
import { startPrivateRedis } from '../support/redis.ts';

it('loses no row and pays for nothing unsaid while everything on its way through the night dies', {
  timeout: 180_000,
}, async () => {
  await using redis = await startPrivateRedis();
  const told: string[] = [];

  const figures = await runBatchChaos({ ...BATCH_SHORT, seed: 1 }, redis, (line) => told.push(line)).catch(
    (error: Error) => {
      throw new Error(`${error.message}\n${told.join('\n')}`);
    },
  );

  expect(figures).toMatchObject({ rows: BATCH_SHORT.rows, jobs: BATCH_SHORT.rows + BATCH_SHORT.singles, second: 0 });
  expect(told.join('\n')).toMatch(/SIGKILL worker/);
});
