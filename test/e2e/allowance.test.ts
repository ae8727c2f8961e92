/** What workers make of limits that many jobs wait for; the full form is `npm run bench -- --only channels`. */

import { describe, expect, it } from 'vitest';
import { type LoadPlan, measureLoad } from '../support/quota-load.ts';
import { testRedisUrl } from '../support/redis.ts';

const common = { workers: 2, waiting: 60, calls: 40, windows: 2, minuteMs: 5_000 } as const;
const two: LoadPlan = {
  ...common,
  accounts: [
    { id: 'a', limits: { rpm: 20 }, quotas: { rpm: 20 } },
    { id: 'b', limits: { rpm: 20 }, quotas: { rpm: 20 } },
  ],
};

describe('an allowance', () => {
  it('of two accounts is used by two workers, and neither account refuses a call', async () => {
    const load = await measureLoad(testRedisUrl(), two);

    expect(load).toMatchObject({ refused: 0, failed: 0 });
    // Both hold what waits for them: one window of each at the least went by.
    expect(Object.values(load.callsOf).every((calls) => calls >= 40)).toBe(true);
    expect(load.largestShare).toBeLessThanOrEqual(1);
  }, 40_000);

  it('that was set three times too high is learnt from the first refusals, and no job fails of them', async () => {
    const load = await measureLoad(testRedisUrl(), {
      ...common,
      windows: 3,
      accounts: [{ id: 'a', limits: { rpm: 120 }, quotas: { rpm: 40 } }],
    });

    expect(load.failed).toBe(0);
    expect(load.refused).toBeGreaterThan(0);
    // Those that were out when the first was refused.
    expect(load.refused).toBeLessThanOrEqual(40);
  }, 40_000);
});
