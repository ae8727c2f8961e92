import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChunkCrashPoint, startForChunkCrashes, surviveInChunk } from '../support/chunk-crash.ts';
import { testRedisUrl } from '../support/redis.ts';
import type { System } from '../support/system.ts';

/** With real processes those two where money hangs by a thread; all steps are died at within one process elsewhere. */
const POINTS: ChunkCrashPoint[] = ['chunk.created', 'chunk.line_settled'];

let systems: System[] = [];
beforeAll(async () => {
  systems = await Promise.all(POINTS.map(() => startForChunkCrashes(testRedisUrl())));
});
afterAll(async () => {
  await Promise.all(systems.map((system) => system[Symbol.asyncDispose]()));
});

describe.concurrent('a SIGKILL', { timeout: 120_000 }, () => {
  it.each(POINTS.map((point, n) => [point, n] as const))(
    'at %s makes no second batch of a chunk, and the ledger is the bill',
    async (point, n) => {
      const system = systems[n];

      expect(system && (await surviveInChunk(point, system))).toMatchObject({ billedLines: 3, jobs: 3 });
    },
  );
});
