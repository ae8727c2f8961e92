import { describe, expect, it } from 'vitest';
import { parseDeadline, parsePast } from './deadline.ts';

const noon = new Date(2026, 10, 20, 12, 0, 0);
const local = (day: number, hour: number, minute = 0) => new Date(2026, 10, day, hour, minute).toISOString();

describe('a deadline', () => {
  it.each([
    ['18:30', local(20, 18, 30)],
    ['7:00', local(21, 7)],
    ['12:00', local(21, 12)],
    ['8h', local(20, 20)],
    ['2d', local(22, 12)],
    ['90m', local(20, 13, 30)],
    ['2026-11-21T06:00:00Z', '2026-11-21T06:00:00.000Z'],
    ['2026-11-21T06:00:00+02:00', '2026-11-21T04:00:00.000Z'],
  ])('of %s is %s', (text, instant) => {
    expect(parseDeadline(text, noon)).toBe(instant);
  });

  it.each(['', 'tomorrow', '25:00', '8', '8 h', '2026-11-21', '2026-13-01T00:00:00Z'])('of "%s" is refused', (text) => {
    expect(() => parseDeadline(text, noon)).toThrow(/07:00/);
  });
});

describe('a time that is past', () => {
  it.each([
    ['8h', local(20, 4)],
    ['2d', local(18, 12)],
    ['90m', local(20, 10, 30)],
    ['2026-11-20T06:00:00+02:00', '2026-11-20T04:00:00.000Z'],
  ])('of %s is %s', (text, instant) => {
    expect(parsePast('--since', text, noon)).toBe(instant);
  });

  it.each(['', 'yesterday', '07:00', '2026-11-20'])('of "%s" is refused by its option', (text) => {
    expect(() => parsePast('--since', text, noon)).toThrow(/^--since .*: say a span such as 1h/);
  });
});
