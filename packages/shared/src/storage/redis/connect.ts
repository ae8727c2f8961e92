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

/** Silence after which a connection that has commands out is taken for lost: a third of a lease. */
const SILENCE_MS = 20_000;

/**
 * A connection for work that outlasts an outage: commands wait until Redis is back, and are sent again.
 *
 * A path that swallows packets without a reset would otherwise hold them for minutes, until the kernel gives up.
 * Not for blocking reads, which are silent by nature. @see openBlockingRedis
 */
export function openPatientRedis(url: string, { silenceMs = SILENCE_MS } = {}): Redis {
  return open(url, { socketTimeout: silenceMs });
}

/** The same for commands that block until there is something to read. */
export function openBlockingRedis(url: string): Redis {
  return open(url, {});
}

function open(url: string, options: { socketTimeout?: number }): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    retryStrategy,
    ...options,
  });
  redis.on('error', ignore);
  return redis;
}

/** Never more than a second: leases are held by heartbeats that must resume soon after an outage. */
function retryStrategy(times: number): number {
  return Math.min(1_000, 50 * times);
}

/** Every failed command rejects on its own; without a listener a lost connection would end the process. */
function ignore(): void {}
