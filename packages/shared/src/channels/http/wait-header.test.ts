import { describe, expect, it } from 'vitest';
import { waitHeader } from './wait-header.ts';

const date = 'Sat, 21 Nov 2026 12:00:00 GMT';
const at = Date.parse(date);

describe('the wait that headers ask for', () => {
  it.each([
    ['seconds', { 'retry-after': '34' }, '34'],
    ['a date', { date, 'retry-after': 'Sat, 21 Nov 2026 12:01:30 GMT' }, '90'],
    ['milliseconds, the finer word', { 'retry-after-ms': '1200', 'retry-after': '5' }, '2'],
    [
      'an instant in milliseconds',
      { date, 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(at + 42_000) },
      '42',
    ],
    ['an instant in seconds', { date, 'x-ratelimit-reset': String(at / 1_000 + 7) }, '7'],
    ['seconds from now', { 'x-ratelimit-reset': '12.5' }, '13'],
    ['spans', { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '1m30s' }, '90'],
    ['what is over', { date, 'x-ratelimit-reset': String(at - 5_000) }, '0'],
    ['no longer than a week', { 'retry-after': '99999999' }, '604800'],
  ])('may be said in %s', (_, headers, seconds) => {
    expect(waitHeader(headers)).toBe(seconds);
  });

  it('is the longest of the limits that are used up, and none of those that have room', () => {
    const headers = {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '20ms',
      'x-ratelimit-remaining-images': '0',
      'x-ratelimit-reset-images': '12s',
      'x-ratelimit-remaining-tokens': '4000',
      'x-ratelimit-reset-tokens': '6h',
    };

    expect(waitHeader(headers)).toBe('12');
  });

  it.each([
    [{}],
    [{ 'retry-after': date }],
    [{ 'x-ratelimit-reset': String(at) }],
    [{ 'retry-after': 'soon' }],
    [{ 'x-ratelimit-reset': '1'.repeat(100) }],
    [{ 'x-ratelimit-reset': '-3' }],
  ])('is none in %j', (headers) => {
    expect(waitHeader(headers)).toBeUndefined();
  });
});
