import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const PER_MINUTE = 150;

it('keeps a limit of calls a minute over two workers', async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workers: 2,
    workerEnv: { GEMINI_RPM: String(PER_MINUTE) },
  });
  const { client, emulator } = system;

  const jobs = await Promise.all(Array.from({ length: 10 }, async () => (await client.submit(aBody())).body));
  await Promise.all(jobs.map(({ id }) => client.end(id)));

  const starts = emulator.control.journal().entries.map(({ at }) => at);
  expect(starts).toHaveLength(10);
  // In whatever window one looks, there is at most one call more than its share of the minute.
  const spacing = 60_000 / PER_MINUTE;
  for (const [i, from] of starts.entries()) {
    for (const [n, to] of starts.slice(i).entries()) expect(n).toBeLessThanOrEqual((to - from) / spacing + 1);
  }
  const busy = system.workers.filter(({ lines }) => lines.some(({ event }) => event === 'attempt.ended'));
  expect(busy).toHaveLength(2);
  await system.assertInvariants();
});
