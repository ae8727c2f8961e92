/** From the pool to one batch at the provider, whatever happens to the call that makes it. */

import { HOUR, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { anImage } from '../../support/run-job.ts';
import { type Account, imageLines } from './account.ts';
import { openLane, type TestLane, withAllowance } from './lane.ts';

const MODEL = 'gemini-3.1-flash-image';

let lane: TestLane;
let account: Account;
let image: Buffer;
beforeEach(async () => {
  lane = await openLane();
  ({ account } = lane);
  image = await anImage('png', { side: 16 });
});
afterEach(() => lane[Symbol.asyncDispose]());

const creates = () => account.calls.filter((call) => call === 'create').length;
const finish = async (n?: number) => {
  account.end('succeeded', imageLines(account.keys(account.batch(n)), image), account.batch(n));
  await lane.collect();
};

describe('a create call', () => {
  it('whose answer is lost is found by a list and not made again', async () => {
    account.creates = ['lost'];
    await lane.submit(2);

    await lane.send();
    expect((await lane.chunk()).state).toBe('creating');
    await lane.poll();

    expect(await lane.chunk()).toMatchObject({ state: 'submitted', providerName: 'batches/b1' });
    await finish();
    expect([await lane.statuses(), creates(), account.made]).toEqual([{ succeeded: 2 }, 1, 1]);
  });

  it('that had no effect is made again once, after lists have shown nothing for ten minutes', async () => {
    account.creates = ['lost_unmade'];
    await lane.submit(2);
    await lane.send();

    for (let minute = 0; minute < 9; minute++) await lane.poll();
    expect(creates()).toBe(1);
    await lane.poll();
    await lane.poll();

    expect([creates(), account.made]).toEqual([2, 1]);
    expect((await lane.chunk()).alarms).toEqual(['created again: no list showed it (1)']);
    await finish();
    expect(await lane.statuses()).toEqual({ succeeded: 2 });
  });

  it('is not made again while lists lag by a minute', async () => {
    account.creates = ['lost'];
    account.lagMs = MINUTE;
    await lane.submit(2);
    await lane.send();

    for (let minute = 0; minute < 15; minute++) await lane.poll();

    expect([creates(), account.made, (await lane.chunk()).state]).toEqual([1, 1, 'submitted']);
  });

  it.each([
    ['half an hour behind ours', 30 * MINUTE],
    ['hours behind ours', 20 * HOUR],
  ])('is not made again by a provider whose clock is %s', async (_, behindMs) => {
    account.creates = ['lost'];
    await lane.submit(2);
    await lane.send();
    account.batch().createdAt -= behindMs;

    for (let minute = 0; minute < 30; minute++) await lane.poll();

    expect([creates(), account.made, (await lane.chunk()).state]).toEqual([1, 1, 'submitted']);
  });

  it('counts its time from the call when no list tells when it was made', async () => {
    account.creates = ['lost'];
    await lane.submit(2);
    await lane.send();
    account.batch().createdAt = 0;
    const calledAt = (await lane.chunk()).creates[0]?.at;

    for (let minute = 0; minute < 3; minute++) await lane.poll();

    expect(await lane.chunk()).toMatchObject({ state: 'submitted', submittedAt: calledAt });
    expect(account.cancels()).toEqual([]);
  });

  it('that is refused by a limit keeps all chunks of its model waiting, for minutes', async () => {
    const limit = {
      type: 'rejected',
      code: 'upstream_rate_limited',
      retryable: true,
      limit: 'unknown',
      http: 429,
    } as const;
    account.creates = [{ type: 'rejected', verdict: limit }];
    await lane.submit(2);
    await lane.send();
    await lane.submit(2);
    await lane.send();
    expect((await lane.chunks()).map(({ state }) => state)).toEqual(['sealed', 'sealed']);
    expect(creates()).toBe(1);

    lane.test.clock.advance(3 * MINUTE);
    await submitOnce(lane.deps);
    expect(creates()).toBe(1);
    lane.test.clock.advance(20 * MINUTE);
    await submitOnce(lane.deps);
    await submitOnce(lane.deps);

    expect([creates(), account.made]).toEqual([3, 2]);
    expect(account.calls.filter((call) => call === 'upload').length).toBe(2);
  });

  it.each(['upstream_rejected', 'upstream_quota_exhausted'] as const)(
    'that is refused for good (%s) sends the jobs on by themselves, and ends those that may not go',
    async (code) => {
      const verdict = { type: 'rejected', code, retryable: false, http: 429 } as const;
      account.creates = [1, 2].map(() => ({ type: 'rejected', verdict }));
      const going = await lane.submit(2);
      const [poor = ''] = await lane.submit(1, { request: { maxCost: 30_000 } });

      await lane.send();
      await collectOnce(lane.deps);
      // What the account itself refuses it is not asked again at once.
      lane.test.clock.advance(HOUR);
      await submitOnce(lane.deps);
      await collectOnce(lane.deps);

      expect(await lane.totals()).toMatchObject({ rejected: 3, inDoubt: 0, actualCost: 0 });
      const states = await Promise.all(going.map(async (id) => (await lane.test.read(id)).state));
      expect(states.map(({ status, route }) => [status, route?.lane])).toEqual([
        ['queued', 'standard'],
        ['queued', 'standard'],
      ]);
      expect((await lane.test.read(poor)).state).toMatchObject({ status: 'failed', error: { code } });
    },
  );

  it('is made by one of five workers', async () => {
    await lane.submit(3);

    await Promise.all([1, 2, 3, 4, 5].map(() => planOnce(lane.unheld())));
    await Promise.all([1, 2, 3, 4, 5].map(() => submitOnce(lane.unheld())));
    await Promise.all([1, 2, 3, 4, 5].map(() => submitOnce(lane.unheld())));

    const chunks = await lane.chunks();
    const sent = chunks.filter(({ state }) => state === 'submitted');
    expect(creates()).toBe(sent.length);
    expect(sent.reduce((sum, { size }) => sum + size, 0)).toBe(3);
    const keys = account.batches.flatMap((batch) => account.keys(batch));
    expect([keys.length, new Set(keys).size]).toEqual([3, 3]);
    expect((await lane.jobs()).every(({ state }) => state.attempts.length === 1)).toBe(true);
  });

  it('again is made by one of five pollers', async () => {
    account.creates = ['lost_unmade'];
    await lane.submit(2);
    await lane.send();
    const pollers = [1, 2, 3, 4, 5].map(() => createPoller(lane.unheld()));

    for (let minute = 0; minute < 12; minute++) {
      lane.test.clock.advance(MINUTE);
      await Promise.all(pollers.map((poller) => poller.once()));
    }

    expect([creates(), account.made]).toEqual([2, 1]);
  });
});

it('is patient with lists that fail, and takes nothing from them', async () => {
  account.creates = ['lost_unmade'];
  await lane.submit(1);
  await lane.send();
  account.broken.list = Array.from({ length: 3 }, () => ({ type: 'unknown', reason: 'timeout' }) as const);

  for (let minute = 0; minute < 4; minute++) await lane.poll();

  expect((await lane.chunk()).creates[0]?.emptyLists).toBe(1);
});

it('gives up a batch that the provider no longer knows, as in doubt', async () => {
  await lane.submit(2);
  await lane.send();
  account.batches.length = 0;

  for (let minute = 0; minute < 20; minute++) await lane.poll();
  expect((await lane.chunk()).state).toBe('submitted');
  lane.test.clock.advance(HOUR);
  await lane.collect();

  expect(await lane.chunk()).toMatchObject({ state: 'closed', end: { type: 'lost' } });
  expect(await lane.totals()).toMatchObject({ calls: 2, inDoubt: 2 });
});

describe('a chunk', () => {
  it('waits for more jobs, and goes without them when the first has waited long enough', async () => {
    const deps = { ...lane.deps, plan: { ...lane.deps.plan, gatherMs: MINUTE } };
    await lane.submit(2);

    expect(await planOnce(deps)).toBe(0);
    lane.test.clock.advance(30 * SECOND);
    await lane.submit(1);
    expect(await planOnce(deps)).toBe(0);
    lane.test.clock.advance(31 * SECOND);

    expect(await planOnce(deps)).toBe(1);
    expect((await lane.chunk()).size).toBe(3);
  });

  it('goes at once when it is full, the urgent and the pressed first', async () => {
    const plan = { ...lane.deps.plan, gatherMs: HOUR, limits: { ...lane.deps.plan.limits, lines: 2 } };
    const now = lane.test.clock.now();
    const [late = ''] = await lane.submit(1, { state: { expiresAt: now + 20 * HOUR } });
    const [soon = ''] = await lane.submit(1, { state: { expiresAt: now + 9 * HOUR } });
    const [urgent = ''] = await lane.submit(1, { request: { priority: 9 } });

    expect(await planOnce({ ...lane.deps, plan })).toBe(1);

    expect((await lane.batches.members((await lane.chunk()).id)).map(({ job }) => job)).toEqual([urgent, soon]);
    expect((await lane.test.read(late)).state.status).toBe('queued');
  });

  it('is not cut beyond the slots and the tokens of the account', async () => {
    const plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 1 } };
    await lane.submit(4);

    expect(await planOnce(withAllowance({ ...lane.deps, plan }, { slots: 2 }))).toBe(2);
    expect(await planOnce(withAllowance({ ...lane.deps, plan }, { enqueuedTokens: 1 }))).toBe(0);
    expect(await planOnce({ ...lane.deps, plan })).toBe(2);
  });

  it('holds no job of a paused batch', async () => {
    await lane.submit(1, { request: { batch: { id: 'bat_paused', key: 'a' } } });
    await lane.submit(1, { request: { batch: { id: 'bat_other', key: 'a' } } });
    lane.paused.add('bat_paused');

    await lane.send();

    expect((await lane.jobs()).map(({ state }) => state.status)).toEqual(['queued', 'running']);
  });

  it('leaves out jobs that went on meanwhile, and is closed when nobody is left', async () => {
    const [gone = '', stays = ''] = await lane.submit(2);
    const before = { ...lane.deps, ledger: { ...lane.deps.ledger } };
    const write = lane.deps.ledger.write.bind(lane.deps.ledger);
    before.ledger.write = async (change, ...how) => {
      if (change.after.id === gone) {
        before.ledger.write = write;
        await lane.cancel(gone);
      }
      return write(change, ...how);
    };

    await planOnce(before);

    expect(await lane.chunk()).toMatchObject({ state: 'sealed', size: 1 });
    expect((await lane.batches.members((await lane.chunk()).id)).map(({ job }) => job)).toEqual([stays]);
    await lane.cancel(stays);
    await submitOnce(lane.deps);
    await collectOnce(lane.deps);
    expect([(await lane.chunk()).state, creates()]).toEqual(['closed', 0]);
  });

  it('loses a job whose reference is gone, and only that one', async () => {
    const reference = { key: 'assets/none', sha256: 'ab', mime: 'image/png', bytes: 1, width: 1, height: 1 } as const;
    await lane.submit(1, { request: { references: [reference] } });
    await lane.submit(1);

    await lane.send();

    expect(await lane.statuses()).toEqual({ failed: 1, running: 1 });
    expect(account.keys()).toHaveLength(1);
    await finish();
    expect(await lane.statuses()).toEqual({ failed: 1, succeeded: 1 });
    expect(await lane.pool.size(MODEL)).toBe(0);
  });
});

describe('a chunk that is sealed when its batch is paused', () => {
  const row = { request: { batch: { id: 'bat_1', key: 'k' } } };

  it('is not sent before that goes on', async () => {
    await lane.submit(2, row);
    await planOnce(lane.deps);
    lane.paused.add('bat_1');

    await submitOnce(lane.deps);
    expect([account.calls, (await lane.chunk()).state]).toEqual([[], 'sealed']);
    lane.paused.delete('bat_1');
    lane.test.clock.advance(MINUTE);
    await submitOnce(lane.deps);

    expect(account.made).toBe(1);
  });

  it('is sent for the sake of the others in it', async () => {
    await lane.submit(2, row);
    await lane.submit(1);
    await planOnce(lane.deps);
    lane.paused.add('bat_1');

    await submitOnce(lane.deps);

    expect(account.made).toBe(1);
  });
});
