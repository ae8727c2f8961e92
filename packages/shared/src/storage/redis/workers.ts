import type { Redis } from 'ioredis';
import type { Workers } from '../../ports/index.ts';
import { keySpace } from './keys.ts';

/** Some beats long: a slow one is no death. */
const LIVE_MS = 10_000;

/** One key per worker, which ends with it, and a set of their names. */
export function createRedisWorkers({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Workers {
  const space = keySpace(prefix);
  return {
    beat: async (id, { spoolFull }) => {
      await redis.set(space.worker(id), spoolFull ? 'full' : 'ok', 'PX', LIVE_MS);
      await redis.sadd(space.workers, id);
    },
    live: async () => {
      const ids = await redis.smembers(space.workers);
      const states = ids.length ? await redis.mget(ids.map(space.worker)) : [];
      const gone = ids.filter((_, i) => states[i] === null);
      if (gone.length) await redis.srem(space.workers, gone); // One that lives after all adds itself again.
      return ids.flatMap((id, i) => (typeof states[i] === 'string' ? [{ id, spoolFull: states[i] === 'full' }] : []));
    },
  };
}
