import { EVENT_CRASH_POINTS } from '@darkroom/shared/observability';
import { DAY } from '@darkroom/shared/testing/factories';
import { it } from 'vitest';
import { died } from '../support/crash.ts';
import { testRedisUrl } from '../support/redis.ts';
import { startSystem } from '../support/system.ts';

const EVENTS = 20;
type List = { data: { data: { id: string } }[] };

it.concurrent.for(EVENT_CRASH_POINTS)('lists each event once, whatever dies at %s', async (point, { expect }) => {
  await using system = await startSystem({ redisUrl: testRedisUrl(), workers: 0 });
  const { redis, prefix, client } = system;
  // Of a day that is over: it moves as a whole as soon as anybody looks.
  const stream = `${prefix}{t:default}:events`;
  const day = Date.now() - 2 * DAY;
  for (let n = 0; n < EVENTS; n++) await redis.xadd(stream, `${day + n}-0`, 't', 'job.queued', 'j', `job_${n}`);
  await redis.sadd(`${prefix}tenants`, 'default');

  const told = async () => {
    const { body } = await client.call<List>('GET', '/v1/events?order=asc&limit=200');
    return body.data.map(({ data }) => data.id);
  };
  const worker = system.addWorker({ WORKER_ROLES: 'sweeper' });
  await worker.start({ CRASH_AT: point }).catch(() => undefined);
  await died(worker);
  const halfway = await told();
  await worker.start();
  await expect.poll(() => redis.xlen(stream), { timeout: 20_000 }).toBe(0);

  const all = Array.from({ length: EVENTS }, (_, n) => `job_${n}`);
  expect(halfway).toEqual(all);
  expect(await told()).toEqual(all);
});
