import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicros, parseMicros } from './money.ts';

describe('money', () => {
  it.each([
    [0, '0.00'],
    [1, '0.000001'],
    [40_000, '0.04'],
    [134_000, '0.134'],
    [300_000, '0.30'],
    [1_000_000, '1.00'],
    [1_234_567, '1.234567'],
    [-36_100, '-0.0361'],
  ])('writes %i micro-dollars as %s', (micros, text) => {
    expect(formatMicros(micros)).toBe(text);
  });

  it.each([
    ['0', 0],
    ['7', 7_000_000],
    ['0.3', 300_000],
    ['007.50', 7_500_000],
    ['999999999.999999', 999_999_999_999_999],
  ])('reads %s dollars', (text, micros) => {
    expect(parseMicros(text)).toBe(micros);
  });

  it.each([
    '',
    '.',
    '.5',
    '5.',
    '-1',
    '+1',
    '1e3',
    '0x10',
    '1,50',
    ' 1',
    '1\n',
    '$1',
    '1.0000001',
    '1234567890',
    '１',
    'NaN',
    'Infinity',
  ])('refuses %j', (text) => {
    expect(parseMicros(text)).toBeUndefined();
  });

  it('reads back what it wrote, exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999_999_999 }), (micros) => {
        expect(parseMicros(formatMicros(micros))).toBe(micros);
      }),
    );
  });

  it('takes no text for money that is not a plain decimal', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const micros = parseMicros(text);

        expect(micros === undefined).toBe(!/^[0-9]{1,9}(\.[0-9]{1,6})?$/.test(text));
        expect(micros ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
