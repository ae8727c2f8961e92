/** Jobs that would be late are taken back from the provider and made one by one: after its word, and never twice. */

import { rescheduled } from '@darkroom/shared/domain';
import { HOUR, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { openLane, type TestLane, withAllowance } from './lane.ts';

const MODEL = 'gemini-3.1-flash-image';

let lane: TestLane;
let image: Buffer;
beforeEach(async () => {
  lane = await openLane();
  image = await anImage('png', { side: 16 });
});
afterEach(() => lane[Symbol.asyncDispose]());

const routes = async () => (await lane.jobs()).map(({ state }) => state.route?.lane ?? 'batch');

it('cancels a batch that stays pending before the first deadline, and its jobs go on by themselves', async () => {
  const expiresAt = lane.test.clock.now() + 5 * HOUR;
  const ids = await lane.submit(3, { state: { expiresAt } });
  await lane.send();

  lane.test.clock.advance(4 * HOUR);
  await lane.collect();
  expect(lane.account.cancels()).toEqual([]);
  lane.test.clock.advance(40 * MINUTE);
  await lane.collect();
  expect(lane.account.calls).toContain('cancel batches/b1');
  expect(await lane.statuses()).toEqual({ running: 3 });
  await lane.collect();

  expect(await lane.statuses()).toEqual({ queued: 3 });
  expect(await routes()).toEqual(['standard', 'standard', 'standard']);
  expect((await lane.test.messages()).toSorted()).toEqual(ids.toSorted());
  expect(await lane.totals()).toMatchObject({ calls: 3, rejected: 3, actualCost: 0, inDoubt: 0 });
  const [job] = await lane.jobs();
  expect(job?.state.estimated).toBeGreaterThan(40_000);
  expect(await planOnce(lane.deps)).toBe(0);
});

it('harvests what a batch has made before it was canceled', async () => {
  await lane.submit(3, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();
  const keys = lane.account.keys();

  lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
  await lane.collect();
  lane.account.end('canceled', imageLines(keys.slice(0, 1), image));
  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 1, queued: 2 });
  expect((await routes()).toSorted()).toEqual(['batch', 'standard', 'standard']);
});

it('waits for the end of a batch that does not stop when it is told to', async () => {
  await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();
  const { channel } = lane.account;
  const cancel = channel.cancel.bind(channel);
  lane.account.channel.cancel = async () => ({ type: 'done' });

  lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
  await lane.collect();
  await lane.collect();
  expect(await lane.statuses()).toEqual({ running: 1 });
  await cancel('batches/b1', AbortSignal.timeout(1_000));
  await lane.collect();

  expect(await routes()).toEqual(['standard']);
});

it('takes a batch back after twenty hours, whatever the deadlines', async () => {
  await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 90 * HOUR } });
  await lane.send();

  lane.test.clock.advance(20 * HOUR);
  await lane.collect();
  await lane.collect();

  expect(await routes()).toEqual(['standard']);
});

it('sends jobs of a short and of a long deadline in chunks of their own, and takes back the one', async () => {
  await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 2 * HOUR } });
  await lane.submit(4, { state: { expiresAt: lane.test.clock.now() + 72 * HOUR } });
  await lane.send();

  lane.test.clock.advance(100 * MINUTE);
  await lane.collect();
  await lane.collect();

  expect(lane.account.calls.filter((call) => /cancel/.test(call))).toEqual(['cancel batches/b1']);
  expect(await routes()).toEqual(['standard', 'batch', 'batch', 'batch', 'batch']);
  expect(await lane.statuses()).toEqual({ queued: 1, running: 4 });
});

it('lets those members of a chunk that was taken back go again that have time left', async () => {
  await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.submit(4, { state: { expiresAt: lane.test.clock.now() + 15 * HOUR } });
  await lane.send();

  lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
  await lane.collect();
  await lane.collect();
  expect(await routes()).toEqual(['standard', 'batch', 'batch', 'batch', 'batch']);
  lane.test.clock.advance(MINUTE);
  await lane.send();

  expect([lane.account.made, lane.account.keys().length]).toEqual([2, 4]);
});

it('takes every chunk back early enough for the standard lane to make all that are due by then', async () => {
  const plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 5 } };
  const expiresAt = lane.test.clock.now() + 5 * HOUR;
  await lane.submit(20, { state: { expiresAt } });
  await lane.submit(5, { state: { expiresAt: expiresAt + 20 * MINUTE } });

  await planOnce({ ...lane.deps, plan });

  const leads = (await lane.chunks()).map(({ rescueAt }) => (expiresAt - 20 * MINUTE - rescueAt) / SECOND);
  expect(leads).toEqual([20, 20, 20, 20, -20 * 60 + 25]);
});

