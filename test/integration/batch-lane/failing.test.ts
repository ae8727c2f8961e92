/** Chunks that end at the provider without a result: their jobs go again, and not for ever. */

import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openLane, type TestLane } from './lane.ts';

let lane: TestLane;
beforeEach(async () => {
  lane = await openLane();
});
afterEach(() => lane[Symbol.asyncDispose]());

/** One more chunk, as soon as there may be one, that comes to nothing. */
async function fail(end: 'failed' | 'expired' | 'canceled'): Promise<void> {
  await lane.send();
  lane.account.end(end);
  await lane.collect();
}

const POOR = { request: { maxCost: 30_000 } };

it.each(['failed', 'expired'] as const)('fail a job after three that %s when max_cost forbids a call', async (end) => {
  await lane.submit(2, POOR);

  for (const minutes of [1, 2]) {
    await fail(end);
    expect(await lane.statuses()).toEqual({ queued: 2 });
    lane.test.clock.advance(minutes * MINUTE);
  }
  await fail(end);

  const [job] = await lane.jobs();
  expect(job?.state).toMatchObject({ status: 'failed', error: { code: 'max_cost_exceeded' } });
  expect(job?.state.error?.detail).toMatch(/^3 provider batches failed or expired without it, and max_cost/);
  expect(await lane.statuses()).toEqual({ failed: 2 });
  expect(await lane.totals()).toMatchObject({ calls: 6, rejected: 6, actualCost: 0, inDoubt: 0 });
  expect(await lane.chunks()).toHaveLength(3);
});

it('make their jobs wait, each time twice as long', async () => {
  await lane.submit(1, POOR);
  const wait = async () => {
    const [job] = await lane.jobs();
    return (job?.state.runAt ?? 0) - lane.test.clock.now();
  };

  await fail('failed');
  expect(await wait()).toBe(MINUTE);
  lane.test.clock.advance(MINUTE - 1);
  await lane.send();
  expect(lane.account.made).toBe(1);
  lane.test.clock.advance(1);
  await fail('failed');

  expect([lane.account.made, await wait()]).toEqual([2, 2 * MINUTE]);
});

it('count apart from those that were canceled', async () => {
  await lane.submit(1, { ...POOR, state: { expiresAt: lane.test.clock.now() + 24 * HOUR } });

  for (const end of ['canceled', 'canceled', 'failed', 'canceled', 'expired'] as const) {
    await fail(end);
    lane.test.clock.advance(4 * MINUTE);
  }
  expect(await lane.statuses()).toEqual({ queued: 1 });
  await fail('failed');

  expect(await lane.statuses()).toEqual({ failed: 1 });
});

it('hand on the twins of a job that they fail', async () => {
  const [leader = ''] = await lane.submit(1, POOR);
  const { expiresAt } = (await lane.test.read(leader)).state;
  const follower = { fingerprint: `fp-${leader}`, state: { leader, expiresAt } };
  const twin = await lane.test.admit('job_twin', follower, { type: 'join', leader });

  for (let n = 0; n < 3; n++) {
    await fail('failed');
    lane.test.clock.advance(2 * MINUTE);
  }

  expect((await lane.test.read(leader)).state.status).toBe('failed');
  const { state } = await lane.test.read(twin.id);
  expect([state.status, state.leader]).toEqual(['queued', undefined]);
});
