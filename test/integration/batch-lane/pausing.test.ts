/** Jobs of a paused batch are put aside by the planner, and back in their places as soon as it goes on. */

import { createRedisPool } from '@darkroom/shared/storage/redis';
import { HOUR, SECOND } from '@darkroom/shared/testing/factories';
import { createPausedBatches, sweepBatch } from '@darkroom/shared/usecases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { openLane, type TestLane, withAllowance } from './lane.ts';
import { poolRows } from './pool-rows.ts';

const MODEL = 'gemini-3.1-flash-image';

let lane: TestLane;
let callers: TestBatches;
/** A planner that knows what is paused from the records, as a worker does. */
let deps: BatchDeps;
beforeEach(async () => {
  lane = await openLane();
  callers = await openTestBatches(lane.test);
  deps = anotherPlanner();
});
afterEach(() => lane[Symbol.asyncDispose]());

function anotherPlanner(): BatchDeps {
  const { clock } = lane.test;
  return { ...lane.unheld(), isPaused: createPausedBatches({ batches: callers.batches, clock }) };
}

/** A batch of `count` rows, all of them jobs in the pool. */
const pooled = (count: number, request = {}) =>
  poolRows(callers, count, { request, expiresAt: lane.test.clock.now() + 24 * HOUR });

/** Pauses it, and lets the planner meet its jobs. */
async function putAside(id: string): Promise<void> {
  await callers.control(id, 'pause');
  lane.test.clock.advance(SECOND);
  await planOnce(deps);
}

/** Longer than a worker keeps what it knows of pauses. */
const planLater = (planner = deps) => {
  lane.test.clock.advance(SECOND);
  return planOnce(planner);
};
const keys = async () =>
  (await lane.test.redis.keys(`${lane.test.prefix}{q:batch:*`)).map((key) => key.split('}:')[1]).toSorted();
const statusesOf = async (id: string) => (await callers.totals(id)).counts;

it('plans them in the round after the batch goes on, before anything else brings them back', async () => {
  const id = await pooled(3);
  await putAside(id);
  expect([await lane.pool.size(MODEL), await lane.pool.asides(MODEL)]).toEqual([0, [{ tenant: TENANT, id }]]);

  await callers.control(id, 'resume');

  expect(await planLater()).toBe(1);
  expect(await statusesOf(id)).toMatchObject({ queued: 0, running: 3 });
  expect(await keys()).toEqual([]);
});

it('loses none that come back while a planner still takes the batch for paused', async () => {
  const id = await pooled(3);
  await putAside(id);
  await planOnce(deps);

  await callers.control(id, 'resume');
  await sweepBatch({ ...callers.deps, outbox: deps.outbox }, TENANT, id);
  await deps.outbox.flush();
  expect(await lane.pool.size(MODEL)).toBe(3);
  expect(await planOnce(deps)).toBe(0);
  expect(await lane.pool.size(MODEL)).toBe(0);

  expect(await planLater()).toBe(1);
  expect(await statusesOf(id)).toMatchObject({ running: 3 });
});

it('keeps them out of the way of others, and in their order', async () => {
  const urgent = await pooled(2, { priority: 9 });
  await putAside(urgent);
  const plain = await pooled(2);

  expect(await planLater()).toBe(1);
  expect([await statusesOf(urgent), await statusesOf(plain)]).toMatchObject([{ queued: 2 }, { running: 2 }]);

  await pooled(2);
  await callers.control(urgent, 'resume');
  const plan = { ...deps.plan, limits: { ...deps.plan.limits, lines: 2 } };
  expect(await planLater(withAllowance({ ...deps, plan }, { slots: 2 }))).toBe(1);
  expect(await statusesOf(urgent)).toMatchObject({ running: 2 });
});

describe('a batch that ends while its jobs are aside', () => {
  it('leaves nothing behind when it is canceled', async () => {
    const id = await pooled(3);
    await putAside(id);

    await callers.control(id, 'cancel');
    await planLater();
    expect(await lane.pool.asides(MODEL)).toHaveLength(1); // Canceling: no job of it is to be begun.
    await callers.settle(id);
    await planLater();

    expect(await statusesOf(id)).toMatchObject({ canceled: 3 });
    expect([await lane.chunks(), await keys()]).toEqual([[], []]);
  });

  it('leaves nothing behind when its time is over', async () => {
    const id = await pooled(3);
    await putAside(id);

    lane.test.clock.advance(25 * HOUR);
    await callers.settle(id);
    await planLater();

    expect(await statusesOf(id)).toMatchObject({ expired: 3 });
    expect([await lane.chunks(), await keys()]).toEqual([[], []]);
  });
});

it('plans each job once when two planners disagree on what is paused', async () => {
  const id = await pooled(50);
  const other = anotherPlanner();
  for (let round = 0; round < 3; round++) {
    await callers.control(id, 'pause');
    lane.test.clock.advance(SECOND);
    await Promise.all([planOnce(deps), planOnce(other)]);
    await callers.control(id, 'resume');
    await Promise.all([planOnce(anotherPlanner()), planOnce(deps), planOnce(other)]);
  }

  await planLater();

  expect(await statusesOf(id)).toMatchObject({ queued: 0, running: 50 });
  const sealed = (await lane.chunks()).reduce((sum, { size }) => sum + size, 0);
  expect(sealed).toBe(50);
  await planLater(anotherPlanner());
  expect(await keys()).toEqual([]);
});

describe('the pool', () => {
  const never = new AbortController().signal;
  const batch = { tenant: TENANT, id: 'bat_1' };
  const members = (count: number) => Array.from({ length: count }, (_, n) => ({ tenant: TENANT, id: `job_${n}` }));
  const fill = (count: number, expiresAt = 5) =>
    lane.pool.add(
      members(count).map((member) => ({
        ...member,
        version: 1,
        model: MODEL,
        lane: 'batch',
        priority: 5,
        runAt: 0,
        expiresAt,
      })),
    );

  it('moves many members in steps, each with its place, and may be told twice', async () => {
    const pool = createRedisPool({ redis: lane.test.redis, prefix: lane.test.prefix });
    await fill(2_500);
    const before = await pool.peek(MODEL, 0, 2_500);

    await pool.putAside(MODEL, batch, members(2_500));
    await pool.putAside(MODEL, batch, members(2_500));
    expect([await pool.size(MODEL), await pool.models()]).toEqual([0, [MODEL]]);

    expect(await pool.bringBack(MODEL, batch, never)).toBe(2_500);
    expect(await pool.bringBack(MODEL, batch, never)).toBe(0);
    expect(await pool.peek(MODEL, 0, 2_500)).toEqual(before);
    expect(await keys()).toEqual(['pool']);
  });

  it('puts nobody aside who was taken out meanwhile', async () => {
    await fill(2);
    await lane.pool.remove(MODEL, members(2));

    await lane.pool.putAside(MODEL, batch, members(2));

    expect(await keys()).toEqual([]);
  });

  it('leaves those in their new place that came in while they were aside', async () => {
    await fill(1, 5);
    await lane.pool.putAside(MODEL, batch, members(1));
    await fill(1, 1);

    await lane.pool.bringBack(MODEL, batch, never);

    expect(await lane.pool.pressed(MODEL, 2, 0, 10)).toEqual(members(1));
  });
});
