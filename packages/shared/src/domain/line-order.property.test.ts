import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGING_MS, lineScore } from './line-order.ts';

const DAY = 86_400_000;
const priority = fc.integer({ min: 1, max: 9 });
const since = fc.integer({ min: 1_700_000_000_000, max: 4_000_000_000_000 });
const leftMs = fc.integer({ min: 0, max: 29 * DAY });

const job = fc.record({ priority, since, leftMs }).map(({ priority, since, leftMs }) => ({
  priority,
  since,
  expiresAt: since + leftMs,
}));

describe('a place in line', () => {
  it('is a number that a sorted set keeps exactly', () => {
    fc.assert(
      fc.property(job, (one) => {
        expect(lineScore(one)).toSatisfy(Number.isSafeInteger);
        expect(lineScore(one)).toBeGreaterThan(0);
      }),
    );
  });

  it('lets nobody pass who comes later than ten steps less the priority', () => {
    fc.assert(
      fc.property(job, priority, leftMs, fc.nat({ max: DAY }), (first, priority, leftMs, lateMs) => {
        const comes = first.since + (10 - first.priority) * AGING_MS + lateMs;

        expect(lineScore(first)).toBeLessThan(lineScore({ priority, since: comes, expiresAt: comes + leftMs }));
      }),
    );
  });

  it('goes by the priority first, among those made in one step', () => {
    fc.assert(
      fc.property(job, priority, leftMs, fc.nat({ max: AGING_MS - 1 }), (one, priority, leftMs, withinMs) => {
        fc.pre(priority > one.priority);
        const made = one.since - (one.since % AGING_MS) + withinMs;

        expect(lineScore({ priority, since: made, expiresAt: made + leftMs })).toBeLessThan(lineScore(one));
      }),
    );
  });

  it('goes by the deadline next, and by age when that is the same', () => {
    fc.assert(
      fc.property(job, fc.integer({ min: 10_000, max: DAY }), (one, ms) => {
        const later = { ...one, expiresAt: one.expiresAt + ms };
        fc.pre(later.expiresAt - one.since < 29 * DAY);
        const youngest = one.since - (one.since % AGING_MS) + AGING_MS - 1;
        const younger = { ...one, since: youngest };

        expect(lineScore(one)).toBeLessThan(lineScore(later));
        expect(lineScore(one)).toBeLessThanOrEqual(lineScore(younger));
      }),
    );
  });
});
