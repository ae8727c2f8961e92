/** The ground a group stands on: a folder, a Redis as in production, and Darkroom's programs on them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { cacheFolder } from '../../../scripts/lib/files.mjs';
import { bringRedis } from '../../../scripts/redis.mjs';
import { type Child, startChild } from './child.ts';

export const API_KEY = 'dk_bench_0123456789abcdef';
export const BENCH_SECRET = 'a secret of the bench that is long enough';

export type Stand = AsyncDisposable & {
  folder: string;
  redisUrl: string;
  redis: Redis;
  /** Starts a program of the bench or of Darkroom, ended with the stand. */
  start(path: string, name: string, env?: NodeJS.ProcessEnv): Child;
  /** Starts an API; resolves with its address too. */
  startApi(): Promise<{ child: Child; url: string }>;
  startWorker(options: { gemini: string; concurrency: number; env?: NodeJS.ProcessEnv }): Promise<Child>;
};

/** Everything in it goes away when it is disposed. */
export async function openStand(): Promise<Stand> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-bench-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const server = opened.use(await bringRedis({ dataDir: folder, cacheDir: await cacheFolder(process.env) }));
  const redis = opened.adopt(new Redis(server.url), (client) => client.disconnect());
  const programs = opened.use(new AsyncDisposableStack());
  const env = {
    REDIS_URL: server.url,
    DARKROOM_SECRET: BENCH_SECRET,
    DARKROOM_DATA: folder,
    STORAGE_URL: `file:${join(folder, 'objects')}`,
  };
  const start: Stand['start'] = (path, name, more = {}) =>
    programs.use(startChild(path, { name, folder, env: { ...env, ...more } }));
  const stand = {
    folder,
    redisUrl: server.url,
    redis,
    start,
    startApi: async () => {
      const child = start('../../../apps/api/src/main.ts', 'api', { PORT: '0', DARKROOM_API_KEY: API_KEY });
      return { child, url: await child.printed(/"url":"(http[^"]+)"[^\n]*api\.listening/) };
    },
    startWorker: async ({ gemini, concurrency, env: more = {} }: Parameters<Stand['startWorker']>[0]) => {
      const child = start('../../../apps/worker/src/main.ts', 'worker', {
        GEMINI_API_KEY: 'bench',
        GEMINI_BASE_URL: gemini,
        WORKER_CONCURRENCY: String(concurrency),
        WORKER_ROLES: 'standard',
        // As `npm start` and the image set it.
        NODE_OPTIONS: '--max-semi-space-size=8',
        ...more,
      });
      await child.printed(/worker\.listening/);
      return child;
    },
  };
  const owned = opened.move();
  return { ...stand, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
