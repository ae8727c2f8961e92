import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import type { Leave } from '@darkroom/shared/ports';
import { describe, expect, it } from 'vitest';
import { ONE, openQuotas, PRO, stateOf, waitOf } from '../support/quotas.ts';
import { testRedisUrl } from '../support/redis.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const CLOCK = new URL('../support/other-clock.ts', import.meta.url).href;
const TAKER = new URL('../support/take-quota.ts', import.meta.url).pathname;

type Told = { clock: number; leaves: Leave[]; until: number };

/** What a worker is told whose clock is ahead by so much. */
async function takeWith(aheadMs: number, prefix: string): Promise<Told> {
  const flags = ['--conditions=source', '--import', CLOCK, TAKER];
  const at = Date.now();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, testRedisUrl(), prefix, `${aheadMs}`, '30'],
    {
      env: { ...process.env, TEST_CLOCK: `${at},${at + aheadMs},1` },
    },
  );
  return JSON.parse(stdout) as Told;
}

describe('workers whose clocks are wrong', () => {
  it('share one minute and one day all the same, and wait for one midnight', async () => {
    await using test = await openQuotas();

    const told = await Promise.all([-HOUR, HOUR, 3 * DAY].map((ahead) => takeWith(ahead, test.prefix)));

    const [behind, ahead] = told;
    expect((ahead?.clock ?? 0) - (behind?.clock ?? 0)).toBeGreaterThan(1.9 * HOUR);
    const leaves = told.flatMap((one) => one.leaves);
    expect(leaves.filter(({ granted }) => granted)).toHaveLength(20);
    expect(Math.max(...leaves.map(waitOf))).toBeGreaterThan(55_000);
    const midnights = told.map(({ until }) => until);
    expect(Math.max(...midnights) - Math.min(...midnights)).toBeLessThan(1_000);
  });
});

describe('a day', () => {
  it('opens again at its end, and not before', async () => {
    await using test = await openQuotas({ requestsPerDay: 3 }, { spans: { dayMs: 400 } });
    const leaves: Leave[] = [];
    const began = await test.now();

    for (let n = 0; (await test.now()) - began < 2_000; n++) leaves.push(await test.quotas.take(PRO, `call-${n}`, ONE));

    const granted = leaves.filter((leave) => leave.granted).length;
    expect(granted).toBeGreaterThanOrEqual(12);
    expect(granted).toBeLessThanOrEqual(18);
    expect(leaves.find((leave) => !leave.granted)).toMatchObject({ reason: 'parked', window: 'day' });
  });

  it('that rolls never holds more than its limit', async () => {
    await using test = await openQuotas({ requestsPerDay: 3, day: 'rolling' }, { spans: { dayMs: 400 } });
    const granted: number[] = [];
    const began = await test.now();

    for (let n = 0; (await test.now()) - began < 2_000; n++) {
      const leave = await test.quotas.take(PRO, `call-${n}`, ONE);
      if (leave.granted) granted.push(await test.now());
    }

    // When the answer came: a little after the instant that counts.
    const spans = granted.slice(3).map((at, n) => at - (granted[n] ?? 0));
    expect(Math.min(...spans)).toBeGreaterThan(340);
    expect(granted.length).toBeGreaterThanOrEqual(12);
  });

  it('is the server’s, and its calls are shown', async () => {
    await using test = await openQuotas({ requestsPerDay: 3 });
    await Promise.all(['a', 'b', 'c'].map((id) => test.quotas.take(PRO, id, ONE)));

    const leave = await test.other.take(PRO, 'd', ONE);

    const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/Los_Angeles', timeStyle: 'medium' });
    expect(leave).toMatchObject({ granted: false, reason: 'parked', window: 'day' });
    expect(clock.format((await test.now()) + waitOf(leave))).toMatch(/^00:00:0[2-4]$/);
    expect((await stateOf(test.other)).of('day')).toMatchObject({ used: 3, limit: 3 });
  });

  it.each(['pacific', 'rolling'] as const)('that is used up is shown as a pause until its end: %s', async (day) => {
    await using test = await openQuotas({ requestsPerDay: 2, day });
    await Promise.all(['a', 'b'].map((id) => test.quotas.take(PRO, id, ONE)));

    const state = await stateOf(test.other);

    expect(state.pause).toMatchObject({ reason: 'parked', why: 'its calls of the day are used' });
    expect(state.pause?.until).toBe(state.of('day')?.freeAt);
    await test.quotas.learn(PRO, { type: 'pause', ms: 3 * 24 * HOUR, reason: 'rate_limited', why: 'longer' });
    expect((await stateOf(test.other)).pause).toMatchObject({ why: 'longer' });
  });
});
