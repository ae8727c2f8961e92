import type { Redis } from 'ioredis';
import {
  DELIVERED_MS,
  type Delivery,
  type DeliveryId,
  isOwnReceiver,
  LUCK_MAX,
  type ReceiverId,
  type Tenant,
  timeOfDelivery,
  timeOfId,
} from '../../domain/index.ts';
import type { Deliveries } from '../../ports/index.ts';
import { parseHealth } from './endpoints.ts';
import { type KeySpace, keySpace } from './keys.ts';
import { loadScript, type ScriptArg } from './scripts.ts';

const DAY_MS = 86_400_000;
/** Most deliveries of one receiver that are listed; older ones are found through their events. */
const LISTED_MAX = 10_000;
/** How long a receiver that jobs name is remembered to fail. */
const OWN_HEALTH_MS = DAY_MS;
/** Deliveries looked at, or dropped, in one step. */
const STEP = 200;

type Options = {
  redis: Redis;
  prefix?: string;
  /** How long a delivery is kept that did not arrive; as long as its event. */
  deadMs: number;
};

/** Deliveries in Redis. Every method may be sent twice. @see Deliveries */
export function createRedisDeliveries(options: Options): Deliveries {
  const { redis, prefix = '', deadMs } = options;
  const space = keySpace(prefix);
  const load = (name: string) => loadScript(redis, name, 'await-receiver');
  const [fanOut, claim, settle, resend] = [
    load('fan-out'),
    load('claim-deliveries'),
    load('settle-deliveries'),
    load('resend-deliveries'),
  ];
  const read = (tenant: Tenant, ids: DeliveryId[]) => readDeliveries(redis, space, tenant, ids);

  return {
    cursor: async (tenant) => (await redis.get(space.of(tenant).fanOutCursor)) ?? undefined,
    fanOut: async (tenant, { from, to, deliveries, now }) => {
      const of = space.of(tenant);
      const keys = [of.fanOutCursor, of.readyReceivers];
      const args: ScriptArg[] = [from ?? '', to, LISTED_MAX, deadMs, now];
      for (const [receiver, group] of Map.groupBy(deliveries, (one) => one.receiver)) {
        keys.push(of.dueDeliveries(receiver), of.deliveries(receiver), of.receiverHealth(receiver));
        keys.push(...group.map(({ id }) => of.delivery(id)));
        args.push(receiver, group.length, ...group.flatMap(newArgs));
      }
      return (await fanOut(keys, args)) === 1;
    },
    ready: (tenant, now, limit) => redis.zrangebyscore(space.of(tenant).readyReceivers, '-inf', now, 'LIMIT', 0, limit),
    nextReady: async (tenant) => {
      const [, at] = await redis.zrange(space.of(tenant).readyReceivers, '0', '0', 'WITHSCORES');
      return at === undefined ? undefined : Number(at);
    },
    claim: async (tenant, receiver, { max, now, leaseMs }) => {
      const of = space.of(tenant);
      const keys = [of.readyReceivers, of.dueDeliveries(receiver), of.receiverHealth(receiver)];
      const until = now + leaseMs;
      const [ids, ...health] = (await claim(keys, [receiver, max, now, until, LUCK_MAX])) as [string[], ...string[]];
      const records = await read(tenant, ids);
      const lost = ids.filter((_, i) => records[i] === undefined);
      if (lost.length) await redis.zrem(of.dueDeliveries(receiver), ...lost);
      const deliveries = records.filter((delivery) => delivery !== undefined);
      return { deliveries, health: parseHealth(health), until };
    },
    settle: async (tenant, receiver, tries, { until, now, pauseMs, warnAt }) => {
      const of = space.of(tenant);
      const keys = [of.readyReceivers, of.dueDeliveries(receiver), of.receiverHealth(receiver), of.events];
      const own = isOwnReceiver(receiver);
      const warn = own ? '' : `,${warnAt.join(',')},`;
      const args: ScriptArg[] = [receiver, until, now, pauseMs, warn, own ? OWN_HEALTH_MS : ''];
      args.push(space.changes, `${tenant} ${receiver}`);
      for (const { delivery, health } of tries) {
        keys.push(of.delivery(delivery.id));
        const kept = delivery.status === 'delivered' ? DELIVERED_MS : deadMs;
        args.push(delivery.id, JSON.stringify(delivery), delivery.nextAt ?? '', kept, health);
      }
      return { health: parseHealth((await settle(keys, args)) as string[]) };
    },
    read,
    list: (tenant, receiver, query) => list(redis, space, { tenant, receiver }, query),
    resend: async (tenant, receiver, deliveries, now) => {
      const of = space.of(tenant);
      const keys = [
        of.readyReceivers,
        of.dueDeliveries(receiver),
        of.deliveries(receiver),
        of.receiverHealth(receiver),
      ];
      keys.push(...deliveries.map(({ id }) => of.delivery(id)));
      const args = deliveries.flatMap((one) => [one.id, JSON.stringify(one), timeOfDelivery(one)]);
      return Number(await resend(keys, [receiver, now, deadMs, ...args]));
    },
    dropRemoved: async (tenant) => {
      const of = space.of(tenant);
      const [receiver] = await redis.srandmember(of.removedEndpoints, 1);
      if (receiver === undefined) return false;
      const ids = await redis.zrange(of.deliveries(receiver), '0', String(STEP - 1));
      const waiting = ids.length ? ids : await redis.zrange(of.dueDeliveries(receiver), '0', String(STEP - 1));
      const gone = redis.multi();
      for (const id of waiting) {
        gone.del(of.delivery(id)).zrem(of.deliveries(receiver), id).zrem(of.dueDeliveries(receiver), id);
      }
      if (!waiting.length) {
        gone.del(of.receiverHealth(receiver)).zrem(of.readyReceivers, receiver).srem(of.removedEndpoints, receiver);
      }
      await gone.exec();
      return true;
    },
  };
}

function newArgs(delivery: Delivery): ScriptArg[] {
  return [delivery.id, JSON.stringify(delivery), timeOfDelivery(delivery), delivery.nextAt ?? delivery.createdAt];
}

/** Written by this program from this very type; the records are no edge. */
async function readDeliveries(
  redis: Redis,
  space: KeySpace,
  tenant: Tenant,
  ids: DeliveryId[],
): Promise<(Delivery | undefined)[]> {
  if (!ids.length) return [];
  const texts = await redis.mget(ids.map((id) => space.of(tenant).delivery(id)));
  return texts.map((text) => (text === null ? undefined : (JSON.parse(text) as Delivery)));
}

/** Newest event first; ties in time by id, descending, so that a cursor never skips or repeats one. */
async function list(
  redis: Redis,
  space: KeySpace,
  { tenant, receiver }: { tenant: Tenant; receiver: ReceiverId },
  { status, before, limit }: Parameters<Deliveries['list']>[2],
): Promise<Delivery[]> {
  const key = space.of(tenant).deliveries(receiver);
  const max = before === undefined ? '+inf' : timeOfId(before);
  const found: Delivery[] = [];
  for (let offset = 0; found.length < limit; offset += STEP) {
    const ids = await redis.zrevrangebyscore(key, max, '-inf', 'LIMIT', offset, STEP);
    const fresh = ids.filter((id) => before === undefined || id < before);
    const deliveries = await readDeliveries(redis, space, tenant, fresh);
    found.push(...deliveries.flatMap((one) => (one && (!status || one.status === status) ? [one] : [])));
    if (ids.length < STEP) break;
  }
  return found.slice(0, limit);
}
