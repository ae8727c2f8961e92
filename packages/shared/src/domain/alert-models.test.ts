import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY, NOON } from '../testing/factories.ts';
import type { AlertState } from './alert.ts';
import { tellOfRetirement } from './alert-models.ts';
import { describeAlert } from './alert-words.ts';

const DAYS = [30, 7, 1];
const END = NOON + 100 * DAY;
const old = { model: 'gemini-old', retiresOn: '2027-02-28', retiresAt: END, successor: 'gemini-new' };

/** What is told when it is looked at these times. */
function look(times: number[], days = DAYS) {
  let state: AlertState | undefined;
  return times.flatMap((now) => {
    const telling = tellOfRetirement(old, days, state, now);
    if (telling) state = telling.next;
    return telling ? [{ now, ...telling }] : [];
  });
}

describe('the end of a model', () => {
  it('is told 30, 7 and 1 days before, once each, however it is looked at', () => {
    const times = fc
      .array(fc.integer({ min: 0, max: 120 * DAY }), { maxLength: 80 })
      .map((all) => all.toSorted((a, b) => a - b).map((ms) => NOON + ms));
    fc.assert(
      fc.property(times, (all) => {
        const told = look(all);
        const steps = told.map(({ note }) => note.threshold ?? 0);

        expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => b - a));
        for (const { now, note } of told) expect(END - now).toBeLessThanOrEqual((note.threshold ?? 0) * DAY);
        const seen = DAYS.filter((step) => all.some((now) => now >= END - step * DAY));
        expect(steps.at(-1)).toBe(seen.at(-1));
      }),
    );
  });

  it('is told with the day and the successor', () => {
    const [first] = look([END - 30 * DAY]);

    expect(first).toMatchObject({
      type: 'model.retiring',
      subject: { alert: 'model_retirement', model: 'gemini-old' },
    });
    expect(first?.note).toMatchObject({ value: 30, threshold: 30, retiresOn: '2027-02-28', successor: 'gemini-new' });
    expect(first && describeAlert(first.note, false)).toBe(
      'gemini-old is in use and ends on 2027-02-28, in 30 days. Move to gemini-new.',
    );
  });

  it('is told once when nobody looked until it was over', () => {
    const told = look([END + 20 * DAY, END + 40 * DAY]);

    expect(told.map(({ note }) => note.value)).toEqual([-20]);
    expect(told[0] && describeAlert(told[0].note, false)).toContain('was to end on 2027-02-28');
  });

  it('is told anew when the day is moved', () => {
    const [told] = look([END - DAY]);
    const moved = { ...old, retiresOn: '2027-03-07', retiresAt: END + 7 * DAY };

    expect(tellOfRetirement(moved, DAYS, told?.next, END)?.note).toMatchObject({ threshold: 7 });
  });

  it('is not told when no days are set', () => {
    expect(look([END], [])).toEqual([]);
  });
});
