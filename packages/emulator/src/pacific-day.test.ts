import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPacificCalendar, pacificDay } from './pacific-day.ts';

const HOUR = 3_600_000;

describe('a day in California', () => {
  it.each([
    ['2026-11-20T20:00:00Z', '2026-11-20', '2026-11-21T08:00:00Z'],
    ['2026-07-01T06:59:59Z', '2026-06-30', '2026-07-01T07:00:00Z'],
    // Clocks go forward on the 8th of March, and back on the 1st of November.
    ['2026-03-08T08:00:00Z', '2026-03-08', '2026-03-09T07:00:00Z'],
    ['2026-03-08T23:00:00Z', '2026-03-08', '2026-03-09T07:00:00Z'],
    ['2026-11-01T07:00:00Z', '2026-11-01', '2026-11-02T08:00:00Z'],
    ['2026-11-01T09:30:00Z', '2026-11-01', '2026-11-02T08:00:00Z'],
  ])('at %s is %s and ends at %s', (at, date, endsAt) => {
    expect(pacificDay(Date.parse(at))).toEqual({ date, endsAt: Date.parse(endsAt) });
  });

  it('ends within 25 hours, at an instant that belongs to the next', () => {
    const from = Date.parse('2020-01-01T00:00:00Z');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 * 365 * 24 * HOUR }), (span) => {
        const { date, endsAt } = pacificDay(from + span);

        expect(endsAt - (from + span)).toBeGreaterThan(0);
        expect(endsAt - (from + span)).toBeLessThanOrEqual(25 * HOUR);
        expect(pacificDay(endsAt - 1).date).toBe(date);
        expect(pacificDay(endsAt).date > date).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same when it was asked for before', () => {
    const dayOf = createPacificCalendar();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3_000 }), (hours) => {
        const at = Date.parse('2026-01-01T00:00:00Z') + hours * HOUR;
        expect(dayOf(at)).toEqual(pacificDay(at));
      }),
    );
  });
});
