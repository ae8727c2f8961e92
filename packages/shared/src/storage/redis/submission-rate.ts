import type { Redis } from 'ioredis';
import type { SubmissionLeave, SubmissionRate } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** A sliding minute in slots of a second, so that it takes the same room whatever the limit. @see SubmissionRate */
export function createRedisSubmissionRate(options: { redis: Redis; prefix?: string }): SubmissionRate {
  const { redis, prefix = '' } = options;
  const space = keySpace(prefix);
  const count = loadScript(redis, 'count-submission');
  return {
    take: async (key, perMinute): Promise<SubmissionLeave> => {
      const answer = (await count([space.submissions(key)], [perMinute])) as [number, number, number];
      const [granted, remaining, resetMs] = answer;
      return { granted: granted === 1, remaining, resetMs };
    },
  };
}
