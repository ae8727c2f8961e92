import type { Redis } from 'ioredis';
import type { Quote, Quotes } from '../../ports/index.ts';
import { keySpace } from './keys.ts';

/** Quotes in Redis, each gone when it no longer binds. @see Quotes */
export function createRedisQuotes({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Quotes {
  const space = keySpace(prefix);
  return {
    save: async (tenant, quote) => {
      await redis.set(space.of(tenant).quote(quote.id), JSON.stringify(quote), 'PXAT', quote.expiresAt);
    },
    find: async (tenant, id) => {
      const text = await redis.get(space.of(tenant).quote(id));
      // Written by this program from this very type.
      return text === null ? undefined : (JSON.parse(text) as Quote);
    },
  };
}
