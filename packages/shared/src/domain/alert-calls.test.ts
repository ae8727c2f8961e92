import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doubtEnd, imageEnd, limitEnd, refusalEnd, rejectionEnd } from '../testing/factories.ts';
import { type CallCounts, callCountsAs, errorRate, latencyP99, timeBucket } from './alert-calls.ts';

const MAY_FAIL = 0.05;
const SECONDS = 30;
const about = { channel: 'gemini', model: 'gemini-nano-banana-2.1' };

function calls(ended: number, failed: number): CallCounts {
  return { ...about, ended, failed, times: new Map() };
}

function taking(...times: number[]): CallCounts {
  const counted = new Map<number, number>();
  for (const ms of times) counted.set(timeBucket(ms), (counted.get(timeBucket(ms)) ?? 0) + 1);
  return { ...about, ended: times.length, failed: 0, times: counted };
}

const many = (count: number, ms: number) => Array.from({ length: count }, () => ms);

describe('of ended calls', () => {
  it.each([
    ['an image', imageEnd(), 'ok'],
    ['a refused prompt', refusalEnd('content_blocked'), 'ok'],
    ['no image', refusalEnd('no_image'), 'failed'],
    ['an error', rejectionEnd(), 'failed'],
    ['an end that nobody saw', doubtEnd(), 'failed'],
    ['a call that did not leave', { type: 'unsent', reason: 'refused', ms: 0 } as const, 'failed'],
    ['a limit of the minute', limitEnd('minute'), 'nothing'],
    ['a limit of the day', limitEnd('day'), 'nothing'],
  ])('%s counts as it should', (_, end, as) => {
    expect(callCountsAs(end)).toBe(as);
  });
});

describe('the error rate', () => {
  it.each([
    [2, 1],
    [19, 19],
    [20, 1],
    [21, 2],
  ])('of %i calls, of which %i failed, raises nothing', (ended, failed) => {
    expect(errorRate(calls(ended, failed), MAY_FAIL).standing).not.toBe('over');
  });

  it.each([
    [20, 3],
    [100, 6],
    [1_000, 1_000],
  ])('of %i calls, of which %i failed, is over five percent', (ended, failed) => {
    expect(errorRate(calls(ended, failed), MAY_FAIL)).toEqual({
      alert: 'error_rate',
      ...about,
      value: failed / ended,
      threshold: MAY_FAIL,
      standing: 'over',
    });
  });

  it('is unknown without calls, and clear once a few calls went well in a quiet time', () => {
    expect(errorRate(calls(0, 0), MAY_FAIL).standing).toBe('unknown');
    expect(errorRate(calls(2, 0), MAY_FAIL).standing).toBe('near');
    expect(errorRate(calls(3, 0), MAY_FAIL).standing).toBe('clear');
    expect(errorRate(calls(19, 1), MAY_FAIL).standing).toBe('near');
  });

  it('is over only when more failed than may, and clear only when well fewer did', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.double({ min: 0, max: 1, noNaN: true }), (ended, share) => {
        const failed = Math.round(ended * share);
        const { standing } = errorRate(calls(ended, failed), MAY_FAIL);
        const rate = failed / ended;

        expect(standing !== 'over' || rate > MAY_FAIL).toBe(true);
        expect(standing !== 'clear' || rate <= 0.7 * MAY_FAIL).toBe(true);
        expect(ended < 60 || (standing === 'over') === rate > MAY_FAIL).toBe(true);
      }),
    );
  });
});

describe('the p99 of calls', () => {
  it('is what it is to within five percent', () => {
    const times = fc.array(fc.integer({ min: 1, max: 600_000 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(times, (all) => {
        const exact = all.toSorted((a, b) => a - b)[Math.ceil(all.length * 0.99) - 1] ?? 0;
        const ratio = (latencyP99(taking(...all), SECONDS).value * 1_000) / exact;

        // Below some ms a bucket is finer than the unit.
        expect(ratio).toBeGreaterThan(0.95 - 1 / exact);
        expect(ratio).toBeLessThan(1.05 + 1 / exact);
      }),
    );
  });

  it('is over when three calls, and more than one in a hundred, took longer', () => {
    const quick = many(40, 8_000);

    expect(latencyP99(taking(...quick, 60_000, 60_000), SECONDS).standing).toBe('near');
    expect(latencyP99(taking(...quick, 60_000, 60_000, 60_000), SECONDS)).toMatchObject({ standing: 'over' });
    expect(latencyP99(taking(...many(400, 8_000), ...many(3, 60_000)), SECONDS).standing).toBe('near');
    expect(latencyP99(taking(...many(19, 60_000)), SECONDS).standing).toBe('near');
  });

  it('tells a p99 above the threshold whenever it is over', () => {
    const times = fc.array(fc.integer({ min: 20_000, max: 45_000 }), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(times, (all) => {
        const { standing, value } = latencyP99(taking(...all), SECONDS);

        expect(standing !== 'over' || value > SECONDS).toBe(true);
      }),
    );
  });

  it('is unknown without calls, and clear when calls are quick again', () => {
    expect(latencyP99(taking(), SECONDS)).toMatchObject({ value: 0, standing: 'unknown' });
    expect(latencyP99(taking(...many(30, 25_000)), SECONDS).standing).toBe('clear');
  });
});