it('lets waiting jobs go one after the other while no chunk can be sent, so that the last is in time', async () => {
  const plan = { ...lane.deps.plan, rescueMsPerJob: MINUTE };
  const deps = withAllowance({ ...lane.deps, plan }, { slots: 0 });
  await lane.submit(32, { state: { expiresAt: lane.test.clock.now() + 2 * HOUR } });
  const left: number[] = [];

  for (let n = 0; n < 11; n++) {
    await planOnce(deps);
    left.push(await lane.pool.size(MODEL));
    lane.test.clock.advance(10 * MINUTE);
  }

  expect(left[0]).toBe(32);
  // What waits can always be made in the time that is left until a call must begin.
  expect(left.every((size, n) => size === 0 || size <= 100 - n * 10)).toBe(true);
  const steps = left.map((size, n) => (left[n - 1] ?? 32) - size);
  expect(Math.max(...steps)).toBeLessThanOrEqual(12);
  expect(left.at(-1)).toBe(0);
});

it('finds a late job behind a thousand that max_cost keeps in the batch lane', async () => {
  const expiresAt = lane.test.clock.now() + 15 * MINUTE;
  await lane.submit(1_005, { request: { maxCost: 30_000 }, state: { expiresAt } });
  const [late = ''] = await lane.submit(1, { state: { expiresAt: expiresAt + 1 } });

  await planOnce(withAllowance(lane.deps, { slots: 0 }));

  expect((await lane.test.read(late)).state.route?.lane).toBe('standard');
  expect(await lane.pool.pressed(MODEL, expiresAt + 1, 1_000, 100)).toHaveLength(5);
});

it.each(['failed', 'expired'] as const)('sends jobs on by themselves after two chunks that %s', async (end) => {
  await lane.submit(3);

  for (let n = 0; n < 2; n++) {
    expect(await routes()).toEqual(['batch', 'batch', 'batch']);
    await lane.send();
    lane.account.end(end);
    await lane.collect();
    lane.test.clock.advance(2 * MINUTE);
  }

  expect(await routes()).toEqual(['standard', 'standard', 'standard']);
});

it('leaves jobs in the batch lane that max_cost keeps there, and they go again', async () => {
  await lane.submit(1, { request: { maxCost: 30_000 }, state: { expiresAt: lane.test.clock.now() + 25 * HOUR } });
  await lane.send();

  lane.test.clock.advance(20 * HOUR);
  await lane.collect();
  await lane.collect();
  expect(await routes()).toEqual(['batch']);
  lane.test.clock.advance(MINUTE);
  await lane.send();

  expect(lane.account.made).toBe(2);
});

it('sends a waiting job on by itself when its time no longer suffices for a batch', async () => {
  const [id = ''] = await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 15 * MINUTE } });
  await lane.submit(1);

  await lane.send();
  await lane.deps.outbox.flush();

  expect(await routes()).toEqual(['standard', 'batch']);
  expect((await lane.test.read(id)).state.phase).toBeUndefined();
  expect(await lane.test.messages()).toEqual([id]);
  expect(lane.account.keys()).toHaveLength(1);
});

it('cuts no more chunks of a model of which three are stuck', async () => {
  const plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 1 } };
  const deps = { ...lane.deps, plan };
  await lane.submit(3);
  await planOnce(deps);
  await submitOnce(deps);
  await lane.submit(1);

  lane.test.clock.advance(7 * HOUR);
  expect(await planOnce(deps)).toBe(0);
  lane.account.end('succeeded', imageLines(lane.account.keys(lane.account.batch(0)), image), lane.account.batch(0));
  await lane.collect();

  expect(await planOnce(deps)).toBe(1);
});

it('cancels a batch that no caller waits for any more', async () => {
  const [first = '', second = ''] = await lane.submit(2);
  await lane.send();

  await lane.cancel(first);
  await lane.poll();
  expect(lane.account.cancels()).toEqual([]);
  await lane.cancel(second);
  await lane.collect();
  await lane.collect();

  expect(lane.account.calls).toContain('cancel batches/b1');
  expect(await lane.chunk()).toMatchObject({ state: 'closed', cancelFor: 'callers', end: { type: 'canceled' } });
  expect(await lane.statuses()).toEqual({ canceled: 2 });
  expect(await lane.totals()).toMatchObject({ calls: 2, rejected: 2, actualCost: 0 });
});

