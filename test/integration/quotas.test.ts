import { describe, expect, it } from 'vitest';
import { FLASH, ONE, openQuotas, PRO, stateOf, waitOf } from '../support/quotas.ts';

describe('leave', () => {
  it('is granted up to the limit, to whichever worker asks, and refused until the oldest call has slid out', async () => {
    await using test = await openQuotas({ requestsPerMinute: 3 });

    const leaves = [
      await test.quotas.take(PRO, 'a', ONE),
      await test.other.take(PRO, 'b', ONE),
      await test.quotas.take(PRO, 'c', ONE),
      await test.other.take(PRO, 'd', ONE),
    ];

    expect(leaves.map(({ granted }) => granted)).toEqual([true, true, true, false]);
    expect(leaves[3]).toMatchObject({ reason: 'rate_limited', window: 'requests' });
    expect(waitOf(leaves[3] ?? { granted: true })).toBeGreaterThan(59_000);
    expect(waitOf(leaves[3] ?? { granted: true })).toBeLessThanOrEqual(60_600);
  });

  it.each([
    ['images', { imagesPerMinute: 4 }, { images: 3 }],
    ['tokens', { tokensPerMinute: 1_000 }, { tokens: 700 }],
    ['day', { requestsPerDay: 1 }, {}],
    ['day', { requestsPerDay: 1, day: 'rolling' as const }, {}],
    ['concurrency', { concurrency: 1 }, {}],
  ])('is refused when %s would exceed their limit', async (window, limits, demand) => {
    await using test = await openQuotas(limits);
    expect(await test.quotas.take(PRO, 'a', { ...ONE, ...demand })).toEqual({ granted: true });

    const leave = await test.quotas.take(PRO, 'b', { ...ONE, ...demand });

    expect(leave).toMatchObject({ granted: false, window });
    expect(waitOf(leave)).toBeGreaterThan(0);
    expect(await test.quotas.take(FLASH, 'c', ONE)).toEqual({ granted: true });
  });

  it.each([
    ['spend', { spendPerTenMinutes: 1_500 }],
    ['channel_concurrency', { concurrency: 1 }],
  ])('is refused when the channel’s %s would exceed its limit, for all its models', async (_window, channel) => {
    await using test = await openQuotas({}, { channel });
    await test.quotas.take(PRO, 'a', ONE);

    expect(await test.quotas.take(FLASH, 'b', ONE)).toMatchObject({ granted: false });
    expect(await test.quotas.take({ channel: 'gemini-b', model: 'pro' }, 'c', ONE)).toEqual({ granted: true });
  });

  it('counts a call once, however often it is asked for', async () => {
    await using test = await openQuotas({ requestsPerMinute: 2 });

    for (let n = 0; n < 5; n++) expect(await test.quotas.take(PRO, 'a', ONE)).toEqual({ granted: true });

    expect((await stateOf(test.quotas)).of('requests')).toEqual({ window: 'requests', used: 1, limit: 2 });
  });

  it('that is refused by one window takes nothing out of the others', async () => {
    await using test = await openQuotas({ requestsPerMinute: 10, tokensPerMinute: 150 });
    await test.quotas.take(PRO, 'a', ONE);

    expect(await test.quotas.take(PRO, 'b', ONE)).toMatchObject({ granted: false, window: 'tokens' });

    const state = await stateOf(test.quotas);
    expect([state.of('requests')?.used, state.of('images')?.used, state.of('spend')?.used]).toEqual([1, 1, 1_000]);
    expect(state.of('concurrency')?.used).toBe(1);
  });

  it('given back counts nowhere', async () => {
    await using test = await openQuotas(
      { requestsPerMinute: 1, requestsPerDay: 1 },
      { channel: { spendPerTenMinutes: 1_000 } },
    );
    await test.quotas.take(PRO, 'a', ONE);

    await test.quotas.giveBack(PRO, 'a');
    await test.quotas.giveBack(PRO, 'a');

    expect((await stateOf(test.quotas)).windows.map(({ used }) => used)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(await test.quotas.take(PRO, 'b', ONE)).toEqual({ granted: true });
  });

  it('is corrected by what the call really used', async () => {
    await using test = await openQuotas();
    await test.quotas.take(PRO, 'a', ONE);
    await test.quotas.sent(PRO, 'a');

    await test.quotas.ended(PRO, 'a', { tokens: 250, images: 2, cost: 40 });
    await test.quotas.ended(PRO, 'a', { tokens: 250, images: 2, cost: 40 });

    const { windows } = await stateOf(test.quotas);
    expect(Object.fromEntries(windows.map(({ window, used }) => [window, used]))).toEqual({
      requests: 1,
      images: 2,
      tokens: 250,
      day: 1,
      spend: 40,
      concurrency: 0,
      channel_concurrency: 0,
    });
  });

  it('leaves no key that stays for ever', async () => {
    await using test = await openQuotas();
    await test.quotas.take(PRO, 'a', ONE);

    const keys = await test.redis.keys(`${test.prefix}*`);
    const lives = await Promise.all(keys.map((key) => test.redis.pttl(key)));

    expect(keys.length).toBe(7);
    expect(Math.min(...lives)).toBeGreaterThan(0);
  });
});

describe('a pace', () => {
  const burst = async (test: Awaited<ReturnType<typeof openQuotas>>, most: number) => {
    let taken = 0;
    for (let n = 0; n < most; n++) if ((await test.quotas.take(PRO, `a${n}`, ONE)).granted) taken++;
    return taken;
  };

  it.each([
    ['requests', { requestsPerMinute: 600 }, 10],
    ['images', { imagesPerMinute: 600 }, 10],
    ['tokens', { tokensPerMinute: 600 * ONE.tokens }, 10],
    ['requests of a small allowance', { requestsPerMinute: 10 }, 4],
  ])('lets a sixtieth of a minute’s %s leave at once, at least four, and the rest evenly', async (_, limits, most) => {
    await using test = await openQuotas(limits, { paced: true });

    const taken = await burst(test, 60);
    const next = await test.other.take(PRO, 'next', ONE);

    const [limit = 1] = Object.values(limits).map((one) => one / ('tokensPerMinute' in limits ? ONE.tokens : 1));
    // Some more have become due while the others were asked for.
    expect(taken).toBeGreaterThanOrEqual(most);
    expect(taken).toBeLessThan(most + 10);
    expect(waitOf(next)).toBeLessThanOrEqual(60_000 / limit);
  });

  it('keeps none where no limit of a minute is known', async () => {
    await using unknown = await openQuotas({}, { paced: true });
    await using day = await openQuotas({ requestsPerDay: 100 }, { paced: true });

    expect([await burst(unknown, 60), await burst(day, 60)]).toEqual([60, 60]);
  });
});
