import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const PER_MINUTE = 20;
/** A minute takes as long here and at the provider, which draws while others come: so long that this does not matter. */
const MINUTE_MS = 20_000;

it('keeps a limit of calls a minute over two workers, in whatever minute the provider looks', async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workers: 2,
    workerEnv: { WORKER_CONCURRENCY: '3', GEMINI_RPM: String(PER_MINUTE), QUOTA_MINUTE_MS: String(MINUTE_MS) },
    emulator: { settings: { clock_scale: 60_000 / MINUTE_MS, quotas: { rpm: PER_MINUTE } } },
  });
  const { client, emulator } = system;

  // Another model has windows of its own: these calls only make everybody warm, the provider that draws above all.
  const warm = { model: 'gemini-3.1-flash-lite-image', size: '1K' };
  const first = await Promise.all(Array.from({ length: 12 }, async () => (await client.submit(aBody(warm))).body));
  await Promise.all(first.map(({ id }) => client.end(id)));

  const jobs = await Promise.all(
    Array.from({ length: 24 }, async () => (await client.submit(aBody({ model: 'flash', size: '1K' }))).body),
  );
  await Promise.all(jobs.map(({ id }) => client.end(id)));

  // The provider counts strictly, and refused nothing: the limit was never passed, and never found out by being refused.
  const windows = emulator.control.quota().filter(({ model }) => model !== warm.model);
  expect(windows.find(({ window }) => window === 'requests')).toMatchObject({ counted: 24, limit: PER_MINUTE });
  expect(windows.reduce((sum, { refused }) => sum + refused, 0)).toBe(0);
  const busy = system.workers.filter(({ lines }) => lines.some(({ event }) => event === 'attempt.ended'));
  expect(busy).toHaveLength(2);
  await system.assertInvariants();
});
