import { type Batch, costOf, isTerminal, JOB_STATUSES, type Job } from '@darkroom/shared/domain';
import { doubtEnd, imageEnd, MINUTE, refusalEnd, rejectionEnd, unsentEnd } from '@darkroom/shared/testing/factories';
import { cancelJob, jobsOfRows, loadBatch, mindBatch, sweepBatch } from '@darkroom/shared/usecases';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aRow, openTestBatches, type RowOverrides, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { beginJob, settleJob } from '../../support/run-job.ts';

const ROWS = 8;

/** Rows 0 to 3 are two pairs of twins; some rows want to hear of doubts, some share what was made before. */
const rows: RowOverrides[] = Array.from({ length: ROWS }, (_, n) => ({
  request: {
    prompt: `mug ${n < 4 ? n >> 1 : n}`,
    onUnknownOutcome: n % 3 === 0 ? 'hold' : 'retry',
    ...(n > 5 && { cache: { ttlMs: 60 * MINUTE } }),
  },
}));

const ENDS = [imageEnd(), imageEnd(), refusalEnd(), refusalEnd('content_blocked'), rejectionEnd({ retryable: false })];
const MORE_ENDS = [rejectionEnd(), doubtEnd(), doubtEnd(), unsentEnd()];

type Step = (test: TestBatches, batch: Batch, n: number) => Promise<unknown>;

/** What may happen to a batch or to one of its rows; what cannot happen now does not. */
const STEPS: Record<string, Step> = {
  load: ({ deps }, { id }) => loadBatch(deps, TENANT, id),
  mind: ({ deps }, { id }) => mindBatch(deps, TENANT, id),
  sweep: ({ deps }, { id }) => sweepBatch(deps, TENANT, id),
  pass: async (test, _, n) => {
    test.clock.advance(n * MINUTE);
    await test.sweep();
  },
  begin: async (test, batch, n) => {
    const job = await newest(test, batch, n);
    if (job && !isTerminal(job.state.status)) await beginJob(test.deps, job.id);
  },
  end: async (test, batch, n) => {
    const job = await newest(test, batch, n % ROWS);
    const end = [...ENDS, ...MORE_ENDS][n % (ENDS.length + MORE_ENDS.length)] ?? imageEnd();
    if (job?.state.open) await settleJob(test.deps, job.id, job.state.open, end).catch(() => undefined);
  },
  resolve: async (test, batch, n) => {
    const job = await newest(test, batch, n % ROWS);
    const doubt = job?.state.attempts.find(({ state }) => state === 'in_doubt');
    if (job && doubt) await settleJob(test.deps, job.id, doubt.id, imageEnd()).catch(() => undefined);
  },
  cancelRow: async (test, batch, n) => {
    const job = await newest(test, batch, n % ROWS);
    if (job) await cancelJob(test.deps, TENANT, job.id).catch(() => undefined);
  },
  pause: (test, { id }) => test.control(id, 'pause'),
  resume: (test, { id }) => test.control(id, 'resume'),
  cancel: async (test, { id }, n) => (n % 4 === 0 ? test.control(id, 'cancel') : undefined),
  retry: (test, { id }) => test.control(id, 'retry-failed'),
  patch: (test, { id }, n) => test.change(id, { deadline: test.clock.now() + (n + 1) * MINUTE }),
};

async function allJobs(test: TestBatches, batch: Batch): Promise<(Job | undefined)[]> {
  const now = await test.batch(batch.id);
  return jobsOfRows(
    test.deps,
    now,
    rows.map((row, n) => aRow(n, 'standard', row)),
  );
}

async function newest(test: TestBatches, batch: Batch, n: number): Promise<Job | undefined> {
  return (await allJobs(test, batch))[n % ROWS];
}

/** Every job that was ever made of its rows, generation after generation. */
async function everyJob(test: TestBatches, batch: Batch): Promise<Job[]> {
  const { generation } = await test.batch(batch.id);
  const made: Job[] = [];
  for (let g = 0; g <= generation; g++) {
    for (let n = 0; n < ROWS; n++) made.push(...[await test.job(batch, `row-${n}`, g).catch(() => [])].flat());
  }
  return made;
}

async function countedAnew(test: TestBatches, batch: Batch) {
  const { dropped } = await test.batch(batch.id);
  const jobs = (await allJobs(test, batch)).filter((job) => job !== undefined);
  const byStatus = JOB_STATUSES.map((status) => [status, jobs.filter(({ state }) => state.status === status).length]);
  const counts: Record<string, number> = Object.fromEntries(byStatus);
  const missing = ROWS - jobs.length;
  if (dropped && missing) counts[dropped.status] = (counts[dropped.status] ?? 0) + missing;
  const all = await everyJob(test, batch);
  const costs = all.map(({ state }) => costOf(state));
  return {
    counts: { ...counts, deduplicated: jobs.filter(({ state }) => state.leader).length },
    costs: {
      actual: costs.reduce((sum, { actual }) => sum + actual, 0),
      inDoubt: costs.reduce((sum, { inDoubt }) => sum + inDoubt, 0),
    },
    openEstimated: jobs.reduce((sum, { state }) => sum + (isTerminal(state.status) ? 0 : state.estimated), 0),
    made: all.length,
  };
}

const lives = fc.array(fc.tuple(fc.constantFrom(...Object.keys(STEPS)), fc.nat(40)), { minLength: 10, maxLength: 60 });

describe('the counts of a batch', () => {
  it('are what the records of its jobs say, whatever happened to them', async () => {
    await using test = await openTestBatches();
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const batch = await test.accept(rows, {}, 3);
        for (const [name, n] of life) {
          await STEPS[name]?.(test, batch, n).catch((error: { code?: string }) => {
            if (error.code !== 'conflict' && error.code !== 'invalid_request') throw error;
          });
        }

        expect(await test.totals(batch.id)).toMatchObject(await countedAnew(test, batch));

        // Whatever state that was: time brings every batch to its end, with each row counted once.
        test.clock.advance(24 * 60 * MINUTE);
        const over = await test.settle(batch.id);
        const { counts, ...totals } = await test.totals(batch.id);
        expect(['completed', 'canceled', 'expired']).toContain(over.status);
        expect({ counts, ...totals }).toMatchObject(await countedAnew(test, batch));
        expect(JOB_STATUSES.reduce((sum, status) => sum + counts[status], 0)).toBe(ROWS);
        expect(totals.openEstimated).toBe(0);
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
