import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSlidingWindow } from './sliding-window.ts';

const SPAN = 100;
const moves = fc.array(fc.record({ pass: fc.nat(60), amount: fc.nat(9) }), { maxLength: 80 });

describe('a sliding window', () => {
  it('counts what lies within its span, and nothing else', () => {
    fc.assert(
      fc.property(moves, (steps) => {
        const window = createSlidingWindow(SPAN);
        const entries: { at: number; amount: number }[] = [];
        let now = 0;
        for (const { pass, amount } of steps) {
          now += pass;
          window.add(now, amount);
          entries.push({ at: now, amount });
          const inside = entries.filter(({ at }) => at > now - SPAN);
          expect(window.used(now)).toBe(inside.reduce((sum, entry) => sum + entry.amount, 0));
        }
      }),
    );
  });

  it('names the first instant at which enough of it is gone', () => {
    fc.assert(
      fc.property(moves, fc.nat(60), (steps, rest) => {
        const window = createSlidingWindow(SPAN);
        let now = 0;
        for (const { pass, amount } of steps) {
          now += pass;
          window.add(now, amount);
        }
        const instant = window.downTo(now, rest);

        expect(instant === now || window.used(instant - 1) > rest).toBe(true);
        expect(window.used(instant)).toBeLessThanOrEqual(rest);
      }),
    );
  });

  it('costs no more with 100,000 entries than with one', () => {
    const window = createSlidingWindow(1_000_000);
    for (let i = 0; i < 100_000; i += 1) window.add(i, 1);

    const before = performance.now();
    for (let i = 0; i < 100_000; i += 1) {
      window.used(100_000);
      window.downTo(100_000, i);
    }

    expect(performance.now() - before).toBeLessThan(2_000);
    expect(window.downTo(100_000, 99_000)).toBe(1_000_999);
  });
});
