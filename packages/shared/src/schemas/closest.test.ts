import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closest } from './closest.ts';

const FIELDS = ['prompt', 'model', 'size', 'aspect_ratio', 'seed', 'tags', 'max_cost'];
const word = fc.stringMatching(/^[a-z]{6,20}$/);

describe('closest', () => {
  it.each([
    ['aspectRatio', 'aspect_ratio'],
    ['aspect-ratio', 'aspect_ratio'],
    ['asepct_ratio', 'aspect_ratio'],
    ['PROMPT', 'prompt'],
    ['promt', 'prompt'],
    ['promtp', 'prompt'],
    ['tag', 'tags'],
    ['maxCosts', 'max_cost'],
  ])('takes %s for %s', (asked, meant) => {
    expect(closest(asked, FIELDS)).toBe(meant);
  });

  it.each(['', '_', 'n', 'tg', 'negative_prompt', 'constructor', '__proto__', 'x'.repeat(10_000), '\u{1f375}'])(
    'takes %j for nothing',
    (asked) => {
      expect(closest(asked, FIELDS)).toBeUndefined();
    },
  );

  it('takes a short word only for itself in another case', () => {
    expect(closest('1k', ['1K', '2K', '4K'])).toBe('1K');
    expect(closest('3K', ['1K', '2K', '4K'])).toBeUndefined();
  });

  it('prefers the nearest, then the first', () => {
    expect(closest('lanes', ['planes', 'lanes2', 'lanes'])).toBe('lanes');
    expect(closest('lanes', ['planes', 'lanesx'])).toBe('planes');
  });

  it('forgives any one slip', () => {
    const slip = fc.record({ meant: word, at: fc.nat(), how: fc.nat(3), letter: fc.constantFrom('q', 'z') });
    fc.assert(
      fc.property(slip, ({ meant, at, how, letter }) => {
        const n = at % (meant.length - 1);
        const [head, one, two, tail] = [meant.slice(0, n), meant[n], meant[n + 1], meant.slice(n + 2)];
        const slips = [`${head}${two}${tail}`, `${head}${letter}${one}${two}${tail}`];
        const asked = [...slips, `${head}${letter}${two}${tail}`, `${head}${two}${one}${tail}`][how] ?? '';

        expect(closest(asked, [meant])).toBe(meant);
      }),
    );
  });
});
