/** Breakers over a real Redis, by as many workers as connections. */

import { randomUUID } from 'node:crypto';
import type { CallEnd, Place, Transition } from '@darkroom/shared/domain';
import type { Breakers } from '@darkroom/shared/ports';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const PLACE: Place = { channel: 'gemini-a', model: 'gemini-3-pro-image' };
const OTHER: Place = { channel: 'gemini-a', model: 'gemini-2.5-flash-image' };
const HOUR = 3_600_000;

type TestBreakers = AsyncDisposable & {
  workers: [Breakers, ...Breakers[]];
  redis: Redis;
  prefix: string;
  /** Lets the cool-down of a place, or of its channel, be over, as if it were. */
  coolOff: (place?: Place) => Promise<void>;
  /** Ends calls, one after the other. */
  end: (ends: CallEnd[], place?: Place) => Promise<(Transition | undefined)[]>;
};

type Rules = NonNullable<Parameters<typeof createRedisBreakers>[0]['rules']>;

async function openBreakers(rules: Rules = {}, count = 1): Promise<TestBreakers> {
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
    end: async (ends, place = PLACE) => {
      const told: (Transition | undefined)[] = [];
      for (const end of ends) told.push(await workers[0].note(place, randomUUID(), end));
      return told;
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length) await redis.unlink(keys);
      for (const one of connections) one.disconnect();
    },
  };
}

const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);
const kinds = (told: (Transition | undefined)[]) => told.map((one) => one?.to);
const GO = { type: 'go', probe: false };
const PROBE = { type: 'go', probe: true };

describe('a breaker', () => {
  it('opens after five faults in a row, says so once, and lets nobody call', async () => {
    await using test = await openBreakers();
    const [breakers] = test.workers;

    expect(kinds(await test.end(times(4, 'timeout')))).toEqual(times(4, undefined));
    expect(await breakers.enter(PLACE, 'a')).toEqual(GO);
    const [told] = await test.end(['unavailable']);

    expect(told).toMatchObject({ place: PLACE, to: 'opened', breaker: 'open', errorRate: 1 });
    expect(told?.why).toBe('5 calls in a row failed, the last one because the provider answered with a server error');
    expect(await test.end(times(3, 'timeout'))).toEqual(times(3, undefined));
    const entered = await breakers.enter(PLACE, 'b');
    expect(entered).toMatchObject({ type: 'closed_until' });
    expect(entered.type === 'closed_until' && entered.retryAfterMs).toBeGreaterThan(9_000);
    expect(await breakers.enter(OTHER, 'c')).toEqual(GO);
  });

  it('forgets faults in a row with each good call, and is not moved by what says nothing', async () => {
    await using test = await openBreakers({ callsMin: 1_000 });
    const ends: CallEnd[] = [...times<CallEnd>(4, 'timeout'), 'ok', ...times<CallEnd>(4, 'no_image')];

    expect(kinds(await test.end([...ends, 'blocked', 'invalid', 'limited']))).toEqual(times(12, undefined));
    expect(kinds(await test.end(['unreachable']))).toEqual(['opened']);
  });

  it('is told of as degraded once, opens at half, and recovers after two good probes', async () => {
    await using test = await openBreakers();
    const [breakers] = test.workers;
    const mixed = (faults: number, goods: number): CallEnd[] => [
      ...times<CallEnd>(faults, 'overloaded'),
      ...times<CallEnd>(goods, 'ok'),
    ];

    expect(kinds(await test.end([...mixed(4, 15), 'ok'])).at(-1)).toBe('degraded');
    expect(kinds(await test.end(mixed(4, 1)))).toEqual(times(5, undefined));
    const told = kinds(await test.end(times(3, mixed(4, 1)).flat()));
    expect(told.filter((to) => to)).toEqual(['opened']);

    await test.coolOff();
    for (const attempt of ['a', 'b']) {
      expect(await breakers.enter(PLACE, attempt)).toEqual(PROBE);
      const to = (await breakers.note(PLACE, attempt, 'ok'))?.to;
      expect(to).toBe(attempt === 'b' ? 'recovered' : undefined);
    }
    expect(await breakers.enter(PLACE, 'c')).toEqual(GO);
  });
});

describe('a probe', () => {
  it('is one over all workers, each of 200 times', async () => {
    await using test = await openBreakers({ goodProbes: 1_000 }, 4);
    await test.end(times(5, 'timeout'));
    await test.coolOff();

    for (let round = 0; round < 200; round++) {
      const entries = await Promise.all(
        test.workers.map(async (worker, n) => ({
          worker,
          id: `${round}-${n}`,
          got: await worker.enter(PLACE, `${round}-${n}`),
        })),
      );
      const probes = entries.filter(({ got }) => got.type === 'go');

      expect(probes).toHaveLength(1);
      expect(probes[0]?.got).toEqual(PROBE);
      for (const { worker, id } of probes) await worker.note(PLACE, id, round % 3 ? 'ok' : 'blocked');
    }
  });
});
