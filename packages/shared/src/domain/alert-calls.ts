/** How calls went lately, as alerts see it. Pure. */

import { type Observation, type Standing, standingOf } from './alert.ts';
import type { AttemptEnd } from './attempt-end.ts';

/** Calls of one model through one channel that ended within the window. */
export type CallCounts = {
  channel: string;
  model: string;
  ended: number;
  failed: number;
  /** Those of which the time says something, by `timeBucket`. */
  times: ReadonlyMap<number, number>;
};

/** Fewer calls than these say nothing. */
const CALLS_MIN = 20;
/** Nor do fewer of the bad ones: of twenty calls, one is 5 %. */
const BAD_MIN = 3;
/** The share of calls that may be slower than the p99. */
const SLOW_SHARE = 0.01;
/** Of a doubling; so a time is known to 4.5 %. */
const BUCKETS = 8;

/** The bucket of a time in ms, at least 1. */
export function timeBucket(ms: number): number {
  return Math.round(BUCKETS * Math.log2(Math.max(1, ms)));
}

/** The time that stands for a bucket. */
function timeOf(bucket: number): number {
  return 2 ** (bucket / BUCKETS);
}

/**
 * Whether an ended call is counted, and how: refused prompts are answers like others; a limit that was hit is no error, as
 * it costs nothing and the job waits.
 */
export function callCountsAs(end: AttemptEnd): 'ok' | 'failed' | 'nothing' {
  if (end.type === 'image') return 'ok';
  if (end.type === 'refused') return end.code === 'content_blocked' ? 'ok' : 'failed';
  if (end.type !== 'rejected') return 'failed';
  const { code } = end.verdict;
  return code === 'upstream_rate_limited' || code === 'upstream_quota_exhausted' ? 'nothing' : 'failed';
}

/** @param threshold the share of calls that may fail, of 1 */
export function errorRate({ channel, model, ended, failed }: CallCounts, threshold: number): Observation {
  const value = ended ? failed / ended : 0;
  return { alert: 'error_rate', channel, model, value, threshold, standing: standingOfBad(failed, ended, threshold) };
}

/** @param threshold the time that one call in a hundred may exceed, in seconds */
export function latencyP99({ channel, model, times }: CallCounts, threshold: number): Observation {
  const counted = [...times];
  const all = counted.reduce((sum, [, count]) => sum + count, 0);
  const slow = counted.reduce((sum, [bucket, count]) => (isSlower(bucket, threshold) ? sum + count : sum), 0);
  const value = timePercentile(times, 1 - SLOW_SHARE) / 1_000;
  const standing = standingOfBad(slow, all, SLOW_SHARE);
  return { alert: 'latency_p99', channel, model, value, threshold, standing };
}

function isSlower(bucket: number, seconds: number): boolean {
  return timeOf(bucket) > seconds * 1_000;
}

/** The time that this share of calls did not exceed, in whole ms; 0 when there are none. @param times by `timeBucket` */
export function timePercentile(times: ReadonlyMap<number, number>, share: number): number {
  const ranked = [...times].toSorted(([a], [b]) => a - b);
  let rest = Math.ceil(ranked.reduce((sum, [, count]) => sum + count, 0) * share);
  for (const [bucket, count] of ranked) {
    rest -= count;
    if (rest <= 0) return Math.round(timeOf(bucket));
  }
  return 0;
}

/** With few calls, an alert neither begins nor ends by a share: it ends once there are some, and none of them is bad. */
function standingOfBad(bad: number, all: number, share: number): Standing {
  if (all === 0) return 'unknown';
  if (all < CALLS_MIN) return bad === 0 && all >= BAD_MIN ? 'clear' : 'near';
  const standing = standingOf(bad / all, share);
  return standing === 'over' && bad < BAD_MIN ? 'near' : standing;
}
