import type { Redis } from 'ioredis';
import type { AlertState, AlertSubject } from '../../domain/index.ts';
import type { Alerts, CallWindow } from '../../ports/index.ts';
import { countCalls, minuteOf, sampleOfHourAgo, slotsOf } from './call-slots.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** How far back fail-overs count. */
export const FAILOVERS_MS = 3_600_000;
/** A model that nobody has called for so long is not in use. */
export const IN_USE_MS = 7 * 86_400_000;
/** Samples of money in doubt outlive an outage of all sweepers by this. */
const SAMPLES_MS = 7 * 86_400_000;

/** Figures under one hash tag; what was told lies with the events of the tenant it was told to. @see Alerts */
export function createRedisAlerts(options: { redis: Redis; prefix?: string; window: CallWindow }): Alerts {
  const { redis, prefix = '', window } = options;
  const space = keySpace(prefix);
  const tell = loadScript(redis, 'tell-alert');
  return {
    takeTurn: async (ms) => (await redis.set(space.alertTurn, '1', 'PX', Math.ceil(ms), 'NX')) === 'OK',
    calls: async () => countCalls(await Promise.all(slotsOf(space, window).keys.map((key) => redis.hgetall(key)))),
    modelsInUse: async () => new Set(await redis.zrangebyscore(space.modelsInUse, window.now() - IN_USE_MS, '+inf')),
    failovers: async () => {
      await redis.zremrangebyscore(space.failovers, '-inf', window.now() - FAILOVERS_MS);
      return redis.zcard(space.failovers);
    },
    doubtGrown: async (inDoubt) => {
      const minute = minuteOf(window.now());
      // The first sample of a minute stands, whoever comes second.
      await redis
        .multi()
        .hsetnx(space.doubtSamples, String(minute), inDoubt)
        .pexpire(space.doubtSamples, SAMPLES_MS)
        .exec();
      const fields = Object.entries(await redis.hgetall(space.doubtSamples));
      const samples = fields.map(([at, micros]) => ({ minute: Number(at), micros: Number(micros) }));
      const { micros = inDoubt, past } = sampleOfHourAgo(samples, minute);
      if (past.length) await redis.hdel(space.doubtSamples, ...past.map(String));
      return inDoubt - micros;
    },
    states: async (tenant) => {
      const fields = await redis.hgetall(space.of(tenant).alerts);
      return (subject) => parseState(fields[fieldOf(subject)]);
    },
    tell: async (tenant, { subject, type, note, next }) => {
      // Events of a tenant that is not listed would never leave Redis.
      await redis.sadd(space.tenants, tenant);
      const { alerts, events } = space.of(tenant);
      const field = fieldOf(subject);
      const change = [field, next.version, JSON.stringify(next), type, JSON.stringify(note)];
      return (await tell([alerts, events], [...change, space.changes, `${tenant} ${field}`])) === 1;
    },
  };
}

function fieldOf({ alert, channel = '', model = '' }: AlertSubject): string {
  return [alert, channel, model].join('|');
}

/** As the script keeps it: the version, a space, the state. */
function parseState(text: string | undefined): AlertState | undefined {
  return text === undefined ? undefined : (JSON.parse(text.slice(text.indexOf(' ') + 1)) as AlertState);
}
