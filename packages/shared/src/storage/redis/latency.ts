import type { Redis } from 'ioredis';
import type { JobRequest, Lane } from '../../domain/index.ts';
import type { Latency } from '../../ports/index.ts';
import { keySpace } from './keys.ts';

/** Times kept for each lane, model and size; below `ENOUGH` of them the guess stands. */
const KEPT = 200;
const ENOUGH = 20;
/** A figure is good for this long: it is asked for with each submission. */
const FRESH_MS = 10_000;
/** A lane that nobody has used for so long is guessed anew. */
const FORGET_MS = 7 * 86_400_000;

const MINUTE_MS = 60_000;
/**
 * An ordinary call's slow end; and what a provider batch seldom takes, of the provider's own 24 hours. Not its worst day:
 * who is due tomorrow morning would pay double for it, and a batch that is late is moved to the standard lane in time.
 */
const GUESS_MS: Record<Lane, number> = { standard: 2 * MINUTE_MS, batch: 6 * 60 * MINUTE_MS };
/** What is usual, as far as anybody knows before there are figures. */
const USUAL_MS: Record<Lane, number> = { standard: 20_000, batch: 60 * MINUTE_MS };

/** The last times of each lane in Redis, shared by all processes. @see Latency */
export function createRedisLatency(options: { redis: Redis; prefix?: string; now: () => number }): Latency {
  const { redis, prefix = '', now } = options;
  const space = keySpace(prefix);
  const known = new Map<string, { times: number[]; until: number }>();
  /** The last times, sorted; none while there are too few. */
  const timesOf = async (lane: Lane, { model, size }: Pick<JobRequest, 'model' | 'size'>): Promise<number[]> => {
    const key = space.latency(lane, model, size);
    const cached = known.get(key);
    if (cached && cached.until > now()) return cached.times;
    const all = (await redis.lrange(key, 0, -1)).map(Number);
    const times = all.length < ENOUGH ? [] : all.toSorted((a, b) => a - b);
    known.set(key, { times, until: now() + FRESH_MS });
    return times;
  };
  return {
    note: async (lane, { model, size }, ms) => {
      const key = space.latency(lane, model, size);
      await redis
        .multi()
        .lpush(key, Math.round(ms))
        .ltrim(key, 0, KEPT - 1)
        .pexpire(key, FORGET_MS)
        .exec();
    },
    p50Ms: async (lane, request) => percentile(await timesOf(lane, request), 0.5) ?? USUAL_MS[lane],
    p95Ms: async (lane, request) => percentile(await timesOf(lane, request), 0.95) ?? GUESS_MS[lane],
  };
}

function percentile(sorted: number[], share: number): number | undefined {
  return sorted[Math.ceil(sorted.length * share) - 1];
}
