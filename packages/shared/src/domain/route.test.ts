import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane } from './job.ts';
import { BATCH_SET_MIN, chooseLane, type RouteQuestion, setMs } from './route.ts';

const HOUR_MS = 3_600_000;
const PRICES: Record<Lane, number> = { standard: 134_000, batch: 67_000 };
const TIMES: Record<Lane, number> = { standard: 60_000, batch: 6 * HOUR_MS };

function question(more: Partial<RouteQuestion> = {}): RouteQuestion {
  return {
    asked: 'auto',
    offered: ['standard', 'batch'],
    cost: (lane) => PRICES[lane],
    now: 0,
    p95Ms: (lane) => TIMES[lane],
    set: 1,
    ...more,
  };
}

describe('without a deadline', () => {
  it.each([
    [1, 'standard'],
    [BATCH_SET_MIN - 1, 'standard'],
    [BATCH_SET_MIN, 'batch'],
    [20_000, 'batch'],
  ])('a set of %i goes %s', (set, lane) => {
    expect(chooseLane(question({ set }))).toMatchObject({ type: 'lane', lane });
  });

  it('a single job that cannot afford the standard lane takes the batch lane', () => {
    expect(chooseLane(question({ maxCost: 70_000 }))).toEqual({
      type: 'lane',
      lane: 'batch',
      reason: 'the only lane within max_cost',
    });
  });
});

describe('with a deadline', () => {
  it.each([
    [8 * HOUR_MS, 'batch', 'cheapest that meets the deadline'],
    [6 * HOUR_MS, 'standard', 'cheapest that meets the deadline'],
    [30_000, 'standard', 'fastest: no lane is sure to meet the deadline'],
  ])('in %i ms goes %s', (deadline, lane, reason) => {
    expect(chooseLane(question({ deadline }))).toEqual({ type: 'lane', lane, reason });
  });

  it.each([
    [2_000, 2 * HOUR_MS, 'standard', 'cheapest that meets the deadline'],
    [20_000, 5 * HOUR_MS, 'batch', 'fastest: no lane is sure to meet the deadline'],
    [10_000, 5 * HOUR_MS, 'standard', 'cheapest that meets the deadline'],
  ])('a set of %i that is due in %i ms goes %s, where it would be done first', (set, deadline, lane, reason) => {
    expect(chooseLane(question({ set, deadline }))).toEqual({ type: 'lane', lane, reason });
  });
});

const anyQuestion = () =>
  fc
    .record({
      asked: fc.constantFrom<Lane | 'auto'>('auto', 'standard', 'batch'),
      offered: fc.subarray<Lane>(['standard', 'batch']),
      prices: fc.record({ standard: fc.nat(400_000), batch: fc.nat(400_000) }),
      times: fc.record({ standard: fc.nat(HOUR_MS), batch: fc.nat(48 * HOUR_MS) }),
      maxCost: fc.option(fc.nat(400_000), { nil: undefined }),
      deadline: fc.option(fc.nat(72 * HOUR_MS), { nil: undefined }),
      set: fc.integer({ min: 1, max: 20_000 }),
    })
    .map(({ prices, times, maxCost, deadline, ...rest }) => ({
      ...question(rest),
      cost: (lane: Lane) => prices[lane],
      p95Ms: (lane: Lane) => times[lane],
      ...(maxCost !== undefined && { maxCost }),
      ...(deadline !== undefined && { deadline }),
    }));

/** Lanes that may be taken at all. */
const allowed = ({ asked, offered, cost, maxCost }: RouteQuestion) =>
  offered.filter((lane) => (asked === 'auto' || asked === lane) && cost(lane) <= (maxCost ?? Number.POSITIVE_INFINITY));

describe('whatever is asked', () => {
  it('a forbidden lane or one over max_cost is never taken, and an allowed one always is', () => {
    fc.assert(
      fc.property(anyQuestion(), (asked) => {
        const route = chooseLane(asked);

        const taken = route.type === 'lane' ? [route.lane] : [];
        expect(allowed(asked)).toEqual(expect.arrayContaining(taken));
        expect(taken.length > 0).toBe(allowed(asked).length > 0);
      }),
    );
  });

  it('with a deadline, no lane is dearer than a cheaper one that would be in time', () => {
    fc.assert(
      fc.property(anyQuestion(), (asked) => {
        const { deadline = 0, cost, p95Ms, now, set } = asked;
        const inTime = allowed(asked).filter((lane) => now + setMs(lane, p95Ms(lane), set) < deadline);
        fc.pre(asked.asked === 'auto' && asked.deadline !== undefined && inTime.length > 0);
        const route = chooseLane(asked);

        expect(inTime).toContain(route.type === 'lane' && route.lane);
        expect(route.type === 'lane' && cost(route.lane)).toBe(Math.min(...inTime.map(cost)));
      }),
    );
  });

  it('a larger set takes no less time, and a single job its own', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Lane>('standard', 'batch'),
        fc.nat(HOUR_MS),
        fc.integer({ min: 1, max: 20_000 }),
        (...of) => {
          const [lane, p95Ms, set] = of;

          expect(setMs(lane, p95Ms, 1)).toBe(p95Ms);
          expect(setMs(lane, p95Ms, set + 1)).toBeGreaterThanOrEqual(setMs(lane, p95Ms, set));
        },
      ),
    );
  });

  it('says why', () => {
    fc.assert(
      fc.property(anyQuestion(), (asked) => {
        const route = chooseLane(asked);

        expect(route.type === 'lane' ? route.reason : 'refused').not.toBe('');
      }),
    );
  });
});
