import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { inject } from 'vitest';
import { cacheFolder } from '../../scripts/lib/files.mjs';
import { bringRedis, type OwnRedis, type RedisOptions } from '../../scripts/redis.mjs';

/** The Redis that all test files share; each test takes a key prefix of its own. */
export function testRedisUrl(): string {
  return inject('redisUrl');
}

/** A Redis of the caller's own, for tests that kill, stop or fill it. */
export type PrivateRedis = AsyncDisposable & OwnRedis & { url: string; dataDir: string; stop: () => Promise<void> };

/**
 * Starts a private Redis as production runs it: AOF `always`, `noeviction`.
 *
 * @param options `dataDir`: keep the data there; without it the data goes away with the server
 */
export async function startPrivateRedis(
  options: Partial<Pick<RedisOptions, 'dataDir' | 'maxMemory' | 'orphanMs'>> = {},
): Promise<PrivateRedis> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'darkroom-redis-')));
  const redis = await bringRedis({ ...options, dataDir, cacheDir: await cacheFolder(process.env) });
  const { own } = redis;
  if (!own) throw new Error('a private Redis was asked for');
  const stop = async () => {
    await redis.stop();
    if (!options.dataDir) await rm(dataDir, { recursive: true, force: true });
  };
  return {
    url: redis.url,
    dataDir,
    get pid() {
      return own.pid;
    },
    get exited() {
      return own.exited;
    },
    kill: own.kill,
    restart: own.restart,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
