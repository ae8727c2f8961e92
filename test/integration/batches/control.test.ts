import { HOUR, imageEnd } from '@darkroom/shared/testing/factories';
import {
  createPausedBatches,
  findRowJob,
  jobsOfRows,
  loadBatch,
  sweepBatch,
  updateJob,
} from '@darkroom/shared/usecases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aRow, openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { beginJob, settleJob } from '../../support/run-job.ts';

let test: TestBatches;
beforeEach(async () => {
  test = await openTestBatches();
});
afterEach(() => test[Symbol.asyncDispose]());

const rows = (count: number) => Array.from({ length: count }, () => ({}));

/** A batch of `count` rows, all of them jobs. */
async function loaded(count: number, facts = {}) {
  const batch = await test.accept(rows(count), facts);
  await test.settle(batch.id);
  return batch;
}

describe('pause', () => {
  it('stops the loader, and is told to workers within a second', async () => {
    const batch = await test.accept(rows(10), {}, 5);
    const isPaused = createPausedBatches({ batches: test.batches, clock: test.clock });
    await loadBatch(test.deps, TENANT, batch.id);
    expect(await isPaused(TENANT, batch.id)).toBe(false);

    await test.control(batch.id, 'pause');
    await test.control(batch.id, 'pause');

    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', pausedBy: 'caller', loaded: 5 });
    test.clock.advance(1_000);
    expect(await isPaused(TENANT, batch.id)).toBe(true);
  });

  it('ends with resume, which brings the jobs back to their workers', async () => {
    const batch = await loaded(3);
    await test.control(batch.id, 'pause');
    await test.loseMessages();

    await test.control(batch.id, 'resume');

    expect(await test.settle(batch.id)).toMatchObject({ status: 'queued' });
    expect((await test.messages()).length).toBe(3);
    expect((await test.batches.paused(TENANT)).size).toBe(0);
  });

  it('does not keep what is running from ending', async () => {
    const batch = await loaded(1);
    const job = await test.job(batch, 'row-0');
    const attempt = await beginJob(test.deps, job.id);
    await test.control(batch.id, 'pause');

    await settleJob(test.deps, job.id, attempt, imageEnd());

    expect(await test.settle(batch.id)).toMatchObject({ status: 'completed' });
  });
});

