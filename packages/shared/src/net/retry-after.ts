import type { EpochMs } from '../domain/job.ts';

/**
 * How long an answer asks to wait: seconds, or a date of HTTP.
 *
 * @returns whole milliseconds, 0 for what is over; `undefined` for what is neither
 */
export function retryAfterMs(header: string | undefined, now: EpochMs): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  // A date has the name of its month in it: `Date.parse` would take `-5` and `2.5` for years.
  const at = /^[A-Za-z]{3,9},? .*\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
