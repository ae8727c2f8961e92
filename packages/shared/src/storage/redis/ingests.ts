import type { Redis } from 'ioredis';
import type { Ingests } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** Notes on bodies that are still arriving: a sorted set of each tenant, by the time after which they are over; 0 = condemned. */
export function createRedisIngests({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Ingests {
  const space = keySpace(prefix);
  const keep = loadScript(redis, 'ingest-keep');
  const condemn = loadScript(redis, 'ingests-condemn');
  const key = (tenant: string) => space.of(tenant).ingests;
  return {
    recall: async (tenant, idempotencyKey) => {
      const value = await redis.get(space.of(tenant).batchIdempotency(idempotencyKey));
      const at = value?.indexOf('|') ?? -1;
      return value && at > 0 ? { bodyHash: value.slice(0, at), id: value.slice(at + 1) } : undefined;
    },
    begin: async (tenant, id, until) => {
      await redis.zadd(key(tenant), 'NX', until, id);
    },
    keep: async (tenant, id, until) => (await keep([key(tenant)], [id, until])) === 1,
    condemned: async (tenant, now, limit) => (await condemn([key(tenant)], [now, limit])) as string[],
    forget: async (tenant, id) => {
      await redis.zrem(key(tenant), id);
    },
  };
}
