import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const MIB = 1_048_576;

it('refuses new jobs while the spool of every worker is full, and takes them again when images find their way', async () => {
  await using system = await startSystem({ redisUrl: testRedisUrl(), workerEnv: { SPOOL_MAX_MB: '64' } });
  const { client } = system;
  await client.end((await client.submit(aBody())).body.id);
  // Four images of 15 MiB fill 64 MiB by more than its 80 %.
  system.emulator.control.patchSettings({ image_bytes: 15 * MIB });
  await system.storage.takeAway();
  const ids = await Promise.all([0, 1, 2, 3].map(async () => (await client.submit(aBody())).body.id));
  await Promise.all(ids.map((id) => client.until(id, ({ phase }) => phase === 'storing')));

  await expect.poll(async () => (await client.call('GET', '/readyz')).status, { timeout: 10_000 }).toBe(503);
  const refused = await client.submit(aBody());
  expect(refused).toMatchObject({ status: 503, body: { code: 'not_ready', retryable: true } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const { body } = await client.call<{ checks: object }>('GET', '/readyz');
  expect(body.checks).toMatchObject({ redis: 'ok', workers: expect.stringContaining('full') });

  // A worker with room is enough.
  const other = system.addWorker({ DARKROOM_DATA: `${system.dataDir}/other` });
  await other.start();
  await expect.poll(async () => (await client.call('GET', '/readyz')).status, { timeout: 10_000 }).toBe(200);
  await other.stop();

  await system.storage.bringBack();
  await Promise.all(ids.map((id) => client.end(id)));
  await expect.poll(async () => (await client.call('GET', '/readyz')).status, { timeout: 10_000 }).toBe(200);
  const { id } = (await client.submit(aBody())).body;
  expect(await client.end(id)).toMatchObject({ status: 'succeeded' });
  await system.assertInvariants();
}, 60_000);
