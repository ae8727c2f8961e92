/** Hosts whose clocks are an hour off: all of them go by the time of Redis. */

import type { EventList } from '@darkroom/shared/schemas';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { ahead } from '../support/batch-system.ts';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const off = (ms: number) => ({ ...ahead(ms), CLOCK: 'redis' });
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const instant = (text: string | null | undefined) => new Date(text ?? 0).getTime();

it('a worker an hour ahead ends no job before its deadline, and one an hour behind ends it after', async () => {
  await using system = await startSystem({ redisUrl: testRedisUrl(), workers: 0 });
  const { client } = system;
  const later = (await client.submit(aBody({ deadline: inMs(20 * MINUTE) }))).body.id;
  // It would still wait in an hour, and be told of.
  const endless = (await client.submit(aBody())).body.id;
  const fast = system.addWorker({ ...off(HOUR), WORKER_ROLES: 'sweeper' });
  const slow = system.addWorker({ ...off(-HOUR), WORKER_ROLES: 'sweeper' });

  // What ends soon shows that both have swept.
  for (const sweeper of [fast, slow]) {
    await sweeper.start();
    const soon = (await client.submit(aBody({ deadline: inMs(1_000) }))).body.id;
    expect(await client.end(soon)).toMatchObject({ status: 'expired' });
    expect(sweeper.lines.filter(({ event }) => event === 'clock.off')).toHaveLength(1);
    await sweeper.stop();
  }

  expect((await client.get(later)).body).toMatchObject({ status: 'queued' });
  const { body: alerts } = await client.call<z.output<typeof EventList>>('GET', '/v1/events?type=alert.*');
  expect(alerts.data).toEqual([]);
  await system.addWorker(off(-HOUR)).start();
  expect(await client.end(endless)).toMatchObject({ status: 'succeeded' });
  const done = await client.end(later);
  expect(done).toMatchObject({ status: 'succeeded' });
  expect(Math.abs(instant(done.completed_at) - Date.now())).toBeLessThan(MINUTE);
  await system.assertInvariants();
});

it('an API an hour off gives its jobs the time that they were promised', async () => {
  await using system = await startSystem({ redisUrl: testRedisUrl(), apiEnv: off(-HOUR) });

  const { body } = await system.client.submit(aBody({ deadline: inMs(20 * MINUTE) }));
  const done = await system.client.end(body.id);

  expect(done).toMatchObject({ status: 'succeeded' });
  expect(Math.abs(instant(body.created_at) - Date.now())).toBeLessThan(MINUTE);
  await system.assertInvariants();
});
