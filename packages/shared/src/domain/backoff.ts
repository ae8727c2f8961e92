/** How long to wait before the next attempt. */

import type { EpochMs } from './job.ts';
import type { LimitScope } from './verdict.ts';

const BASE_MS = 1_000;
const CAP_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A provider that names no time at all must not be asked again in a tight loop. */
const LIMIT_MIN_MS = 1_000;

/**
 * Exponential backoff with full jitter.
 *
 * @param attempt attempts made so far, 1-based: 1 means the first has just failed
 * @param random uniform in [0, 1)
 * @returns whole milliseconds in [0, min(60 s, 1 s × 2^(attempt − 1)))
 * @throws RangeError when `attempt` is not a positive integer
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export function backoffDelay(attempt: number, random: () => number): number {
  if (!Number.isInteger(attempt) || attempt < 1) throw new RangeError(`attempt must be a positive integer: ${attempt}`);
  return Math.floor(random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt - 1, 30)));
}

/**
 * How long a limit answer keeps everyone away from a model.
 *
 * The provider's own delay wins, save for a daily quota: those answers can carry a short delay that is not true, so
 * they wait for the reset (midnight Pacific) unless more than an hour was named. A 429 waits at least a second.
 *
 * @param refusals limit answers in a row, 1-based: a limit of unknown scope waits 1, 2, 4 … minutes, at most an hour
 */
export function limitDelay(
  scope: LimitScope,
  retryAfterMs: number | undefined,
  refusals: number,
  now: EpochMs,
): number {
  switch (scope) {
    case 'minute':
      return Math.max(LIMIT_MIN_MS, retryAfterMs ?? 30_000);
    case 'spend':
      return Math.max(LIMIT_MIN_MS, retryAfterMs ?? 120_000);
    case 'day':
      return retryAfterMs !== undefined && retryAfterMs > HOUR_MS ? retryAfterMs : msToPacificMidnight(now);
    case 'overload':
      return retryAfterMs ?? 0;
    case 'unknown':
      return Math.max(LIMIT_MIN_MS, retryAfterMs ?? Math.min(HOUR_MS, 60_000 * 2 ** Math.min(refusals - 1, 10)));
  }
}

const PACIFIC = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/Los_Angeles',
  hourCycle: 'h23',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
});

/** Milliseconds to the next midnight in Los Angeles, when daily quotas start anew. */
export function msToPacificMidnight(now: EpochMs): number {
  const ahead = DAY_MS - sincePacificMidnight(now);
  // A day on which the clocks change has 23 or 25 hours: what the clock there shows at that moment is the error.
  const shown = sincePacificMidnight(now + ahead);
  return shown > DAY_MS / 2 ? ahead + DAY_MS - shown : ahead - shown;
}

/** The starts of four days in Los Angeles, in order; `now` lies in the second of them. */
export function pacificDays(now: EpochMs): [EpochMs, EpochMs, EpochMs, EpochMs] {
  const next = now + msToPacificMidnight(now);
  const after = next + msToPacificMidnight(next);
  // Three days before the end of a day lies in the one that ended two days before it, whether one of them is shorter or not.
  const before = next - 3 * DAY_MS + 2 * HOUR_MS;
  const first = before + msToPacificMidnight(before);
  return [first, first + msToPacificMidnight(first), next, after];
}

/** What the clock in Los Angeles shows at `at`, in ms. */
function sincePacificMidnight(at: EpochMs): number {
  const parts = PACIFIC.formatToParts(at);
  const part = (type: string) => Number(parts.find((p) => p.type === type)?.value);
  return ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1_000 + (at % 1_000);
}
