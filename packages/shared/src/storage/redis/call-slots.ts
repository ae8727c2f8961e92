/** Ended calls as they are counted in Redis: a hash for each tenth of the window, with a field for each kind of end. */

import { type CallCounts, type EpochMs, timeBucket } from '../../domain/index.ts';
import type { CallWindow, EndedCall } from '../../ports/index.ts';
import type { KeySpace } from './keys.ts';

/** Of a window. */
const SLOTS = 10;

/** The keys of the slots of the window that ends now, the newest first; `ttlMs`: how long a slot is wanted. */
export function slotsOf(space: KeySpace, { windowMs, now }: CallWindow): { keys: string[]; ttlMs: number } {
  const slotMs = windowMs / SLOTS;
  const current = Math.floor(now() / slotMs);
  return {
    keys: Array.from({ length: SLOTS }, (_, i) => space.calls(slotMs, current - i)),
    ttlMs: Math.ceil(windowMs + 2 * slotMs),
  };
}

export function formatCall({ channel, model, failed, ms }: EndedCall): string {
  return [channel, model, failed ? 'failed' : 'ok', ms === undefined ? '' : timeBucket(ms)].join('|');
}

/** All slots added up. */
export function countCalls(slots: Record<string, string>[]): CallCounts[] {
  const all = new Map<string, CallCounts & { times: Map<number, number> }>();
  for (const [field, text] of slots.flatMap(Object.entries<string>)) {
    const [channel = '', model = '', how, bucket] = field.split('|');
    const key = `${channel}|${model}`;
    const counts = all.get(key) ?? { channel, model, ended: 0, failed: 0, times: new Map<number, number>() };
    all.set(key, counts);
    const count = Number(text);
    counts.ended += count;
    if (how === 'failed') counts.failed += count;
    if (bucket) counts.times.set(Number(bucket), (counts.times.get(Number(bucket)) ?? 0) + count);
  }
  return [...all.values()];
}

const MINUTE_MS = 60_000;
const HOUR = 60;

/** The minute of an instant: what samples of money in doubt are kept under. */
export function minuteOf(at: EpochMs): number {
  return Math.floor(at / MINUTE_MS);
}

/**
 * What the money in doubt was an hour ago: the last sample of then, so that what came while nobody looked counts, too; or
 * the first one there is.
 *
 * @returns with the samples that nobody needs any more
 */
export function sampleOfHourAgo(
  samples: { minute: number; micros: number }[],
  minute: number,
): { micros: number | undefined; past: number[] } {
  const sorted = samples.toSorted((a, b) => a.minute - b.minute);
  const base = sorted.findLast((one) => one.minute <= minute - HOUR) ?? sorted[0];
  const past = sorted.filter((one) => base && one.minute < base.minute).map((one) => one.minute);
  return { micros: base?.micros, past };
}
