import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, NOON } from '../testing/factories.ts';
import { backoffDelay, limitDelay, msToPacificMidnight, pacificDays } from './backoff.ts';

const DAY = 24 * HOUR;
const almostOne = () => 1 - Number.EPSILON;

describe('backoffDelay', () => {
  it('stays below a bound that doubles with each attempt, up to a minute', () => {
    const bounds = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((attempt) => backoffDelay(attempt, almostOne));

    expect(bounds).toEqual([999, 1_999, 3_999, 7_999, 15_999, 31_999, 59_999, 59_999, 59_999]);
  });

  it('is whole milliseconds from 0 up to the bound, and grows with chance', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), chance, chance, (attempt, a, b) => {
        const delay = backoffDelay(attempt, () => a);

        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThan(Math.min(60_000, 1_000 * 2 ** (attempt - 1)));
        expect(delay <= backoffDelay(attempt, () => b)).toBe(a <= b || delay === backoffDelay(attempt, () => b));
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %s as a number of attempts', (attempt) => {
    expect(() => backoffDelay(attempt, () => 0)).toThrow(RangeError);
  });
});

describe('limitDelay', () => {
  it('waits as long as the provider asked', () => {
    for (const scope of ['minute', 'spend', 'overload', 'unknown'] as const) {
      expect(limitDelay(scope, 34_400, 1, NOON)).toBe(34_400);
    }
  });

  it('has a wait of its own for a provider that names none', () => {
    expect(limitDelay('minute', undefined, 1, NOON)).toBe(30_000);
    expect(limitDelay('spend', undefined, 1, NOON)).toBe(2 * MINUTE);
    expect(limitDelay('overload', undefined, 1, NOON)).toBe(0);
  });

  it('waits for the new day although a daily limit names a short delay', () => {
    const midnight = 20 * HOUR;

    expect(limitDelay('day', undefined, 1, NOON)).toBe(midnight);
    expect(limitDelay('day', 2_000, 1, NOON)).toBe(midnight);
    expect(limitDelay('day', HOUR, 1, NOON)).toBe(midnight);
    expect(limitDelay('day', HOUR + 1, 1, NOON)).toBe(HOUR + 1);
  });

  it('waits 1, 2, 4 … minutes for a limit of unknown scope, at most an hour', () => {
    const waits = [1, 2, 3, 6, 7, 30].map((refusals) => limitDelay('unknown', undefined, refusals, NOON) / MINUTE);

    expect(waits).toEqual([1, 2, 4, 32, 60, 60]);
  });

  it('never asks again at once, even when the provider names no wait at all', () => {
    for (const scope of ['minute', 'spend', 'day', 'unknown'] as const) {
      expect(limitDelay(scope, 0, 1, NOON)).toBeGreaterThanOrEqual(1_000);
    }
  });
});

describe('msToPacificMidnight', () => {
  it.each([
    ['in winter, UTC-8', '2026-11-20T12:00:00Z', '2026-11-21T08:00:00Z'],
    ['in summer, UTC-7', '2026-07-01T12:00:00Z', '2026-07-02T07:00:00Z'],
    ['at midnight itself, a whole day', '2026-11-20T08:00:00Z', '2026-11-21T08:00:00Z'],
    ['a millisecond before midnight', '2026-11-20T07:59:59.999Z', '2026-11-20T08:00:00Z'],
    ['before the clocks go forward: 23 hours', '2026-03-08T08:00:00Z', '2026-03-09T07:00:00Z'],
    ['after the clocks went forward', '2026-03-08T12:00:00Z', '2026-03-09T07:00:00Z'],
    ['before the clocks go back: 25 hours', '2026-11-01T07:00:00Z', '2026-11-02T08:00:00Z'],
    ['in the hour that comes twice', '2026-11-01T09:30:00Z', '2026-11-02T08:00:00Z'],
    ['after the clocks went back', '2026-11-01T20:00:00Z', '2026-11-02T08:00:00Z'],
  ])('is right %s', (_, now, midnight) => {
    expect(msToPacificMidnight(Date.parse(now))).toBe(Date.parse(midnight) - Date.parse(now));
  });

  it('always ends at a moment when the clock there shows midnight', () => {
    const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/Los_Angeles', timeStyle: 'medium' });
    fc.assert(
      fc.property(fc.integer({ min: NOON, max: NOON + 3_000 * DAY }), (now) => {
        const wait = msToPacificMidnight(now);

        expect(wait).toBeGreaterThan(0);
        expect(wait).toBeLessThanOrEqual(25 * HOUR);
        expect(clock.format(now + wait)).toBe('00:00:00');
        expect((now + wait) % 1_000).toBe(0);
      }),
    );
  });
});

describe('pacificDays', () => {
  it.each([
    [
      'the clocks go forward',
      '2026-03-08T12:00:00Z',
      ['2026-03-07T08Z', '2026-03-08T08Z', '2026-03-09T07Z', '2026-03-10T07Z'],
    ],
    [
      'the clocks go back',
      '2026-11-01T12:00:00Z',
      ['2026-10-31T07Z', '2026-11-01T07Z', '2026-11-02T08Z', '2026-11-03T08Z'],
    ],
  ])('start at midnight there, also when %s', (_, now, days) => {
    expect(pacificDays(Date.parse(now))).toEqual(days.map((day) => Date.parse(day.replace('Z', ':00:00Z'))));
  });

  it('are four midnights in a row, of 23 to 25 hours, with now in the second day', () => {
    const clock = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/Los_Angeles', timeStyle: 'medium' });
    fc.assert(
      fc.property(fc.integer({ min: NOON, max: NOON + 3_000 * DAY }), (now) => {
        const days = pacificDays(now);
        const lengths = days.slice(1).map((day, n) => (day - (days[n] ?? 0)) / HOUR);

        expect(days.map((day) => clock.format(day))).toEqual(Array(4).fill('00:00:00'));
        expect(lengths.every((hours) => hours >= 23 && hours <= 25)).toBe(true);
        expect(days[1]).toBeLessThanOrEqual(now);
        expect(days[2]).toBeGreaterThan(now);
      }),
    );
  });
});
