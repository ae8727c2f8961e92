import { randomUUID } from 'node:crypto';
import { AGING_MS, type LineStanding } from '@darkroom/shared/domain';
import type { Lines, LineTurn, Picked } from '@darkroom/shared/ports';
import { createRedisLines, type LinesOptions } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { testRedisUrl } from './redis.ts';

export const MODEL = 'gemini-3-pro-image';
/** The beginning of a step of age, so that jobs made a little apart are of one. */
export const SINCE = Math.floor(Date.now() / AGING_MS) * AGING_MS;

export type TestLines = AsyncDisposable & {
  redis: Redis;
  /** The name that all keys of the model's lines begin with. */
  base: string;
  lines: Lines;
  /** Lines of another worker, with settings of its own. */
  open: (options?: Omit<LinesOptions, 'redis' | 'prefix'>) => Lines;
  /** Picks one that must be there. */
  take: () => Promise<LineTurn>;
  /** Picks until nobody is left, and says of whom. */
  takeAll: (most?: number) => Promise<string[]>;
};

/** Lines under a key prefix of their own; with `resent`, every script arrives twice. */
export async function openTestLines({
  resent = false,
  ...options
}: Omit<LinesOptions, 'redis' | 'prefix'> & { resent?: boolean } = {}): Promise<TestLines> {
  const redis = new Redis(testRedisUrl(), { lazyConnect: true });
  await redis.connect();
  if (resent) sendTwice(redis);
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const open: TestLines['open'] = (more = {}) => createRedisLines({ redis, prefix, ...options, ...more });
  const lines = open();
  const take = async () => turnOf(await lines.pick(MODEL));
  return {
    redis,
    base: `${prefix}{q:standard-${MODEL}}:lines`,
    lines,
    open,
    take,
    takeAll: async (most = 10_000) => {
      const taken: string[] = [];
      for (let picked = await lines.pick(MODEL); picked.type === 'job'; picked = await lines.pick(MODEL)) {
        taken.push(picked.turn.id);
        await lines.started(picked.turn);
        await lines.ended(picked.turn);
        if (taken.length >= most) break;
      }
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await redis.keys(`${prefix}*`);
      if (keys.length) await redis.unlink(keys);
      redis.disconnect();
    },
  };
}

function turnOf(picked: Picked): LineTurn {
  if (picked.type !== 'job') throw new Error(`nothing to pick: ${picked.type}`);
  return picked.turn;
}

/** As a connection does whose replies are lost: what is sent is sent again before anything else. */
function sendTwice(redis: Redis): void {
  const send = redis.evalsha.bind(redis) as (...args: unknown[]) => Promise<unknown>;
  redis.evalsha = async (...args: unknown[]) => {
    const [, second] = await Promise.all([send(...args), send(...args)]);
    return second;
  };
}

export function aStanding(id: string, overrides: Partial<LineStanding> = {}): LineStanding {
  const [tenant = id] = id.split('-');
  const since = overrides.since ?? SINCE;
  return {
    tenant,
    id,
    model: MODEL,
    channels: ['gemini'],
    priority: 5,
    expiresAt: since + 24 * 3_600_000,
    since,
    ...overrides,
  };
}

/** `count` jobs of a tenant, one made after the other. */
export function standings(tenant: string, count: number, overrides: Partial<LineStanding> = {}): LineStanding[] {
  const expiresAt = SINCE + 24 * 3_600_000;
  return Array.from({ length: count }, (_, n) =>
    aStanding(`${tenant}-${n}`, { expiresAt: expiresAt + n * 1_000, ...overrides }),
  );
}
