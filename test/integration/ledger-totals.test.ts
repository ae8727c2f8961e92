import { begin, cancel, costOf, type Job, release, settle } from '@darkroom/shared/domain';
import {
  doubtEnd,
  HOUR,
  imageEnd,
  limitEnd,
  MINUTE,
  NOON,
  refusalEnd,
  rejectionEnd,
} from '@darkroom/shared/testing/factories';
import { updateJob } from '@darkroom/shared/usecases';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTestLedger, TENANT } from '../support/ledger.ts';

const LATER = NOON + 1_000;
const half = () => 0.5;

const begun = (job: Job, attempt: string, now: number) => {
  const answer = begin(job, { id: attempt, channel: 'gemini' }, now);
  return answer.type === 'go' ? answer.change : undefined;
};

describe('the sums of a tenant', () => {
  it('equal the sum over all records, whatever happened to them', async () => {
    await using test = await openTestLedger();
    const end = fc.constantFrom(
      imageEnd(),
      refusalEnd(),
      refusalEnd('content_blocked'),
      rejectionEnd(),
      limitEnd('minute'),
      doubtEnd(),
    );
    const step = fc.record({
      job: fc.nat(4),
      attempt: fc.nat(3),
      kind: fc.constantFrom('begin', 'begin', 'end', 'end', 'cancel', 'release'),
      end,
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30, size: 'max' }), async (steps) => {
        const jobs = Array.from({ length: 5 }, (_, n) => `job_${run}_${n}`);
        run++;
        await Promise.all(
          jobs.map((id) =>
            test.admit(id, { request: { onUnknownOutcome: 'hold' }, state: { expiresAt: NOON + 99 * HOUR } }),
          ),
        );
        let now = LATER;
        for (const { job, attempt, kind, end } of steps) {
          now += MINUTE;
          await updateJob(test.ledger, TENANT, jobs[job] ?? '', (record) => {
            const id = `att_${attempt}`;
            if (kind === 'cancel') return cancel(record, now);
            if (kind === 'release') return release(record, now);
            if (kind === 'end') return settle(record, id, end, now, half);
            return record.state.attempts.some((known) => known.id === id) ? undefined : begun(record, id, now);
          });
        }

        expect(await test.ledger.totals(TENANT)).toEqual(sumOf(await test.ledger.list(TENANT, { limit: 1_000 })));
      }),
      { numRuns: 8 },
    );
  });
});

/** What the ledger should have counted. */
function sumOf(jobs: Job[]) {
  const attempts = jobs.flatMap(({ state }) => state.attempts);
  const count = (state: string) => attempts.filter((attempt) => attempt.state === state).length;
  const costs = jobs.map(({ state }) => costOf(state));
  return {
    calls: attempts.length,
    settled: count('settled'),
    rejected: count('rejected'),
    inDoubt: count('in_doubt'),
    actualCost: costs.reduce((sum, { actual }) => sum + actual, 0),
    inDoubtCost: costs.reduce((sum, { inDoubt }) => sum + inDoubt, 0),
  };
}
