import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Crowd, expectedAt, type Flow, jobsAhead } from './fair-share.ts';

/** Which jobs go before it, by doing what the lines do, one job at a time. */
function playedOut({ before, own, others, virtual }: Crowd): { least: number; most: number } {
  const flows = [{ ...own, waiting: before + 1, own: true }, ...others.map((one) => ({ ...one, own: false }))];
  const run = (ownLast: boolean) => {
    const left = flows.map((flow) => ({ ...flow }));
    let v = virtual;
    for (let ahead = 0; ; ahead++) {
      const [next] = left
        .filter(({ waiting }) => waiting > 0)
        .toSorted(
          (a, b) =>
            Math.max(a.pass, v) - Math.max(b.pass, v) ||
            Number(ownLast ? a.own : b.own) - Number(ownLast ? b.own : a.own),
        );
      if (!next || (next.own && next.waiting === 1)) return ahead;
      v = Math.max(next.pass, v);
      next.pass = v + 1 / next.weight;
      next.waiting--;
    }
  };
  return { least: run(false), most: run(true) };
}

// Quarters and halves, which numbers keep exactly: the order of equals is what the two runs differ in.
const weight = fc.constantFrom(0.5, 1, 2, 4);
const pass = fc.integer({ min: 0, max: 80 }).map((quarters) => quarters / 4);
const flow: fc.Arbitrary<Flow> = fc.record({ pass, weight, waiting: fc.integer({ min: 1, max: 20 }) });
const crowd: fc.Arbitrary<Crowd> = fc.record({
  before: fc.nat({ max: 20 }),
  own: fc.record({ pass, weight }),
  others: fc.array(flow, { maxLength: 6 }),
  virtual: pass,
  waitMs: fc.nat({ max: 60_000 }),
  started: fc.record({ count: fc.nat({ max: 600 }), spanMs: fc.integer({ min: 1, max: 70_000 }) }),
});

describe('how many go before a job', () => {
  it('is what it is when the lines are played out, but for who goes first among equals', () => {
    fc.assert(
      fc.property(crowd, (one) => {
        const { least, most } = playedOut(one);
        const ahead = jobsAhead(one);

        expect(ahead).toBeGreaterThanOrEqual(least);
        expect(ahead).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('is not much when a thousand of another tenant wait', () => {
    const flood = { pass: 7, weight: 1, waiting: 10_000 };

    expect(
      jobsAhead({
        before: 0,
        own: { pass: 7, weight: 1 },
        others: [flood],
        virtual: 7,
        waitMs: 0,
        started: { count: 0, spanMs: 0 },
      }),
    ).toBeLessThanOrEqual(1);
  });
});

describe('when its image is likely to be there', () => {
  const now = 1_000_000;

  it('is never before one call from now, nor before its line opens', () => {
    fc.assert(
      fc.property(crowd, (one) => {
        const at = expectedAt(one, 10_000, now);
        expect(at ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(now + one.waitMs + 10_000);
      }),
    );
  });

  it('is not known when others are before it and nothing has started lately', () => {
    fc.assert(
      fc.property(crowd, (one) => {
        const still = { ...one, before: one.before + 1, started: { count: 0, spanMs: 60_000 } };

        expect(expectedAt(still, 10_000, now)).toBeUndefined();
      }),
    );
  });

  it('is later the more go before it', () => {
    const at = (before: number) =>
      expectedAt(
        {
          before,
          own: { pass: 0, weight: 1 },
          others: [],
          virtual: 0,
          waitMs: 0,
          started: { count: 600, spanMs: 60_000 },
        },
        10_000,
        now,
      );

    expect(at(100)).toBe(now + 20_000);
    expect(at(0)).toBe(now + 10_000);
  });
});
