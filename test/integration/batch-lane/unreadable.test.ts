/** One record that nobody can read any more: it stops no other member of its chunk, and no other row of its batch. */

import { rowJobId } from '@darkroom/shared/domain';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { openTestBatches } from '../../support/batches.ts';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';

let lane: TestLane;
beforeEach(async () => {
  lane = await openLane();
});
afterEach(() => lane[Symbol.asyncDispose]());

const spoil = (id = '') => lane.test.redis.hset(lane.test.key(`job:${id}`), 't', Buffer.from([9, 1, 2]));
const statuses = async (ids: string[]) =>
  (await Promise.all(ids.map((id) => lane.test.read(id)))).map(({ state }) => state.status);

it('keeps no line from another job, and no chunk open', async () => {
  const image = await anImage('png', { side: 16 });
  const [first, ...rest] = await lane.submit(4);
  await lane.send();
  await spoil(first);

  lane.account.end('succeeded', imageLines(lane.account.keys(), image));
  await lane.collect();

  expect(await statuses(rest)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect((await lane.chunk()).state).toBe('closed');
});

it('keeps no other member of a chunk without results from going again', async () => {
  const [first, ...rest] = await lane.submit(4);
  await lane.send();
  await spoil(first);

  lane.account.end('expired');
  await lane.collect();

  expect(await statuses(rest)).toEqual(['queued', 'queued', 'queued']);
  expect((await lane.chunk()).state).toBe('closed');
});

it('has no line in the input, and the others are sent', async () => {
  const [first] = await lane.submit(4);
  await planOnce(lane.deps);
  await spoil(first);

  await submitOnce(lane.deps);

  expect(lane.account.keys()).toHaveLength(3);
});

it('stays out of a chunk that is being sealed', async () => {
  const [first] = await lane.submit(4);
  await planOnce(dyingAt(lane.deps, 'chunk.planned').deps).catch(() => undefined);
  await spoil(first);

  await submitOnce(lane.unheld());

  expect(await lane.chunk()).toMatchObject({ size: 3 });
});

it('may be what a batch still runs for, when all others of it were canceled', async () => {
  const [first, second = ''] = await lane.submit(2);
  await lane.send();
  await spoil(first);
  await lane.cancel(second);

  await lane.poll();

  expect(lane.account.calls.filter((call) => /cancel/.test(call))).toEqual([]);
});

/** A worker whose Redis answers no question about jobs. */
function busy(): BatchDeps {
  const read = async () => {
    throw new Error('BUSY Redis is busy running a script.');
  };
  return { ...lane.deps, ledger: { ...lane.deps.ledger, read } };
}

it('is told from a Redis that cannot be asked: no running batch is canceled for that', async () => {
  await lane.submit(3);
  await lane.send();

  await createPoller(busy()).once();

  expect(lane.account.calls.filter((call) => /cancel/.test(call))).toEqual([]);
  expect(lane.lines.map(({ event }) => event)).toContain('chunk.not_attended');
});

it('is told from a Redis that cannot be asked: all jobs stay in the pool', async () => {
  await lane.submit(3);

  await planOnce(busy()).catch(() => undefined);

  expect(await lane.pool.size('gemini-3.1-flash-image')).toBe(3);
});

it('keeps no other row of a batch from being canceled', async () => {
  const callers = await openTestBatches(lane.test);
  const batch = await callers.accept([{}, {}, {}]);
  await callers.settle(batch.id);
  await spoil(rowJobId(batch.id, 'row-0', 0));

  await callers.control(batch.id, 'cancel');
  await callers.settle(batch.id);

  expect(await statuses(['row-1', 'row-2'].map((key) => rowJobId(batch.id, key, 0)))).toEqual(['canceled', 'canceled']);
});
