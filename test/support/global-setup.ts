import type { TestProject } from 'vitest/node';
import { startPrivateRedis } from './redis.ts';

declare module 'vitest' {
  // An interface, because vitest merges into it.
  interface ProvidedContext {
    /** Where the Redis of this test run answers. */
    redisUrl: string;
  }
}

/** Brings the one Redis that a test run shares, and ends it with the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const redis = await startPrivateRedis();
  project.provide('redisUrl', redis.url);
  return redis.stop;
}
