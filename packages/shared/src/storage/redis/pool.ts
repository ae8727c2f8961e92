import type { Redis } from 'ioredis';
import { MODELS } from '../../domain/index.ts';
import type { AsideBatch, Pool, PoolMember, WakeMessage } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** Above any instant, so that a lower priority always comes behind: instants have 13 digits until the year 2286. */
const PRIORITY_STEP = 1e13;
const PRIORITY_MAX = 9;
/** Members of one command. */
const STEP = 1_000;

/** One sorted set per model, another of those that can leave, by deadline, and one per batch put aside; a member is `tenant~id`. @see Pool */
export function createRedisPool(options: { redis: Redis; prefix?: string }): Pool {
  const { redis, prefix = '' } = options;
  const space = keySpace(prefix);
  const putAside = loadScript(redis, 'put-aside');
  const bringBack = loadScript(redis, 'bring-back');
  const weigh = loadScript(redis, 'weigh');
  const size = (model: string) => redis.zcard(space.pool(model));
  const leave = (model: string, names: string[]) =>
    redis
      .multi()
      .zrem(space.pool(model), ...names)
      .zrem(space.leavers(model), ...names)
      .srem(space.newcomers(model), ...names)
      .exec();
  const asideKeys = (model: string, batch: AsideBatch) => {
    const name = nameOf(batch);
    return { name, keys: [space.pool(model), space.aside(model, name), space.asides(model)] };
  };
  return {
    add: async (messages) => {
      for (const [model, group] of Map.groupBy(messages, (message) => message.model)) {
        for (let at = 0; at < group.length; at += STEP) {
          const scored = group.slice(at, at + STEP).flatMap((message) => [scoreOf(message), nameOf(message)]);
          const names = group.slice(at, at + STEP).map(nameOf);
          await redis
            .multi()
            .sadd(space.newcomers(model), ...names)
            .zadd(space.pool(model), ...scored)
            .exec();
        }
      }
    },
    models: async () => {
      const counts = MODELS.map(({ id }) => Promise.all([size(id), redis.scard(space.asides(id))]));
      const found = await Promise.all(counts);
      return MODELS.filter((_, n) => found[n]?.some((count) => count > 0)).map(({ id }) => id);
    },
    size,
    peek: async (model, offset, limit) => {
      const names = await redis.zrange(space.pool(model), String(offset), String(offset + limit - 1));
      return names.map(parse);
    },
    pressed: async (model, until, offset, limit) => {
      const found: PoolMember[] = [];
      let skip = offset;
      for (const [from, to] of bandsUntil(until)) {
        const rest = limit - found.length;
        if (rest <= 0) break;
        const some = await redis.zrangebyscore(space.pool(model), from, to, 'LIMIT', skip, rest);
        found.push(...some.map(parse));
        if (skip) skip = some.length ? 0 : skip - Math.min(skip, await redis.zcount(space.pool(model), from, to));
      }
      return found;
    },
    newcomers: async (model, limit) => (await redis.srandmember(space.newcomers(model), limit)).map(parse),
    weighed: async (model, { leaving, staying }) => {
      const keys = [space.pool(model), space.newcomers(model), space.leavers(model)];
      const names = [...leaving, ...staying].map(nameOf);
      if (names.length) await weigh(keys, [leaving.length, PRIORITY_STEP, ...names]);
    },
    dueBy: (model, instants) => Promise.all(instants.map((until) => redis.zcount(space.leavers(model), '-inf', until))),
    remove: async (model, members) => {
      for (let at = 0; at < members.length; at += STEP) await leave(model, members.slice(at, at + STEP).map(nameOf));
    },
    putAside: async (model, batch, members) => {
      const { name, keys } = asideKeys(model, batch);
      for (let at = 0; at < members.length; at += STEP)
        await putAside([...keys, space.leavers(model)], [name, ...members.slice(at, at + STEP).map(nameOf)]);
    },
    asides: async (model) => (await redis.smembers(space.asides(model))).map(parse),
    bringBack: async (model, batch, signal) => {
      const { name, keys } = asideKeys(model, batch);
      let all = 0;
      for (let moved = STEP; moved === STEP && !signal.aborted; all += moved)
        moved = Number(await bringBack([...keys, space.newcomers(model)], [name, STEP]));
      return all;
    },
  };
}

/** Scores of each priority whose deadline lies before `until`. */
function bandsUntil(until: number): [from: number, to: string][] {
  return Array.from({ length: PRIORITY_MAX }, (_, n) => [n * PRIORITY_STEP, `(${n * PRIORITY_STEP + until}`]);
}

/** First by priority, 9 before 1, then by deadline. */
function scoreOf({ priority, expiresAt }: WakeMessage): number {
  return (PRIORITY_MAX - priority) * PRIORITY_STEP + expiresAt;
}

/** Of a member, or of a batch put aside. No tenant's name holds a `~`. */
function nameOf({ tenant, id }: PoolMember): string {
  return `${tenant}~${id}`;
}

function parse(name: string): PoolMember {
  const at = name.indexOf('~');
  return { tenant: name.slice(0, at), id: name.slice(at + 1) };
}
