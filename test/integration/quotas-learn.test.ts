import type { Lesson } from '@darkroom/shared/domain';
import { describe, expect, it } from 'vitest';
import { FLASH, ONE, openQuotas, PRO, stateOf, type TestQuotas, waitOf } from '../support/quotas.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const requests = (more: { limit?: number; retryAfterMs?: number } = {}): Lesson => ({
  type: 'limit',
  window: 'requests',
  ...more,
});
const paused = (more: Partial<Extract<Lesson, { type: 'pause' }>> = {}): Lesson => ({
  type: 'pause',
  ms: 10 * MINUTE,
  reason: 'rate_limited',
  why: 'a limit without a name',
  ...more,
});

/** Takes leave for so many calls, and sends them. */
async function make({ quotas }: TestQuotas, count: number, name = 'call'): Promise<boolean[]> {
  const ids = Array.from({ length: count }, (_, n) => `${name}-${n}`);
  const leaves = await Promise.all(ids.map((id) => quotas.take(PRO, id, ONE)));
  await Promise.all(ids.map((id) => quotas.sent(PRO, id)));
  return leaves.map(({ granted }) => granted);
}

describe('a limit that a refusal named', () => {
  it('holds at once for every worker, and is shown', async () => {
    await using test = await openQuotas({ requestsPerMinute: 30 });
    await make(test, 12);

    await test.quotas.learn(PRO, requests({ limit: 10 }), 'call-10');

    expect(await test.other.take(PRO, 'next', ONE)).toMatchObject({ granted: false, window: 'requests' });
    const state = await stateOf(test.other);
    expect(state.of('requests')).toMatchObject({ used: 12, limit: 10, learnt: { limit: 10 } });
    expect(state.of('requests')?.freeAt).toBeGreaterThan(0);
    expect(state.waitMs).toBeGreaterThan(0);
  });

  it('closes the window for as long as the provider asks, whatever was used', async () => {
    await using test = await openQuotas({ requestsPerMinute: 30 });

    await test.quotas.learn(PRO, requests({ limit: 10, retryAfterMs: 34_000 }));

    const wait = waitOf(await test.other.take(PRO, 'next', ONE));
    expect(wait).toBeGreaterThan(33_000);
    expect(wait).toBeLessThanOrEqual(34_000);
    await test.pass(wait);
    expect(await test.other.take(PRO, 'next', ONE)).toEqual({ granted: true });
  });

  it('is none when it is above the configured one', async () => {
    await using test = await openQuotas({ requestsPerMinute: 30 });

    await test.quotas.learn(PRO, requests({ limit: 100 }));

    expect((await stateOf(test.quotas)).of('requests')).toEqual({ window: 'requests', used: 0, limit: 30 });
  });

  it('is gone in the end: it grows from half an hour on until it is as configured', async () => {
    await using test = await openQuotas({ requestsPerMinute: 30 });
    await test.quotas.learn(PRO, requests({ limit: 10 }));
    const limits: (number | undefined)[] = [];
    const until = (await stateOf(test.quotas)).of('requests')?.learnt?.until ?? 0;
    const began = await test.now();

    await test.pass(29 * MINUTE);
    for (let n = 0; n < 12; n++) {
      limits.push((await stateOf(test.quotas)).of('requests')?.limit);
      await test.pass(2 * MINUTE);
    }

    expect(limits).toEqual([10, 12, 14, 16, 18, 21, 23, 26, 29, 30, 30, 30]);
    expect((await stateOf(test.quotas)).of('requests')?.learnt).toBeUndefined();
    expect((until - began) / MINUTE).toBeCloseTo(46, 0);
  });
});

describe('a limit that a refusal did not name', () => {
  it('is what had been used when the refused call left, less a twentieth', async () => {
    await using test = await openQuotas({ requestsPerMinute: 300 });
    await make(test, 140);

    await test.quotas.learn(PRO, requests(), 'call-120');
    await test.quotas.learn(PRO, requests(), 'call-100');
    await test.quotas.learn(PRO, requests(), 'call-130');

    expect((await stateOf(test.other)).of('requests')).toMatchObject({ used: 140, learnt: { limit: 95 } });
  });

  it.each([
    ['tokens', 4_750],
    ['images', 47],
    ['spend', 47_500],
  ] as const)('is learnt of %s where nothing is configured', async (window, limit) => {
    await using test = await openQuotas();
    await make(test, 60);

    await test.quotas.learn(PRO, { type: 'limit', window }, 'call-50');

    expect((await stateOf(test.other)).of(window)).toMatchObject({ limit, learnt: { limit } });
    expect(await test.other.take(PRO, 'next', ONE)).toMatchObject({ granted: false, window });
  });

  it('grows from ten minutes on, and is forgotten at ten times what it was where nothing is configured', async () => {
    await using test = await openQuotas();
    await make(test, 101);
    await test.quotas.learn(PRO, requests(), 'call-100');

    await test.pass(10 * MINUTE - 1_000);
    const held = (await stateOf(test.quotas)).of('requests')?.limit;
    await test.pass(2_000);
    const grown = (await stateOf(test.quotas)).of('requests')?.limit;
    await test.pass(47 * MINUTE);
    const most = (await stateOf(test.quotas)).of('requests')?.limit;
    await test.pass(2 * MINUTE);

    expect([held, grown, most]).toEqual([95, 105, 959]);
    expect((await stateOf(test.quotas)).of('requests')?.limit).toBeUndefined();
  });

  it('is never so small that nothing could leave', async () => {
    await using test = await openQuotas();

    await test.quotas.learn(PRO, { type: 'limit', window: 'tokens' });

    expect(await test.quotas.take(PRO, 'a', ONE)).toEqual({ granted: true });
    expect(await test.quotas.take(PRO, 'b', ONE)).toMatchObject({ granted: false, window: 'tokens' });
  });
});