describe('cancel', () => {
  it('ends every job, and counts the rows that never became one', async () => {
    const batch = await test.accept(rows(10), {}, 4);
    await loadBatch(test.deps, TENANT, batch.id);
    await test.succeed((await test.job(batch, 'row-0')).id);

    await test.control(batch.id, 'cancel');
    await test.control(batch.id, 'cancel');

    expect(await test.settle(batch.id)).toMatchObject({ status: 'canceled', dropped: { status: 'canceled', rows: 6 } });
    expect((await test.totals(batch.id)).counts).toMatchObject({ succeeded: 1, canceled: 9, queued: 0 });
    expect((await test.told()).at(-1)).toBe('batch.canceled');
    expect(await test.job(batch, 'row-1')).toMatchObject({ state: { status: 'canceled' } });
  });

  it('is done to the end by whoever comes after one that died in the middle', async () => {
    const batch = await loaded(450);
    await test.control(batch.id, 'cancel');
    await sweepBatch(test.deps, TENANT, batch.id);
    expect(await test.batch(batch.id)).toMatchObject({ status: 'canceling', sweep: { action: 'cancel', row: 200 } });
    const dies = { ...test.batches, write: () => Promise.reject(new Error('dead')) };
    await expect(sweepBatch({ ...test.deps, batches: dies }, TENANT, batch.id)).rejects.toThrow('dead');
    expect((await test.totals(batch.id)).counts).toMatchObject({ canceled: 400, queued: 50 });

    expect(await test.settle(batch.id)).toMatchObject({ status: 'canceled' });

    expect((await test.totals(batch.id)).counts).toMatchObject({ canceled: 450, queued: 0 });
  });

  it('leaves an open call to come to its end, and its cost is counted', async () => {
    const batch = await loaded(1);
    const job = await test.job(batch, 'row-0');
    const attempt = await beginJob(test.deps, job.id);
    await test.control(batch.id, 'cancel');
    await test.settle(batch.id);

    await settleJob(test.deps, job.id, attempt, imageEnd());

    expect(await test.totals(batch.id)).toMatchObject({ counts: { canceled: 1 }, costs: { actual: 36_100 } });
  });

  it('is refused once the batch is completed', async () => {
    const batch = await loaded(1);
    await test.succeed((await test.job(batch, 'row-0')).id);
    await test.settle(batch.id);

    await expect(test.control(batch.id, 'cancel')).rejects.toMatchObject({ code: 'conflict' });
    await expect(test.control(batch.id, 'pause')).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('the deadline', () => {
  it('expires what is open, and the batch with it when nothing came to an end', async () => {
    const batch = await test.accept(rows(6), {}, 3);
    await loadBatch(test.deps, TENANT, batch.id);
    test.clock.advance(HOUR);

    expect(await test.settle(batch.id)).toMatchObject({ status: 'expired', dropped: { status: 'expired', rows: 3 } });
    expect((await test.totals(batch.id)).counts).toMatchObject({ expired: 6, queued: 0 });
  });

  it('completes a batch of which something came to an end', async () => {
    const batch = await loaded(2);
    await test.succeed((await test.job(batch, 'row-0')).id);
    test.clock.advance(HOUR);

    expect(await test.settle(batch.id)).toMatchObject({ status: 'completed' });
    expect((await test.totals(batch.id)).counts).toMatchObject({ expired: 1, succeeded: 1 });
  });

  it('ends a paused batch too', async () => {
    const batch = await loaded(2);
    await test.control(batch.id, 'pause');
    test.clock.advance(HOUR);

    expect(await test.settle(batch.id)).toMatchObject({ status: 'expired' });
  });
});

describe('retry-failed', () => {
  it('makes the rows that failed or expired again, and no others', async () => {
    const batch = await test.accept(rows(6), {}, 4);
    await loadBatch(test.deps, TENANT, batch.id);
    const first = await Promise.all([0, 1, 2, 3].map((n) => test.job(batch, `row-${n}`)));
    await test.fail(first[0]?.id ?? '');
    await test.succeed(first[1]?.id ?? '');
    await updateJob(test.ledger, TENANT, first[2]?.id ?? '', (job) => ({
      before: job,
      after: { ...job, version: job.version + 1, state: { ...job.state, status: 'blocked' } },
      events: [],
      at: test.clock.now(),
    }));
    test.clock.advance(HOUR);
    const ended = { succeeded: 1, failed: 1, blocked: 1, expired: 3, queued: 0 };
    expect(await test.settle(batch.id)).toMatchObject({ status: 'completed' });
    expect((await test.totals(batch.id)).counts).toMatchObject(ended);

    await test.control(batch.id, 'retry-failed');

    const again = await test.settle(batch.id);
    expect(again).toMatchObject({ status: 'running', generation: 1, expiresAt: test.clock.now() + HOUR });
    const open = { succeeded: 1, failed: 0, blocked: 1, expired: 0, queued: 4 };
    expect((await test.totals(batch.id)).counts).toMatchObject(open);
    expect(await test.batches.generations(again, 0, 6)).toEqual([1, 0, 0, 1, 1, 1]);
    for (const key of ['row-0', 'row-3', 'row-4', 'row-5']) await test.succeed((await test.job(batch, key, 1)).id);
    expect(await test.settle(batch.id)).toMatchObject({ status: 'completed' });
    expect((await test.totals(batch.id)).counts).toMatchObject({ succeeded: 5, blocked: 1, queued: 0 });
    expect((await test.totals(batch.id)).costs).toEqual({ actual: 5 * 36_100, inDoubt: 0 });
  });

  it('is refused while nothing failed, and changes nothing', async () => {
    const batch = await loaded(1);
    await test.succeed((await test.job(batch, 'row-0')).id);
    const before = await test.settle(batch.id);

    await expect(test.control(batch.id, 'retry-failed')).rejects.toMatchObject({ code: 'conflict', retryable: false });

    expect(await test.batch(batch.id)).toEqual(before);
  });

  it('does not pay again for an image that came late, nor for one on its way', async () => {
    const batch = await loaded(3);
    const [late = '', out = ''] = (await Promise.all([0, 1].map((n) => test.job(batch, `row-${n}`)))).map(
      ({ id }) => id,
    );
    const calls = [await beginJob(test.deps, late), await beginJob(test.deps, out)];
    test.clock.advance(2 * HOUR);
    await test.settle(batch.id);
    await settleJob(test.deps, late, calls[0] ?? '', imageEnd());
    const retry = async () => {
      await test.control(batch.id, 'retry-failed');
      return test.batches.generations(await test.settle(batch.id), 0, 3);
    };

    expect(await retry()).toEqual([0, 0, 1]);
    // Whatever came of the call: nothing was made, and nothing is on its way any more.
    await settleJob(test.deps, out, calls[1] ?? '', { type: 'unsent', reason: 'reaped', ms: 1 });
    expect(await retry()).toEqual([0, 2, 1]);
  });

  it('finds a row by its newest job, in order and by key', async () => {
    const batch = await loaded(3);
    await test.fail((await test.job(batch, 'row-1')).id);
    await test.control(batch.id, 'retry-failed');
    const now = await test.settle(batch.id);

    const jobs = await jobsOfRows(
      test.deps,
      now,
      [0, 1, 2].map((n) => aRow(n, 'standard')),
    );

    expect(jobs.map((job) => job?.state.status)).toEqual(['queued', 'queued', 'queued']);
    expect(jobs[1]?.id).toBe((await test.job(now, 'row-1', 1)).id);
    expect((await findRowJob(test.deps, now, 'row-1'))?.id).toBe(jobs[1]?.id);
    expect(await findRowJob(test.deps, now, 'row-9')).toBeUndefined();
  });

  it('is done to the end by whoever comes after one that died in the middle', async () => {
    const batch = await loaded(3);
    for (const key of ['row-0', 'row-1', 'row-2']) await test.fail((await test.job(batch, key)).id);
    await test.settle(batch.id);
    await test.control(batch.id, 'retry-failed');
    const dies = { ...test.batches, write: () => Promise.reject(new Error('dead')) };
    await expect(sweepBatch({ ...test.deps, batches: dies }, TENANT, batch.id)).rejects.toThrow('dead');

    await test.settle(batch.id);

    expect(await test.totals(batch.id)).toMatchObject({ counts: { queued: 3, failed: 0 }, made: 6 });
  });

  it('stops where max_cost would be passed, and goes on when there is more', async () => {
    const batch = await loaded(3, { maxCost: 120_000 });
    await test.succeed((await test.job(batch, 'row-0')).id);
    await test.change(batch.id, { maxCost: 72_000 });
    for (const key of ['row-1', 'row-2']) await test.fail((await test.job(batch, key)).id);
    await test.settle(batch.id);

    await test.control(batch.id, 'retry-failed');

    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', pausedBy: 'max_cost' });
    expect((await test.totals(batch.id)).counts).toMatchObject({ queued: 1, failed: 1 });
    await test.change(batch.id, { maxCost: 200_000 });
    expect(await test.settle(batch.id)).toMatchObject({ status: 'running' });
    expect((await test.totals(batch.id)).counts).toMatchObject({ queued: 2, failed: 0 });
  });
});

describe('a patch', () => {
  it('of max_cost below what open jobs will cost lets none of them begin until there is more', async () => {
    const batch = await loaded(4);
    const isPaused = createPausedBatches({ batches: test.batches, clock: test.clock });
    const running = await beginJob(test.deps, (await test.job(batch, 'row-0')).id);

    await test.change(batch.id, { maxCost: 60_000 });

    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', pausedBy: 'max_cost' });
    test.clock.advance(1_000);
    expect(await isPaused(TENANT, batch.id)).toBe(true);
    await settleJob(test.deps, (await test.job(batch, 'row-0')).id, running, imageEnd());
    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused' });
    await test.control(batch.id, 'resume');
    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', pausedBy: 'max_cost' });

    await test.change(batch.id, { maxCost: 1_000_000 });

    expect(await test.settle(batch.id)).toMatchObject({ status: 'running' });
    test.clock.advance(1_000);
    expect(await isPaused(TENANT, batch.id)).toBe(false);
  });

  it('of max_cost is kept to until the jobs that ended leave room for the others', async () => {
    const batch = await loaded(3);
    await test.change(batch.id, { maxCost: 90_000 });
    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', overCap: true });

    await test.fail((await test.job(batch, 'row-0')).id);

    expect(await test.settle(batch.id)).not.toHaveProperty('overCap');
    expect((await test.batches.paused(TENANT)).size).toBe(0);
  });

  it('of the priority moves the jobs in their line, and leaves nobody at the former place', async () => {
    const batch = await loaded(3);
    const other = await test.submit({ prompt: 'another mug', priority: 4 });
    await test.outbox.flush();
    const { model } = other.job.request;
    expect(await test.lines.sizes(model)).toMatchObject([{ waiting: 4 }]);

    await test.change(batch.id, { priority: 1 });
    await test.settle(batch.id);
    await test.outbox.flush();

    expect(await test.lines.sizes(model)).toMatchObject([{ waiting: 4 }]);
    expect(await test.lines.pick(model)).toMatchObject({ type: 'job', turn: { id: other.job.id } });
  });

  it('reaches open jobs and rows to come', async () => {
    const batch = await test.accept(rows(6), {}, 3);
    await loadBatch(test.deps, TENANT, batch.id);
    const deadline = test.clock.now() + 2 * HOUR;

    await test.change(batch.id, { deadline, priority: 9 });

    await test.settle(batch.id);
    for (let n = 0; n < 6; n++) {
      expect(await test.job(batch, `row-${n}`)).toMatchObject({
        request: { priority: 9 },
        state: { expiresAt: deadline },
      });
    }
  });

  it.each([
    ['in the past', -1],
    ['too far ahead', 31 * 24 * HOUR],
  ])('with a deadline %s is refused', async (_, ms) => {
    const batch = await loaded(1);

    await expect(test.change(batch.id, { deadline: test.clock.now() + ms })).rejects.toMatchObject({
      param: 'deadline',
    });
  });
});
