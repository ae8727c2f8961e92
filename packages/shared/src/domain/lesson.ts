/** What a refusal by a limit teaches about the limits of a place. Pure. */

import type { QuotaHit, Verdict } from './verdict.ts';

type LearntWindow = 'requests' | 'images' | 'tokens' | 'day' | 'spend';

export type Lesson =
  /**
   * `limit` = the provider named its value; without it the limit is what was used when the refused call left.
   * `retryAfterMs` = the window is closed for so long, whatever was used. `spend` holds for the whole channel.
   */
  | { type: 'limit'; window: LearntWindow; limit?: number; retryAfterMs?: number }
  | {
      /** Nobody calls for so long. `parked` = for so long that it is worth telling. */
      type: 'pause';
      /** `day_end` = until the day of the place is over, by the clock that its quotas are kept by. */
      ms: number | 'day_end';
      /** It doubles with each refusal that follows a pause, up to this. */
      growsToMs?: number;
      reason: 'rate_limited' | 'parked';
      why: string;
    };

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Nobody waits that long: somebody has to do something, and resumes the place. */
const OUT_MS = 30 * 24 * HOUR_MS;

/**
 * The lessons of a verdict, all of which hold; none when no limit was hit.
 *
 * A day's limit outweighs a minute's, and its short delays are not believed: it waits for the end of the day unless more
 * than an hour was asked for. A limit nobody named may be anything: 1, 2, 4 … minutes, at most an hour.
 */
export function lessonOf(verdict: Verdict): Lesson[] {
  if (verdict.type !== 'rejected') return [];
  const { limit, none, quotas = [], retryAfterMs, quotaId } = verdict;
  if (none) return [pause(OUT_MS, 'parked', `the limit is 0: ${quotaId ?? 'the model is not offered here'}`)];
  const wait = retryAfterMs !== undefined && { retryAfterMs: Math.max(SECOND_MS, retryAfterMs) };
  if (!limit) return [];
  switch (limit) {
    case 'minute':
      return minuteLessons(quotas, wait || {});
    case 'day':
      return dayLessons(quotas, retryAfterMs);
    case 'spend':
      return [{ type: 'limit', window: 'spend', retryAfterMs: 2 * MINUTE_MS, ...wait }];
    case 'overload':
      return wait ? [pause(Math.min(MINUTE_MS, wait.retryAfterMs), 'rate_limited', 'overloaded')] : [];
    case 'unknown':
      return [unknownLimit(verdict, wait ? wait.retryAfterMs : undefined)];
  }
}

/** A limit whose name says not of what is one of requests. */
function minuteLessons(quotas: QuotaHit[], wait: { retryAfterMs?: number }): Lesson[] {
  return quotas
    .filter(({ per }) => per === 'minute')
    .map(({ of = 'requests', value }) => ({ type: 'limit', window: of, ...limitNamed(value), ...wait }));
}

function dayLessons(quotas: QuotaHit[], retryAfterMs: number | undefined): Lesson[] {
  const day = quotas.find(({ per, of }) => per === 'day' && (of === undefined || of === 'requests'));
  const named = quotas.find(({ per }) => per === 'day');
  const ms = retryAfterMs !== undefined && retryAfterMs > HOUR_MS ? retryAfterMs : 'day_end';
  const until = pause(ms, 'parked', `the day's limit: ${named?.id ?? 'unnamed'}`);
  return day ? [{ type: 'limit', window: 'day', ...limitNamed(day.value) }, until] : [until];
}

function unknownLimit({ shared, quotas = [] }: Rejected, retryAfterMs: number | undefined): Lesson {
  if (retryAfterMs !== undefined) return pause(retryAfterMs, 'rate_limited', quotas[0]?.id ?? 'a limit without a name');
  if (shared) return growing(2 * SECOND_MS, MINUTE_MS, 'capacity that everybody shares');
  const hour = quotas.find(({ per }) => per === 'hour');
  if (hour) return growing(5 * MINUTE_MS, HOUR_MS, `the hour's limit: ${hour.id ?? 'unnamed'}`);
  return growing(MINUTE_MS, HOUR_MS, quotas[0]?.id ?? 'a limit without a name');
}

type Rejected = Extract<Verdict, { type: 'rejected' }>;

function limitNamed(value: number | undefined): { limit?: number } {
  return value === undefined ? {} : { limit: value };
}

function pause(ms: number | 'day_end', reason: 'rate_limited' | 'parked', why: string): Lesson {
  return { type: 'pause', ms, reason, why };
}

function growing(ms: number, growsToMs: number, why: string): Lesson {
  return { type: 'pause', ms, growsToMs, reason: 'rate_limited', why };
}
