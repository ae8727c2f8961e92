import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NewBatch, newBatch } from './batch-steps.ts';
import { createSetCost, quoteCap } from './price-set.ts';

const ROW = { standard: 1_000, batch: 500 };
const A_BATCH = {
  id: 'bat_1',
  tenant: 'default',
  createdAt: 0,
  expiresAt: 1,
  invalid: 0,
  shards: [],
  estimated: 0,
  priority: 5,
  route: { lane: 'batch', reason: 'a large set' },
  metadata: {},
  tags: [],
} satisfies Omit<NewBatch, 'total'>;
const costOf = (jobs: number, canary?: number) => {
  const costs = createSetCost(canary);
  for (let n = 0; n < jobs; n++) costs.add(ROW);
  return costs.sum();
};

describe('the cost of a set', () => {
  it.each([
    ['no canary in a small set', 199, undefined, 0],
    ['the ten rows of a canary when nobody says otherwise', 200, undefined, 10],
    ['as many as were asked for', 300, 25, 25],
    ['none when none is wanted', 300, 0, 0],
  ])('has %s at the standard price', (_, jobs, canary, ahead) => {
    expect(costOf(jobs, canary)).toEqual({ standard: jobs * 1_000, batch: jobs * 500 + ahead * 500 });
  });

  it('has as many rows at the standard price as the batch will send ahead', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.option(fc.nat(100), { nil: undefined }), (total, canaryRows) => {
        const { canary } = newBatch({
          ...A_BATCH,
          total,
          ...(canaryRows !== undefined && { canaryRows }),
        });

        expect(costOf(total, canaryRows).batch).toBe(total * 500 + (canary?.rows ?? 0) * 500);
      }),
    );
  });

  it('prices the first rows, whatever the others cost', () => {
    const costs = createSetCost(2);
    for (let n = 0; n < 200; n++) costs.add(n < 2 ? { standard: 9_000, batch: 4_500 } : ROW);

    expect(costs.sum()).toEqual({ standard: 18_000 + 198_000, batch: 18_000 + 99_000 });
  });
});

describe('the cap of a quote', () => {
  it('leaves a quarter of room to few jobs, a tenth to two hundred, a hundredth to very many', () => {
    const room = (jobs: number) => quoteCap(1_000_000, jobs) / 1_000_000 - 1;

    expect([1, 36, 225, 22_500].map(room)).toEqual([0.25, 0.25, 0.1, 0.01].map((n) => expect.closeTo(n, 6)));
  });

  it('never shrinks when a job is added to a set of its like', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 100, max: 1_000_000 }), (jobs, cost) => {
        expect(quoteCap((jobs + 1) * cost, jobs + 1)).toBeGreaterThanOrEqual(quoteCap(jobs * cost, jobs));
        expect(quoteCap(jobs * cost, jobs)).toBeGreaterThanOrEqual(jobs * cost);
      }),
    );
  });
});
