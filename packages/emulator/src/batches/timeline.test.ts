import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Course } from '../faults/course.ts';
import { createRandom } from '../random.ts';
import { cancel, isOver, linesDone, plot, stateAt } from './timeline.ts';

const LIFE_MS = 1_000_000;

const courses: fc.Arbitrary<Course> = fc.record(
  {
    ends: fc.constantFrom('succeeded', 'failed', 'cancelled', 'expired', 'never'),
    pendingMs: fc.nat(LIFE_MS * 2),
    runningMs: fc.nat(LIFE_MS * 2),
    done: fc.double({ min: 0, max: 1, noNaN: true }),
  },
  { requiredKeys: [] },
);
const timelines = fc
  .tuple(courses, fc.nat(), fc.string())
  .map(([course, createdAt, seed]) =>
    plot(course, createdAt, { turnaroundMs: 300_000, spread: 0.5, lifeMs: LIFE_MS, random: createRandom(seed) }),
  );

describe('a timeline', () => {
  it('goes from PENDING over RUNNING to one end, and answers lines only on its way', () => {
    fc.assert(
      fc.property(timelines, fc.nat(2 * LIFE_MS), fc.nat(LIFE_MS), fc.nat(100), (timeline, early, more, lines) => {
        const [then, now] = [timeline.createdAt + early, timeline.createdAt + early + more];
        const rank = (instant: number) => ['PENDING', 'RUNNING'].indexOf(stateAt(timeline, instant)) >>> 0;

        expect(rank(now)).toBeGreaterThanOrEqual(rank(then));
        expect(linesDone(timeline, now, lines)).toBeLessThanOrEqual(rank(now) === 0 ? 0 : lines);
        const lastMs = timeline.endsAt - timeline.createdAt;
        expect(lastMs === Number.POSITIVE_INFINITY || lastMs <= LIFE_MS).toBe(true);
      }),
    );
  });

  it('keeps what was answered when it is cancelled', () => {
    fc.assert(
      fc.property(timelines, fc.nat(2 * LIFE_MS), fc.integer({ min: 1, max: 20_000 }), (timeline, ms, lines) => {
        const now = timeline.createdAt + ms;

        const cancelled = cancel(timeline, now, lines);

        expect(isOver(cancelled, now)).toBe(true);
        expect(linesDone(cancelled, now, lines)).toBe(linesDone(timeline, now, lines));
      }),
    );
  });
});
