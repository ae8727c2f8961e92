import { Redis } from 'ioredis';

/**
 * A connection for requests that somebody waits for: fails within two seconds instead of queueing.
 *
 * A command whose reply was lost is sent again, so only commands that may run twice go over it.
 */
export async function openRequestRedis(url: string): Promise<Redis> {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 2_000,
    retryStrategy,
  });
  redis.on('error', ignore);
  await redis.connect();
  return redis;
}

/** A connection for work that outlasts an outage: commands wait until Redis is back. */
export function openPatientRedis(url: string): Redis {
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, connectTimeout: 5_000, retryStrategy });
  redis.on('error', ignore);
  return redis;
}

/** Never more than a second: leases are held by heartbeats that must resume soon after an outage. */
function retryStrategy(times: number): number {
  return Math.min(1_000, 50 * times);
}

/** Every failed command rejects on its own; without a listener a lost connection would end the process. */
function ignore(): void {}
