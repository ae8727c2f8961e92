import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const PER_MINUTE = 20;
/** A minute takes as long here and at the provider. */
const MINUTE_MS = 2_000;

it('keeps a limit of calls a minute over two workers, in whatever minute the provider looks', async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workers: 2,
    workerEnv: { GEMINI_RPM: String(PER_MINUTE), QUOTA_MINUTE_MS: String(MINUTE_MS) },
    emulator: { settings: { clock_scale: 60_000 / MINUTE_MS, quotas: { rpm: PER_MINUTE } } },
  });
  const { client, emulator } = system;

  const jobs = await Promise.all(Array.from({ length: 50 }, async () => (await client.submit(aBody())).body));
  await Promise.all(jobs.map(({ id }) => client.end(id)));

  // The provider counts strictly, and refused nothing: the limit was never passed, and never found out by being refused.
  const windows = emulator.control.quota();
  expect(windows.find(({ window }) => window === 'requests')).toMatchObject({ counted: 50, limit: PER_MINUTE });
  expect(windows.reduce((sum, { refused }) => sum + refused, 0)).toBe(0);
  const busy = system.workers.filter(({ lines }) => lines.some(({ event }) => event === 'attempt.ended'));
  expect(busy).toHaveLength(2);
  await system.assertInvariants();
});
