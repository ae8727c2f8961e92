/** What workers make of limits that many jobs wait for; the full form is `npm run bench -- --only channels`. */

import { describe, expect, it } from 'vitest';
import { type LoadPlan, measureLoad } from '../support/quota-load.ts';
import { testRedisUrl } from '../support/redis.ts';

const common = { workers: 2, waiting: 20 } as const;
/** A minute takes as long here and at the provider, which draws while others come: so long that this does not matter. */
const STEADY_MINUTE_MS = 12_000;
const two: LoadPlan = {
  ...common,
  warm: 4,
  calls: 12,
  windows: 1.2,
  minuteMs: STEADY_MINUTE_MS,
  accounts: [
    { id: 'a', limits: { rpm: 6 }, quotas: { rpm: 6 } },
    { id: 'b', limits: { rpm: 6 }, quotas: { rpm: 6 } },
  ],
};
const tooHigh: LoadPlan = {
  ...common,
  calls: 6,
  windows: 3.5,
  minuteMs: 2_500,
  accounts: [{ id: 'a', limits: { rpm: 18 }, quotas: { rpm: 6 } }],
};

describe('an allowance', () => {
  it('of two accounts is used by two workers, and neither account refuses a call', async () => {
    const load = await measureLoad(testRedisUrl(), two);

    expect(load).toMatchObject({ refused: 0, failed: 0 });
    // All that both allow in one window, and more behind it.
    expect(load.calls).toBeGreaterThan(12);
    expect(Object.values(load.callsOf).every((calls) => calls >= 6)).toBe(true);
    expect(load.largestShare).toBeLessThanOrEqual(1);
  });

  it('that was set three times too high is learnt from the first refusals, and no job fails of them', async () => {
    const load = await measureLoad(testRedisUrl(), tooHigh);

    expect(load.failed).toBe(0);
    expect(load.refused).toBeGreaterThan(0);
    // Those that were out when the first was refused.
    expect(load.refused).toBeLessThanOrEqual(12);
  });
});