it('does not send a chunk whose time passed before it could be sent', async () => {
  const limit = {
    type: 'rejected',
    code: 'upstream_rate_limited',
    retryable: true,
    limit: 'unknown',
    http: 429,
  } as const;
  lane.account.creates = Array.from({ length: 50 }, () => ({ type: 'rejected', verdict: limit }) as const);
  await lane.submit(2, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();

  for (let n = 0; n < 6; n++) {
    lane.test.clock.advance(50 * MINUTE);
    await submitOnce(lane.deps);
    await collectOnce(lane.deps);
  }

  expect([lane.account.made, await routes()]).toEqual([0, ['standard', 'standard']]);
  await planOnce(lane.deps);
  expect(await lane.pool.size(MODEL)).toBe(0);
});

it('takes chunks that a limit keeps waiting back at their time, not when they may be sent again', async () => {
  const limit = {
    type: 'rejected',
    code: 'upstream_quota_exhausted',
    retryable: true,
    limit: 'day',
    retryAfterMs: 10 * HOUR,
    http: 429,
  } as const;
  lane.account.creates = [{ type: 'rejected', verdict: limit }];
  const expiresAt = lane.test.clock.now() + 5 * HOUR;
  await lane.submit(2, { state: { expiresAt } });
  await lane.send();
  await lane.submit(2, { state: { expiresAt: expiresAt + HOUR } });
  await lane.send();
  const rescueAt = (await lane.chunks()).map((chunk) => chunk.rescueAt);
  const at = async (time: number) => {
    lane.test.clock.advance(time - lane.test.clock.now());
    await submitOnce(lane.deps);
    await collectOnce(lane.deps);
    return routes();
  };

  expect(await at((rescueAt[0] ?? 0) - 1)).toEqual(['batch', 'batch', 'batch', 'batch']);
  expect(await at(rescueAt[0] ?? 0)).toEqual(['standard', 'standard', 'batch', 'batch']);
  // Those that went before it are no longer to be made: that gives it their time.
  expect(await at(rescueAt[1] ?? 0)).toEqual(['standard', 'standard', 'batch', 'batch']);
  expect(await at((rescueAt[1] ?? 0) + 2 * SECOND)).toEqual(['standard', 'standard', 'standard', 'standard']);
  expect(lane.account.calls.filter((call) => call === 'create').length).toBe(1);
});

it('looks at a waiting chunk when its members have less time than before, and does not send it for that', async () => {
  const limit = { type: 'rejected', code: 'upstream_rate_limited', retryable: true, limit: 'unknown' } as const;
  lane.account.creates = [{ type: 'rejected', verdict: { ...limit, http: 429, retryAfterMs: 10 * HOUR } }];
  const [id = ''] = await lane.submit(1, { state: { expiresAt: lane.test.clock.now() + 30 * HOUR } });
  await lane.send();
  const chunk = await lane.chunk();
  const now = lane.test.clock.now();

  const sooner = rescheduled(chunk, { rescueAt: now + HOUR });
  expect(sooner && (await lane.batches.write(sooner))).toBe(true);
  lane.test.clock.advance(HOUR);
  await submitOnce(lane.deps);
  await submitOnce(lane.deps);

  expect(await lane.chunk()).toMatchObject({ state: 'sealed', dueAt: chunk.refusedUntil });
  expect((await lane.test.read(id)).state.route).toBeUndefined();
});

it('gives jobs up as in doubt whose results cannot be fetched in time, and keeps the images that come later', async () => {
  await lane.submit(2, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();
  const keys = lane.account.keys();
  lane.account.broken.download = Array.from({ length: 40 }, () => ({ type: 'unknown', reason: '503' }) as const);
  lane.account.end('succeeded', imageLines(keys, image));
  await lane.collect();

  for (let n = 0; n < 30; n++) {
    lane.test.clock.advance(10 * MINUTE);
    await collectOnce(lane.deps);
  }
  expect(await routes()).toEqual(['standard', 'standard']);
  expect(await lane.totals()).toMatchObject({ inDoubt: 2, settled: 0 });
  lane.account.broken.download = [];
  lane.test.clock.advance(10 * MINUTE);
  await collectOnce(lane.deps);

  expect(await lane.totals()).toMatchObject({ inDoubt: 0, settled: 2, inDoubtCost: 0 });
  expect((await lane.jobs()).every(({ state }) => [...state.images, ...state.lateImages].length === 1)).toBe(true);
});

it('closes a chunk whose results could not be had for as long as the provider keeps them', async () => {
  await lane.submit(2);
  await lane.send();
  lane.account.broken.download = Array.from({ length: 600 }, () => ({ type: 'unknown', reason: '503' }) as const);
  lane.account.end('succeeded', imageLines(lane.account.keys(), image));
  await lane.collect();

  for (let hour = 0; hour < 51; hour++) {
    lane.test.clock.advance(HOUR);
    await collectOnce(lane.deps);
  }
  expect((await lane.chunk()).state).toBe('ended');
  lane.test.clock.advance(HOUR);
  await collectOnce(lane.deps);

  expect((await lane.chunk()).state).toBe('closed');
  expect(await lane.totals()).toMatchObject({ inDoubt: 2 });
});
