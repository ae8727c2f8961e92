import type { Redis } from 'ioredis';
import { MODELS } from '../../domain/index.ts';
import type { AsideBatch, Pool, PoolMember, WakeMessage } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** Above any instant, which have 13 digits until the year 2286: a score is a band and, in it, a deadline. */
const BAND = 1e13;
const PRIORITY_MAX = 9;
/** The bands of a priority: those of which it was noted whether they can leave the lane, and behind them the others. */
const WEIGHED = 0;
const NEWCOMER = 1;
const KINDS = [WEIGHED, NEWCOMER];
/** Members of one command. */
const STEP = 1_000;

/**
 * One sorted set per model, another of those that cannot leave the lane, by deadline, and one per batch put aside; a
 * member is `tenant~id`. That it can leave takes no room: most can, and there may be hundreds of thousands. @see Pool
 */
export function createRedisPool(options: { redis: Redis; prefix?: string }): Pool {
  const { redis, prefix = '' } = options;
  const space = keySpace(prefix);
  const enter = loadScript(redis, 'enter-pool');
  const putAside = loadScript(redis, 'put-aside');
  const bringBack = loadScript(redis, 'bring-back');
  const weigh = loadScript(redis, 'weigh');
  const size = (model: string) => redis.zcard(space.pool(model));
  const asideKeys = (model: string, batch: AsideBatch) => {
    const name = nameOf(batch);
    return { name, keys: [space.pool(model), space.aside(model, name), space.asides(model)] };
  };
  return {
    add: async (messages) => {
      for (const [model, group] of Map.groupBy(messages, (message) => message.model)) {
        for (let at = 0; at < group.length; at += STEP) {
          const some = group.slice(at, at + STEP);
          const comers = some.flatMap((one) => [scoreOf(one), one.anew ? 1 : 0, nameOf(one)]);
          await enter([space.pool(model), space.stayers(model)], [BAND, ...comers]);
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
      for (const [from, to] of bandsUntil(until, KINDS)) {
        const rest = limit - found.length;
        if (rest <= 0) break;
        const some = await redis.zrangebyscore(space.pool(model), from, to, 'LIMIT', skip, rest);
        found.push(...some.map(parse));
        if (skip) skip = some.length ? 0 : skip - Math.min(skip, await redis.zcount(space.pool(model), from, to));
      }
      return found;
    },
    some: async (model, limit) => (await redis.zrandmember(space.pool(model), limit)).map(parse),
    newcomers: async (model, limit) => {
      const found: string[] = [];
      for (const [from, to] of bandsUntil(BAND, [NEWCOMER])) {
        if (found.length < limit)
          found.push(...(await redis.zrangebyscore(space.pool(model), from, to, 'LIMIT', 0, limit - found.length)));
      }
      return found.map(parse);
    },
    weighed: async (model, { leaving, staying }) => {
      const names = [...staying, ...leaving].map(nameOf);
      if (names.length) await weigh([space.pool(model), space.stayers(model)], [staying.length, BAND, ...names]);
    },
    dueBy: (model, instants) =>
      Promise.all(
        instants.map(async (at) => {
          const bands = bandsUntil(at + 1, [WEIGHED]).map(([from, to]) => redis.zcount(space.pool(model), from, to));
          const [staying, ...counts] = await Promise.all([redis.zcount(space.stayers(model), '-inf', at), ...bands]);
          // Some may have gone between the two counts.
          return Math.max(0, counts.reduce((sum, count) => sum + count, 0) - staying);
        }),
      ),
    remove: async (model, members) => {
      for (let at = 0; at < members.length; at += STEP) {
        const names = members.slice(at, at + STEP).map(nameOf);
        await redis
          .multi()
          .zrem(space.pool(model), ...names)
          .zrem(space.stayers(model), ...names)
          .exec();
      }
    },
    putAside: async (model, batch, members) => {
      const { name, keys } = asideKeys(model, batch);
      for (let at = 0; at < members.length; at += STEP)
        await putAside([...keys, space.stayers(model)], [name, BAND, ...members.slice(at, at + STEP).map(nameOf)]);
    },
    asides: async (model) => (await redis.smembers(space.asides(model))).map(parse),
    bringBack: async (model, batch, signal) => {
      const { name, keys } = asideKeys(model, batch);
      let all = 0;
      for (let moved = STEP; moved === STEP && !signal.aborted; all += moved)
        moved = Number(await bringBack(keys, [name, STEP]));
      return all;
    },
  };
}

/** Scores of each priority, of these kinds, whose deadline lies before `until`. */
function bandsUntil(until: number, kinds: number[]): [from: number, to: string][] {
  const priorities = Array.from({ length: PRIORITY_MAX }, (_, n) => n * KINDS.length);
  const bands = priorities.flatMap((first) => kinds.map((kind) => (first + kind) * BAND));
  return bands.map((band) => [band, `(${band + until}`]);
}

/** Of one who comes: first by priority, 9 before 1, then by kind and by deadline. */
function scoreOf({ priority, expiresAt }: Pick<WakeMessage, 'priority' | 'expiresAt'>): number {
  return ((PRIORITY_MAX - priority) * KINDS.length + NEWCOMER) * BAND + expiresAt;
}

/** Of a member, or of a batch put aside. No tenant's name holds a `~`. */
function nameOf({ tenant, id }: PoolMember): string {
  return `${tenant}~${id}`;
}

function parse(name: string): PoolMember {
  const at = name.indexOf('~');
  return { tenant: name.slice(0, at), id: name.slice(at + 1) };
}
