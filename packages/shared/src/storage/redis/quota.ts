import type { Redis } from 'ioredis';
import type { Leave, Quota } from '../../ports/quota.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** One requests-per-minute allowance per channel and model, shared by all workers through Redis. */
export function createRedisQuota(options: {
  redis: Redis;
  prefix?: string;
  /** 0 = no limit of our own; the provider's refusals still pause everyone. */
  requestsPerMinute: number;
}): Quota {
  const { redis, prefix = '', requestsPerMinute } = options;
  const space = keySpace(prefix);
  const take = loadScript(redis, 'take');
  const pause = loadScript(redis, 'pause');
  const interval = requestsPerMinute > 0 ? 60_000 / requestsPerMinute : 0;

  return {
    take: async (channel, model): Promise<Leave> => {
      const keys = [space.pace(channel, model), space.pause(channel, model)];
      const [wait, reason] = (await take(keys, [interval])) as [number, string?];
      if (wait <= 0) return { granted: true };
      return { granted: false, retryAfterMs: wait, reason: parseReason(reason) };
    },
    pause: async (channel, model, ms, reason) => {
      await pause([space.pause(channel, model)], [Math.max(1, Math.ceil(ms)), reason]);
    },
    paused: async (channel, model) => {
      const key = space.pause(channel, model);
      const [ms, reason] = await Promise.all([redis.pttl(key), redis.get(key)]);
      return ms > 0 && reason ? { ms, reason: parseReason(reason) } : undefined;
    },
    resume: async (channel, model) => (await redis.del(space.pause(channel, model))) === 1,
  };
}

function parseReason(reason: string | undefined): 'rate_limited' | 'parked' {
  return reason === 'parked' ? 'parked' : 'rate_limited';
}
