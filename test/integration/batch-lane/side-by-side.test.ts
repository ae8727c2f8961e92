/** Chunks that come home at the same time: a slow one keeps no other waiting. */

import { Readable } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { runBatchLane, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { openLane } from './lane.ts';

it('a download that drips holds up neither a chunk that is over, nor one that ends later', async () => {
  await using lane = await openLane();
  const image = await anImage('png', { side: 16 });
  const { account } = lane;
  const draining = new AbortController();
  const plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 1 } };
  const deps = { ...lane.deps, plan, pollMs: 20, draining: draining.signal };
  await lane.submit(3);
  await planOnce(deps);
  await submitOnce(deps);
  const over = (n: number) => {
    const lines = imageLines(account.keys(account.batch(n)), image);
    account.end('succeeded', lines, account.batch(n));
    return account.batch(n).responsesFile;
  };
  const download = account.channel.download.bind(account.channel);
  const dripping = new Readable({ read: () => undefined });
  const slow = over(0);
  account.channel.download = async (name, signal) =>
    name === slow ? { type: 'done', body: dripping } : download(name, signal);

  over(1);
  const loops = runBatchLane(deps);
  await vi.waitFor(async () => expect(await lane.statuses()).toMatchObject({ succeeded: 1 }), 10_000);
  over(2);
  await vi.waitFor(async () => expect(await lane.statuses()).toEqual({ succeeded: 2, running: 1 }), 10_000);
  expect(dripping.destroyed).toBe(false);
  dripping.destroy(new Error('cut'));
  draining.abort();
  await Promise.all(loops);
});
