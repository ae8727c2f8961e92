import { expect, it } from 'vitest';
import { runChaos, SHORT } from '../support/chaos.ts';
import { startPrivateRedis } from '../support/redis.ts';

it('loses no job and pays for nothing it cannot explain while everything around it dies', {
  timeout: 120_000,
}, async () => {
  await using redis = await startPrivateRedis();
  const told: string[] = [];

  const figures = await runChaos({ ...SHORT, seed: 1 }, redis, (line) => told.push(line)).catch((error: Error) => {
    throw new Error(`${error.message}\n${told.join('\n')}`);
  });

  expect(figures.jobs).toBe(SHORT.jobs);
  expect(told.join('\n')).toMatch(/SIGKILL worker[^]*storage away|storage away[^]*SIGKILL worker/);
});
