import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY, HOUR, NOON } from '../testing/factories.ts';
import { type AlertState, type Observation, standingOf, type Telling, tellOf } from './alert.ts';

const THRESHOLD = 10;
const SOME = { alert: 'queue_age', threshold: THRESHOLD } as const;

type Told = Telling & { at: number; value: number | undefined };

/** Looks at figures one after the other; `undefined` = nobody knows. */
function watch(figures: { value: number | undefined; afterMs: number }[]) {
  let state: AlertState | undefined;
  let now = NOON;
  const told: Told[] = [];
  for (const { value, afterMs } of figures) {
    now += afterMs;
    const seen = seenAs(value);
    const telling = tellOf(seen, state, now);
    if (!telling) continue;
    told.push({ ...telling, at: now, value });
    state = telling.next;
  }
  return told;
}

function seenAs(value: number | undefined): Observation {
  return { ...SOME, value: value ?? 0, standing: value === undefined ? 'unknown' : standingOf(value, THRESHOLD) };
}

const figures = fc.array(
  fc.record({
    value: fc.option(fc.double({ min: 0, max: 2 * THRESHOLD, noNaN: true }), { nil: undefined }),
    afterMs: fc.integer({ min: 1, max: 10 * HOUR }),
  }),
  { maxLength: 60 },
);

describe('an alert, whatever its figure does,', () => {
  it('is raised first, may be told again, and is resolved before it is raised anew', () => {
    fc.assert(
      fc.property(figures, (course) => {
        const told = watch(course).map(({ type, note }) => (note.again ? 'again' : type));

        expect(told.join(' ')).toMatch(/^(alert\.raised( again)*( alert\.resolved( |$)|$))*$/);
      }),
    );
  });

  it('is raised above its threshold alone, and resolved only well below it', () => {
    fc.assert(
      fc.property(figures, (course) => {
        const isRight = ({ type, note, value = 0 }: Told) =>
          type === 'alert.resolved' ? value <= 0.7 * THRESHOLD : note.again || value > THRESHOLD;

        expect(watch(course).filter((one) => !isRight(one))).toEqual([]);
      }),
    );
  });

  it('is told again after a day at the earliest, with the time since when it lasts', () => {
    fc.assert(
      fc.property(figures, (course) => {
        const told = watch(course);
        const isRight = ({ note, at }: Told, i: number) => {
          const before = told[i - 1];
          if (!before?.next.raised) return note.since === at && !note.again;
          return note.since === before.note.since && (!note.again || at - before.at >= DAY);
        };

        expect(told.filter((one, i) => !isRight(one, i))).toEqual([]);
      }),
    );
  });

  it('is told of once, however often the same figure is looked at, and each time as a version of its own', () => {
    fc.assert(
      fc.property(figures, (course) => {
        const twice = course.flatMap((one) => [one, { ...one, afterMs: 0 }]);

        expect(watch(twice)).toEqual(watch(course));
        expect(watch(course).map(({ next }) => next.version)).toEqual(watch(course).map((_, i) => i + 1));
      }),
    );
  });

  it('changes by nothing while there are no figures', () => {
    const [raised] = watch([{ value: 11, afterMs: 0 }]);

    expect(tellOf(seenAs(undefined), raised?.next, NOON + 9 * DAY)).toBeUndefined();
    expect(tellOf(seenAs(undefined), undefined, NOON)).toBeUndefined();
  });
});
