/** What a limit of one channel means for jobs that another could carry; by workers whose clocks are hours apart. */

import type { FaultRule } from '@darkroom/emulator';
import { HOUR } from '@darkroom/shared/testing/factories';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ahead } from '../support/batch-system.ts';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  // Each limit is learnt for good, so each has a channel of its own to be learnt of.
  const channels = [
    { id: 'day', order: 1 },
    { id: 'none', order: 2 },
    { id: 'last', order: 3 },
  ];
  system = await startSystem({ redisUrl: testRedisUrl(), workers: 0, channels: { channels } });
  await Promise.all([HOUR, -HOUR].map((ms) => system.addWorker(ahead(ms)).start()));
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

const refuse = (project: string, fault: FaultRule['fault']) =>
  system.emulator.control.putFaults([{ match: { project }, fault }]);

async function channelsOf(count: number, routing: Record<string, unknown>): Promise<string[][]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await system.client.submit(aBody({ routing }))).body.id);
  const jobs = await Promise.all(ids.map((id) => system.client.end(id, 20_000)));
  expect(new Set(jobs.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  return jobs.map(({ attempts }) => attempts.map(({ channel }) => channel));
}

/** The times on the records are of different clocks: what they say of each other is not looked at. */
async function everythingIsPaidOnce(): Promise<void> {
  await system.idle();
  for (const { billed, settled } of await system.bills()) expect(billed).toBe(settled);
}

it('moves jobs to another channel once the day of one is used up, and parks those that may go nowhere else', async () => {
  refuse('day', { kind: 'quota_day' });

  expect(await channelsOf(1, { channels: ['day', 'last'] })).toEqual([['day', 'last']]);
  expect(new Set((await channelsOf(6, { channels: ['day', 'last'] })).flat())).toEqual(new Set(['last']));
  const { body } = await system.client.submit(aBody({ routing: { channels: ['day'] } }));
  const parked = await system.client.until(body.id, ({ phase }) => phase === 'parked', 20_000);
  expect(parked.attempts).toEqual([]);
  await system.client.cancel(body.id);
  await everythingIsPaidOnce();
});

it('asks a channel no more that answers with a limit of 0', async () => {
  refuse('none', { kind: 'quota_none' });

  expect(await channelsOf(1, { channels: ['none', 'last'] })).toEqual([['none', 'last']]);
  expect(new Set((await channelsOf(6, { channels: ['none', 'last'] })).flat())).toEqual(new Set(['last']));
  await everythingIsPaidOnce();
});
