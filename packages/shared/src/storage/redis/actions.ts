import type { Redis } from 'ioredis';
import type { Action, Tenant } from '../../domain/index.ts';
import type { ActionAdmission, Actions } from '../../ports/index.ts';
import { IDEMPOTENCY_MS } from './arguments.ts';
import { type KeySpace, keySpace } from './keys.ts';
import { createNonces } from './nonces.ts';
import { loadScript } from './scripts.ts';

const DAY_MS = 86_400_000;
/** How long an action is kept behind its end. */
const KEPT_MS = 7 * DAY_MS;
/** Most ended actions of one tenant that are kept. */
const KEPT_MAX = 1_000;
/** Most actions of one tenant that are open. */
const OPEN_MAX = 20;
/** Actions looked at in one step of a listing, or dropped in one round. */
const STEP = 100;

/** The records of actions in Redis. Every method may be sent twice. @see Actions */
export function createRedisActions({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Actions {
  const space = keySpace(prefix);
  const newNonce = createNonces();
  const accept = loadScript(redis, 'accept-action', 'first-answer');
  const write = loadScript(redis, 'write-action');
  const letGo = loadScript(redis, 'let-go');
  return {
    accept: async (action, idempotency) => {
      const keys = space.of(action.tenant);
      const answer = await accept(
        [keys.action(action.id), keys.actions, keys.openActions, keys.actionIdempotency(idempotency?.key ?? '')],
        [
          action.id,
          JSON.stringify(action),
          action.createdAt,
          idempotency?.bodyHash ?? '',
          idempotency ? IDEMPOTENCY_MS : '',
          newNonce(),
          OPEN_MAX,
        ],
      );
      return parseAdmission(answer as string[]);
    },
    read: async (tenant, id) => parseAction(await redis.hget(space.of(tenant).action(id), 'b')),
    write: async (action) => {
      const keys = space.of(action.tenant);
      const retainedUntil = action.completedAt === undefined ? '' : action.completedAt + KEPT_MS;
      const args = [action.id, action.version, newNonce(), JSON.stringify(action), retainedUntil];
      return (await write([keys.action(action.id), keys.openActions, keys.pastActions], args)) === 1;
    },
    list: (tenant, query) => list(redis, space, tenant, query),
    open: async () => {
      const tenants = await redis.smembers(space.tenants);
      const open = await Promise.all(tenants.map((tenant) => redis.zrange(space.of(tenant).openActions, '0', '-1')));
      return tenants.flatMap((tenant, i) => (open[i] ?? []).map((id) => ({ tenant, id })));
    },
    hold: async (tenant, id, ms) => {
      const key = space.of(tenant).actionHold(id);
      const owner = newNonce();
      if (!(await redis.set(key, owner, 'PX', ms, 'NX'))) return undefined;
      return { [Symbol.asyncDispose]: async () => void (await letGo([key], [owner])) };
    },
    forget: async (tenant, now) => {
      const keys = space.of(tenant);
      const [due, tooMany] = await Promise.all([
        redis.zrangebyscore(keys.pastActions, '-inf', now, 'LIMIT', 0, STEP),
        redis.zrange(keys.pastActions, '0', String(-KEPT_MAX - 1)),
      ]);
      const ids = [...new Set([...due, ...tooMany])].slice(0, STEP);
      if (!ids.length) return 0;
      const gone = redis.multi();
      for (const id of ids) gone.del(keys.action(id));
      await gone
        .zrem(keys.actions, ...ids)
        .zrem(keys.pastActions, ...ids)
        .exec();
      return ids.length;
    },
  };
}

/** Written by this program from this very type; the record is not an edge. */
function parseAction(text: string | null): Action | undefined {
  return text === null ? undefined : (JSON.parse(text) as Action);
}

function parseAdmission([type, id = '']: string[]): ActionAdmission {
  switch (type) {
    case 'created':
    case 'full':
      return { type };
    case 'replayed':
    case 'reused':
      return { type, id };
    default:
      throw new Error(`unexpected answer of accept-action.lua: ${type}`);
  }
}

/** Newest first; ties in time by id, descending, so that a cursor never skips or repeats an action. */
async function list(
  redis: Redis,
  space: KeySpace,
  tenant: Tenant,
  { after, limit }: Parameters<Actions['list']>[1],
): Promise<Action[]> {
  const keys = space.of(tenant);
  const found: Action[] = [];
  for (let offset = 0; found.length < limit; offset += STEP) {
    const max = after ? after.at : '+inf';
    const rows = await redis.zrevrangebyscore(keys.actions, max, '-inf', 'WITHSCORES', 'LIMIT', offset, STEP);
    const ids = rows.filter((_, i) => i % 2 === 0);
    const fresh = ids.filter((id, i) => !after || Number(rows[2 * i + 1]) < after.at || id < after.id);
    const texts = await Promise.all(fresh.map((id) => redis.hget(keys.action(id), 'b')));
    found.push(...texts.flatMap((text) => parseAction(text) ?? []));
    if (ids.length < STEP) break;
  }
  return found.slice(0, limit);
}
