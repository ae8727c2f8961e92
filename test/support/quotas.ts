/** Quotas of two workers on the shared Redis, and time that passes when it is told to. */

import { randomUUID } from 'node:crypto';
import type { ChannelLimits, Limits, Place } from '@darkroom/shared/domain';
import type { Demand, Leave, PlaceState, Quotas, WindowName, WindowState } from '@darkroom/shared/ports';
import { createRedisQuotas, type QuotaSpans } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { testRedisUrl } from './redis.ts';

export const PRO: Place = { channel: 'gemini-a', model: 'pro' };
export const FLASH: Place = { channel: 'gemini-a', model: 'flash' };
export const ONE: Demand = { tokens: 100, images: 1, cost: 1_000 };

/** What time passes for, of one place and its channel. */
const OF_PLACE = ['log', 'flying', 'learnt', 'pause'].map((key) => `m:${PRO.model}:${key}`);
const KEYS = [...OF_PLACE, 'costs:log', 'flying', 'learnt'];

/** Makes everything in the logs, and all that was learnt, older by so many ms. */
const PASS = `
local ms = tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'zset' then
    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for n = 1, #all, 2 do redis.call('ZADD', key, all[n + 1] - ms, all[n]) end
  elseif kind == 'string' then
    local till, rest = string.match(redis.call('GET', key), '^(%S+) (.*)$')
    local left = redis.call('PTTL', key) - ms
    if left <= 0 then redis.call('DEL', key)
    else redis.call('SET', key, string.format('%.3f %s', till - ms, rest), 'PX', left) end
  elseif string.find(key, 'learnt') then
    local all = redis.call('HGETALL', key)
    for n = 1, #all, 2 do
      local parts = {}
      for part in string.gmatch(all[n + 1], '%S+') do parts[#parts + 1] = part end
      for place = 1, #parts do
        if tonumber(parts[place]) > 1e12 then parts[place] = string.format('%.3f', parts[place] - ms) end
      end
      redis.call('HSET', key, all[n], table.concat(parts, ' '))
    end
  end
end`;

export type TestQuotas = AsyncDisposable & {
  redis: Redis;
  prefix: string;
  quotas: Quotas;
  other: Quotas;
  /** Lets `ms` pass for `PRO`, as if they had, but for its days. */
  pass: (ms: number) => Promise<void>;
  /** Milliseconds by the server's clock, and what was let pass. */
  now: () => Promise<number>;
};

export type QuotaOptions = { spans?: Partial<QuotaSpans>; channel?: ChannelLimits; callMs?: number; paced?: boolean };

/** Two workers, one allowance. */
export async function openQuotas(model: Partial<Limits> = {}, options: QuotaOptions = {}): Promise<TestQuotas> {
  const { channel = {}, ...more } = options;
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const connect = async () => {
    const redis = new Redis(testRedisUrl(), { lazyConnect: true });
    await redis.connect();
    return redis;
  };
  const [redis, second] = await Promise.all([connect(), connect()]);
  const limits = { model: { day: 'pacific' as const, ...model }, channel };
  const open = (one: Redis) => createRedisQuotas({ redis: one, prefix, limitsOf: () => limits, ...more });
  const keys = KEYS.map((key) => `${prefix}{c:${PRO.channel}}:${key}`);
  let passed = 0;
  return {
    redis,
    prefix,
    quotas: open(redis),
    other: open(second),
    pass: async (ms) => {
      passed += ms;
      await redis.eval(PASS, keys.length, ...keys, ms);
    },
    now: async () => {
      const [seconds, micros] = (await redis.call('TIME')) as [string, string];
      return Number(seconds) * 1_000 + Number(micros) / 1_000 + passed;
    },
    [Symbol.asyncDispose]: async () => {
      const left = await redis.keys(`${prefix}*`);
      if (left.length > 0) await redis.unlink(left);
      redis.disconnect();
      second.disconnect();
    },
  };
}

export function waitOf(leave: Leave): number {
  return leave.granted ? 0 : leave.retryAfterMs;
}

export async function stateOf(
  quotas: Quotas,
  place = PRO,
): Promise<PlaceState & { of: (name: WindowName) => WindowState | undefined }> {
  const [state] = await quotas.look([place]);
  if (!state) throw new Error('no state of a place');
  return { ...state, of: (name) => state.windows.find(({ window }) => window === name) };
}
