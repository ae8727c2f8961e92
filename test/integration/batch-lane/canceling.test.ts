/** A provider batch that is to be canceled: by a call that may fail, have no effect, or work without anybody hearing of it. */

import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import type { Account } from './account.ts';
import { openLane, type TestLane } from './lane.ts';

let lane: TestLane;
let account: Account;
beforeEach(async () => {
  lane = await openLane();
  ({ account } = lane);
});
afterEach(() => lane[Symbol.asyncDispose]());

const cancels = () => account.cancels().length;
const routes = async () => (await lane.jobs()).map(({ state }) => state.route?.lane ?? 'batch');

/** Two jobs in a batch that runs, and whose time is up. */
async function runOutOfTime(): Promise<void> {
  await lane.submit(2, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();
  account.batch().state = 'BATCH_STATE_RUNNING';
  await lane.poll();
  account.batch().stats = { total: 2, succeeded: 0, failed: 0 };
  lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
}

it.each(['has its answer lost', 'is the last thing its process does'])(
  'is known as ours when the call works and %s',
  async (how) => {
    await runOutOfTime();
    const { channel } = account;
    const cancel = channel.cancel.bind(channel);
    channel.cancel = async (...call) => {
      await cancel(...call);
      if (how === 'has its answer lost') return { type: 'unknown', reason: 'timeout' };
      throw new Error('killed');
    };

    await createPoller(lane.deps).once();
    await lane.collect();

    expect(await lane.chunk()).toMatchObject({ state: 'closed', end: { type: 'canceled' }, cancelFor: 'rescue' });
    expect(await routes()).toEqual(['standard', 'standard']);
    expect(await lane.totals()).toMatchObject({ calls: 2, rejected: 2, inDoubt: 0 });
  },
);

it('holds up no other by a call that hangs', async () => {
  const lines = { ...lane.deps.plan.limits, lines: 1 };
  await lane.submit(3, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await planOnce({ ...lane.deps, plan: { ...lane.deps.plan, limits: lines } });
  await submitOnce(lane.deps);
  lane.test.clock.advance(5 * HOUR);
  const hanging = Promise.withResolvers<{ type: 'unknown'; reason: string }>();
  account.channel.cancel = async (name) => {
    account.calls.push(`cancel ${name}`);
    return hanging.promise;
  };

  const polled = lane.poller.once();

  await vi.waitFor(() => expect(cancels()).toBe(3));
  hanging.resolve({ type: 'unknown', reason: 'timeout' });
  await polled;
});

it('is on record before the call, and not called by who is not the first to write it', async () => {
  await runOutOfTime();
  const late = { ...lane.deps.batches, write: async () => false };

  await createPoller({ ...lane.deps, batches: late }).once();
  expect(cancels()).toBe(0);
  let known: number | undefined;
  account.channel.cancel = async () => {
    known = (await lane.chunk()).cancelAskedAt;
    return { type: 'done' };
  };
  await lane.poller.once();

  expect(known).toBe(lane.test.clock.now());
});

it('is asked for again while it goes on, first in a minute and then every ten', async () => {
  await runOutOfTime();
  const startedAt = lane.test.clock.now();
  const minutes: number[] = [];
  account.channel.cancel = async () => {
    minutes.push((lane.test.clock.now() - startedAt) / MINUTE);
    return minutes.length < 2 ? { type: 'unknown', reason: '503' } : { type: 'done' };
  };

  await createPoller(lane.deps).once();
  for (let minute = 0; minute < 40; minute++) await lane.poll();

  expect(minutes).toEqual([0, 1, 2, 4, 8, 16, 26, 36]);
  expect(await lane.chunk()).toMatchObject({ state: 'submitted', cancelFor: 'rescue', cancelAskedAt: startedAt });
});
