/** Which chunks are taken back, and when: one by one as time runs out, and none whose rows have not the money to leave. */

import { costOfLeaving, estimateCost } from '@darkroom/shared/domain';
import { aChannel } from '@darkroom/shared/testing/channels';
import { HOUR, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { renewRescues } from '../../../apps/worker/src/batch/rescue-time.ts';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { anImage } from '../../support/run-job.ts';
import { errorLine, imageLines } from './account.ts';
import { openLane, type TestLane, withAllowance } from './lane.ts';
import { poolRows } from './pool-rows.ts';

const MODEL = 'gemini-3.1-flash-image';
/** What the lane keeps free before a deadline, for making jobs by themselves. */
const STANDARD_MS = 20 * MINUTE;
/** More than the batch lane's price of a row, and less than the standard lane's. */
const ROW_COST = 30_000;

let lane: TestLane;
let callers: TestBatches;
let began: number;
beforeEach(async () => {
  lane = await openLane();
  callers = await openTestBatches(lane.test);
  began = lane.test.clock.now();
});
afterEach(() => lane[Symbol.asyncDispose]());

const withPlan = (plan: Partial<BatchDeps['plan']>): BatchDeps => ({
  ...lane.deps,
  plan: { ...lane.deps.plan, ...plan },
});

/** A batch that is due `ms` from the beginning, its rows jobs in the pool. */
const pooled = (count: number, { ms, ...facts }: { ms: number; maxCost?: number }) =>
  poolRows(callers, count, { expiresAt: began + ms, ...facts });

async function round(deps: BatchDeps): Promise<void> {
  await planOnce(deps);
  await submitOnce(deps);
  await createPoller(deps).once();
  await collectOnce(deps);
  await deps.outbox.flush();
}

it('takes chunks of one deadline back one after the other, the last one sent first', async () => {
  const deps = withPlan({ limits: { ...lane.deps.plan.limits, lines: 5 }, rescueMsPerJob: 2 * MINUTE });
  await lane.submit(20, { state: { expiresAt: began + 5 * HOUR } });
  const due = began + 5 * HOUR - STANDARD_MS;
  const went: [minutesLeft: number, call: string][] = [];

  while (lane.test.clock.now() < due) {
    const before = lane.account.cancels().length;
    await round(deps);
    for (const call of lane.account.cancels().slice(before)) went.push([(due - lane.test.clock.now()) / MINUTE, call]);
    lane.test.clock.advance(MINUTE);
  }

  expect(lane.account.made).toBe(4);
  expect(went).toEqual([
    [40, 'cancel batches/b4'],
    [30, 'cancel batches/b3'],
    [20, 'cancel batches/b2'],
    [10, 'cancel batches/b1'],
  ]);
});

it('takes a chunk back when there is money for most of its rows, and the others go again', async () => {
  const room = 8 * 23_000;
  const id = await pooled(10, { ms: 5 * HOUR, maxCost: 10 * 23_000 + room });
  await lane.send();
  const leaving = Math.floor(
    room / costOfLeaving(await callers.job(await callers.batch(id), 'row-0'), lane.deps.specs),
  );

  for (const secondsLeft of [leaving, leaving - 1]) {
    lane.test.clock.advance(began + 5 * HOUR - STANDARD_MS - secondsLeft * SECOND - lane.test.clock.now());
    await round(lane.deps);
  }

  const { rescued, counts, openEstimated } = await callers.totals(id);
  expect(leaving).toBeOneOf([5, 6, 7, 8, 9]);
  expect([rescued, counts.queued]).toEqual([leaving, 10]);
  expect(openEstimated).toBeLessThanOrEqual(18 * 23_000);
});

it('leaves rows with the provider that their batch has no money to make by themselves', async () => {
  const id = await pooled(3, { ms: 5 * HOUR, maxCost: 3 * ROW_COST });
  await lane.send();

  lane.test.clock.advance(5 * HOUR - 5 * MINUTE);
  await round(lane.deps);
  expect(lane.account.cancels()).toEqual([]);
  const image = await anImage('png', { side: 16 });
  const lines = imageLines(lane.account.keys(), image);
  lane.account.end('succeeded', lines);
  await lane.collect();

  expect(lane.account.made).toBe(1);
  expect((await callers.totals(id)).counts).toMatchObject({ succeeded: 3 });
});

it('takes rows back that a cheap channel can make by themselves for no more than the provider', async () => {
  lane.deps.specs = [aChannel(), aChannel({ id: 'cheap', lanes: ['standard'], price: { factor: 0.4 } })];
  const id = await pooled(3, { ms: 5 * HOUR, maxCost: 3 * ROW_COST });
  await lane.send();

  lane.test.clock.advance(5 * HOUR - 5 * MINUTE);
  await round(lane.deps);
  await round(lane.deps);

  expect(lane.account.cancels()).toHaveLength(1);
  const { rescued, openEstimated } = await callers.totals(id);
  const { request } = await callers.job(await callers.batch(id), 'row-0');
  expect([rescued, openEstimated]).toEqual([3, 3 * Math.round(0.4 * estimateCost(request, 'standard'))]);
});

it('sends rows that have not the money to leave, however many they are for the time left', async () => {
  const id = await pooled(20, { ms: 8 * HOUR, maxCost: 20 * 24_000 });
  const deps = withPlan({ rescueMsPerJob: HOUR });

  for (let n = 0; n < 5; n++) {
    await round(deps);
    lane.test.clock.advance(MINUTE);
  }

  expect([lane.account.made, lane.account.keys().length, lane.account.cancels()]).toEqual([1, 20, []]);
  expect((await callers.totals(id)).counts).toMatchObject({ running: 20 });
});

it.each(['own', 'batch’s'] as const)(
  'pushes nobody out for rows that their %s max_cost keeps in the lane',
  async (whose) => {
    const deps = withAllowance(withPlan({ rescueMsPerJob: MINUTE }), { slots: 0 });
    const expiresAt = began + 8 * HOUR;
    if (whose === 'batch’s') await pooled(600, { ms: 8 * HOUR, maxCost: 600 * 23_010 });
    else await lane.submit(600, { request: { maxCost: ROW_COST }, state: { expiresAt } });
    const ids = await lane.submit(20, { state: { expiresAt } });

    await planOnce(deps);

    const others = await Promise.all(ids.map((id) => lane.test.read(id)));
    expect(others.filter(({ state }) => state.route?.lane === 'standard')).toEqual([]);
    expect(await lane.pool.dueBy(MODEL, [expiresAt - 1, expiresAt])).toEqual([0, 20]);
  },
);

it('takes rows back whose batch has got the money for it', async () => {
  const id = await pooled(3, { ms: 5 * HOUR, maxCost: 3 * ROW_COST });
  await lane.send();
  await callers.change(id, { maxCost: 6 * ROW_COST });
  await callers.settle(id);

  for (let n = 0; n < 4; n++) {
    lane.test.clock.advance(n ? MINUTE : 5 * HOUR - STANDARD_MS - 2 * MINUTE);
    await renewRescues(lane.deps);
    await round(lane.deps);
  }

  expect(lane.account.cancels()).toEqual(['cancel batches/b1']);
  expect((await callers.totals(id)).rescued).toBe(3);
});

it('takes rows back for whom there is money once others have cost less than they were expected to', async () => {
  const id = await pooled(6, { ms: 5 * HOUR, maxCost: 6 * 23_000 + 40_000 });
  const deps = withPlan({ limits: { ...lane.deps.plan.limits, lines: 3 } });
  await round(deps);
  expect(lane.account.made).toBe(2);
  const lines = lane.account.keys(lane.account.batch(1)).map((key) => errorLine(key, 3, 'no'));
  const goOn = async (ms: number) => {
    lane.test.clock.advance(began + ms - lane.test.clock.now());
    await round(deps);
  };

  await goOn(5 * HOUR - STANDARD_MS - MINUTE);
  expect(lane.account.cancels()).toEqual([]);
  lane.account.end('succeeded', lines, lane.account.batch(1));
  await goOn(5 * HOUR - STANDARD_MS - 30 * SECOND);
  expect((await callers.totals(id)).counts).toMatchObject({ failed: 3, running: 3 });
  await goOn(5 * HOUR - STANDARD_MS - 3 * SECOND);
  await goOn(5 * HOUR - STANDARD_MS - 2 * SECOND);

  expect(lane.account.cancels()).toEqual(['cancel batches/b1']);
  expect((await callers.totals(id)).rescued).toBe(3);
});

it.each(['resumed', 'by itself'])(
  'leaves rows of a paused batch there, and takes them when it goes on: %s',
  async (how) => {
    const id = await pooled(3, { ms: 5 * HOUR });
    await lane.send();
    await callers.control(id, 'pause');
    lane.paused.add(id);
    const goOn = async (ms: number) => {
      lane.test.clock.advance(began + ms - lane.test.clock.now());
      await renewRescues(lane.deps);
      await round(lane.deps);
    };

    await goOn(5 * HOUR - STANDARD_MS - 2 * SECOND);
    await goOn(5 * HOUR - STANDARD_MS - 1 * SECOND);
    expect(lane.account.cancels()).toEqual([]);
    if (how === 'resumed') {
      await callers.control(id, 'resume');
      await callers.settle(id);
    }
    lane.paused.delete(id);
    await goOn(5 * HOUR - STANDARD_MS + (how === 'resumed' ? 0 : 5 * MINUTE));

    expect(lane.account.cancels()).toEqual(['cancel batches/b1']);
  },
);

it('charges no attempt for a chunk that was never sent', async () => {
  const limit = {
    type: 'rejected',
    code: 'upstream_rate_limited',
    retryable: true,
    limit: 'unknown',
    http: 429,
  } as const;
  lane.account.creates = Array.from({ length: 50 }, () => ({ type: 'rejected', verdict: limit }) as const);
  await lane.submit(1, { state: { expiresAt: began + 5 * HOUR } });
  await lane.send();

  lane.test.clock.advance(5 * HOUR - STANDARD_MS);
  await submitOnce(lane.deps);
  await collectOnce(lane.deps);

  const [job] = await lane.jobs();
  expect(job?.state.attempts).toMatchObject([{ state: 'rejected', error: 'upstream_unreachable' }]);
});
