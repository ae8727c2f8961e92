/** A worker dies at every step of the lane, once and at the second passing, and another one goes on. */

import { thumbnailKey } from '@darkroom/shared/domain';
import { BATCH_CRASH_POINTS } from '@darkroom/shared/observability';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { expect, it } from 'vitest';
import type { BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';

const JOBS = 4;
/** Steps within the worker; the first lies in the queue, which has a test with real processes. */
const POINTS = BATCH_CRASH_POINTS.filter((name) => name.startsWith('chunk.') && name !== 'chunk.pooled');

/** One worker's life: everything that is due, until it dies. */
async function live(lane: TestLane, deps: BatchDeps, image: Buffer): Promise<void> {
  const poller = createPoller(deps);
  const steps = [
    () => planOnce(deps),
    () => submitOnce(deps),
    () => poller.once(),
    async () => endAll(lane, image),
    () => poller.once(),
    () => collectOnce(deps),
  ];
  for (const step of steps) {
    await step();
    lane.test.clock.advance(MINUTE);
  }
}

function endAll({ account }: TestLane, image: Buffer): void {
  for (const batch of account.batches.filter(({ end }) => !end))
    account.end('succeeded', imageLines(account.keys(batch), image), batch);
}

const CASES = POINTS.flatMap((point) => [1, 2].map((nth) => [point, nth] as const));

it.each(CASES)('dies at %s, passing %i: one batch, each job ends once, the bill is the ledger', async (point, nth) => {
  await using lane = await openLane();
  const image = await anImage('png', { side: 16 });
  await lane.submit(JOBS);

  const first = dyingAt(lane.unheld(), point, nth);
  await live(lane, first.deps, image).catch(() => undefined);
  for (let n = 0; n < 8; n++) await live(lane, lane.unheld(), image);
  await lane.deps.outbox.flush();

  const once = new Set(['chunk.begun', 'chunk.line_stored', 'chunk.line_settled']);
  expect(first.died()).toBe(nth === 1 || once.has(point));
  expect(await lane.statuses()).toEqual({ succeeded: JOBS });
  expect(await lane.batches.open()).toEqual([]);
  expect(lane.account.made).toBe(1);
  expect(lane.account.files.size).toBe(0);
  const totals = await lane.totals();
  expect(totals).toMatchObject({ calls: JOBS, settled: JOBS, rejected: 0, inDoubt: 0 });
  const stored = await Promise.all(
    (await lane.jobs()).map(({ state }) => lane.test.store.head(state.images[0]?.key ?? '-')),
  );
  expect(stored.every(Boolean)).toBe(true);
  const small = (await lane.jobs()).map(({ state }) => lane.test.store.head(thumbnailKey(state.images[0]?.key ?? '-')));
  expect((await Promise.all(small)).every(Boolean)).toBe(true);
});