describe('a spend limit', () => {
  it('closes all models of the channel, and no other channel', async () => {
    await using test = await openQuotas();

    await test.quotas.learn(PRO, { type: 'limit', window: 'spend', retryAfterMs: 2 * MINUTE });

    const leave = await test.other.take(FLASH, 'a', ONE);
    expect(leave).toMatchObject({ granted: false, window: 'spend' });
    expect(Math.abs(waitOf(leave) - 2 * MINUTE)).toBeLessThan(1_000);
    expect(await test.other.take({ channel: 'gemini-b', model: 'pro' }, 'b', ONE)).toEqual({ granted: true });
  });
});

describe('a pause', () => {
  it('keeps every worker away from the model, and says why', async () => {
    await using test = await openQuotas();

    await test.quotas.learn(PRO, paused({ reason: 'parked', why: 'the limit is 0: not here' }));

    const leave = await test.other.take(PRO, 'a', ONE);
    expect(leave).toMatchObject({ granted: false, reason: 'parked', window: 'pause' });
    expect(Math.abs(waitOf(leave) - 10 * MINUTE)).toBeLessThan(1_000);
    const { pause, waitMs } = await stateOf(test.other);
    expect(pause).toMatchObject({ reason: 'parked', why: 'the limit is 0: not here' });
    expect(waitMs).toBeGreaterThan(9 * MINUTE);
    expect(await test.other.take(FLASH, 'b', ONE)).toEqual({ granted: true });
  });

  it('is never cut by a shorter one', async () => {
    await using test = await openQuotas();
    await test.quotas.learn(PRO, paused({ ms: HOUR }));

    await test.other.learn(PRO, paused({ ms: 1_000 }));

    expect(waitOf(await test.quotas.take(PRO, 'a', ONE))).toBeGreaterThan(59 * MINUTE);
  });

  it('until the day is over lasts until midnight Pacific by the server’s clock', async () => {
    await using test = await openQuotas();
    await test.quotas.learn(PRO, paused({ ms: 'day_end', reason: 'parked' }));

    const until = (await stateOf(test.quotas)).pause?.until ?? 0;

    const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/Los_Angeles', timeStyle: 'medium' });
    // By the guard of a day past midnight, so that no call arrives before.
    expect(clock.format(until)).toMatch(/^00:00:0[34]$/);
  });

  it('of a rolling day lasts a day', async () => {
    await using test = await openQuotas({ day: 'rolling' });
    await test.quotas.learn(PRO, paused({ ms: 'day_end' }));

    expect(waitOf(await test.quotas.take(PRO, 'a', ONE)) / HOUR).toBeCloseTo(24, 1);
  });

  it('that grows doubles with each refusal after a pause, up to its bound, and starts anew after a quiet time', async () => {
    await using test = await openQuotas();
    const lengths: number[] = [];
    const refuse = async (n: number) => {
      await make(test, 1, `round-${n}`);
      await test.quotas.learn(PRO, paused({ ms: MINUTE, growsToMs: 5 * MINUTE }), `round-${n}-0`);
      const wait = waitOf(await test.quotas.take(PRO, 'next', ONE));
      lengths.push(Math.round(wait / MINUTE));
      await test.pass(wait);
    };

    for (let n = 0; n < 5; n++) await refuse(n);
    await test.pass(11 * MINUTE);
    await refuse(5);

    expect(lengths).toEqual([1, 2, 4, 5, 5, 1]);
  });

  it('does not grow by refusals of calls that left before it', async () => {
    await using test = await openQuotas();
    await make(test, 20);

    for (let n = 0; n < 20; n++) {
      await test.quotas.learn(PRO, paused({ ms: MINUTE, growsToMs: HOUR }), `call-${n}`);
    }

    expect(waitOf(await test.quotas.take(PRO, 'next', ONE)) / MINUTE).toBeCloseTo(1, 1);
  });

  it('does not grow once a call that left after the last one made an image', async () => {
    await using test = await openQuotas();
    const growing = paused({ ms: MINUTE, growsToMs: HOUR });
    await test.quotas.learn(PRO, growing);
    await test.pass(MINUTE);
    await make(test, 2);

    await test.quotas.ended(PRO, 'call-0', ONE);
    await test.quotas.learn(PRO, growing, 'call-1');

    expect(waitOf(await test.quotas.take(PRO, 'next', ONE)) / MINUTE).toBeCloseTo(1, 1);
  });

  it('and all that was learnt are forgotten when an operator resumes the place', async () => {
    await using test = await openQuotas({ requestsPerMinute: 30 });
    await test.quotas.learn(PRO, paused());
    await test.quotas.learn(PRO, requests({ limit: 1, retryAfterMs: MINUTE }));
    await test.quotas.learn(PRO, { type: 'limit', window: 'spend', limit: 1, retryAfterMs: MINUTE });

    expect(await test.other.resume(PRO)).toBe(true);
    expect(await test.other.resume(PRO)).toBe(false);

    expect(await make(test, 3)).toEqual([true, true, true]);
    expect(await stateOf(test.quotas)).toMatchObject({ waitMs: 0 });
    expect((await stateOf(test.quotas)).pause).toBeUndefined();
  });
});
