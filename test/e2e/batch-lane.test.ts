/** Jobs of the batch lane through all processes: API, worker, Redis, store, and a provider with files and batches. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

/** The provider's hours pass in seconds. */
const FAST = { settings: { clock_scale: 1_000 } };
const QUICK = { BATCH_GATHER: '0.3', BATCH_POLL: '0.2' };

let system: System;
beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl(), workerEnv: QUICK, emulator: FAST });
});
afterAll(() => system[Symbol.asyncDispose]());

it('brings single jobs together into a provider batch, at half the price, and leaves nothing there', async () => {
  const { client, emulator } = system;

  const jobs = await Promise.all(
    Array.from({ length: 6 }, (_, n) => client.insist(aBody({ lane: 'batch' }), `batch-${n}`)),
  );
  expect(jobs.map(({ lane, phase }) => [lane, phase])).toEqual(jobs.map(() => ['batch', 'accumulating']));
  const ended = await Promise.all(jobs.map(({ id }) => client.end(id, 30_000)));

  expect(ended.map(({ status }) => status)).toEqual(Array(6).fill('succeeded'));
  const bill = emulator.control.bill();
  expect(bill.by_lane).toMatchObject({ batch: { billed_calls: 6, images: 6 }, standard: { calls: 0 } });
  const totals = await system.redis.hgetall(`${system.prefix}{t:default}:totals`);
  expect(totals).toMatchObject({ calls: '6', settled: '6', actual: String(bill.cost_micros) });
  const calls = (route: string) => emulator.control.journal().entries.filter((entry) => entry.route === route).length;
  await expect.poll(() => calls('delete_file')).toBe(2);
  expect(calls('create_batch')).toBe(1);
});
