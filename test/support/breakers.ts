/** Breakers over a real Redis whose cool-downs a test can let be over. */

import { randomUUID } from 'node:crypto';
import type { CallEnd, Place, Transition } from '@darkroom/shared/domain';
import type { Breakers, CallNote } from '@darkroom/shared/ports';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { testRedisUrl } from './redis.ts';

export const PLACE: Place = { channel: 'gemini-a', model: 'gemini-3-pro-image' };
/** What `enter` answers when a call may go. */
export const GO = { type: 'go', probe: false };
export const PROBE = { type: 'go', probe: true };

export const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
export const kinds = (told: (Transition | undefined)[]) => told.map((one) => one?.to);

export type TestBreakers = AsyncDisposable & {
  workers: [Breakers, ...Breakers[]];
  redis: Redis;
  prefix: string;
  /** Lets the cool-down of a place, or of its channel, be over, as if it were. */
  coolOff: (place?: Place) => Promise<void>;
  /** Ends calls, one after the other. */
  end: (ends: CallEnd[], place?: Place, about?: CallNote) => Promise<(Transition | undefined)[]>;
};

type Rules = NonNullable<Parameters<typeof createRedisBreakers>[0]['rules']>;

/** By as many workers as `count`, with connections of their own. */
export async function openTestBreakers(rules: Rules = {}, count = 1): Promise<TestBreakers> {
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const connections = Array.from({ length: count + 1 }, () => new Redis(testRedisUrl()));
  const [redis = new Redis(), ...others] = connections;
  const [first = redis, ...rest] = others;
  const open = (redis: Redis) => createRedisBreakers({ redis, prefix, rules, random: () => 0 });
  const workers: [Breakers, ...Breakers[]] = [open(first), ...rest.map(open)];
  return {
    workers,
    redis,
    prefix,
    coolOff: async ({ channel, model } = PLACE) => {
      for (const key of [`${prefix}{c:${channel}}:breaker`, `${prefix}{c:${channel}}:breaker:${model}`])
        if (await redis.hexists(key, 'probe_at')) await redis.hset(key, 'probe_at', 1);
    },
    end: async (ends, place = PLACE, about = {}) => {
      const told: (Transition | undefined)[] = [];
      for (const end of ends) told.push(await workers[0].note(place, randomUUID(), end, about));
      return told;
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length) await redis.unlink(keys);
      for (const one of connections) one.disconnect();
    },
  };
}
