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
/** Most deliveries to one receiver that arrived and are kept. */
const ARRIVED_MAX = 5_000;
/** Before all that waits. */
const FIRST = 0;
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
      const args: ScriptArg[] = [from ?? '', to, deadMs, now];
      for (const [receiver, group] of Map.groupBy(deliveries, (one) => one.receiver)) {
        keys.push(of.endpoint(receiver), of.dueDeliveries(receiver), of.deliveries(receiver));
        keys.push(of.receiverHealth(receiver), ...group.map(({ id }) => of.delivery(id)));
        args.push(receiver, isOwnReceiver(receiver) ? '' : '1', group.length, ...group.flatMap(newArgs));
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
      keys.push(of.deliveries(receiver), of.arrivedDeliveries(receiver));
      const own = isOwnReceiver(receiver);
      const warn = own ? '' : `,${warnAt.join(',')},`;
      const args: ScriptArg[] = [receiver, until, now, pauseMs, warn, own ? OWN_HEALTH_MS : ''];
      args.push(space.changes, `${tenant} ${receiver}`, of.delivery(''), ARRIVED_MAX);
      for (const { delivery, health } of tries) {
        keys.push(of.delivery(delivery.id));
        const arrived = delivery.status === 'delivered';
        args.push(
          delivery.id,
          JSON.stringify(delivery),
          delivery.nextAt ?? '',
          arrived ? DELIVERED_MS : deadMs,
          health,
        );
        args.push(arrived ? timeOfDelivery(delivery) : '');
      }
      return { health: parseHealth((await settle(keys, args)) as string[]) };
    },
    read,
    list: (tenant, receiver, query) => list(redis, space, { tenant, receiver }, query),
    resend: async (tenant, receiver, deliveries, { now, first }) => {
      const of = space.of(tenant);
      const keys = [of.endpoint(receiver), of.readyReceivers, of.dueDeliveries(receiver), of.deliveries(receiver)];
      keys.push(of.arrivedDeliveries(receiver), of.receiverHealth(receiver));
      keys.push(...deliveries.map(({ id }) => of.delivery(id)));
      const args = deliveries.flatMap((one) => [one.id, JSON.stringify(one), timeOfDelivery(one)]);
      const facts = [receiver, isOwnReceiver(receiver) ? '' : '1', first ? FIRST : now, deadMs];
      return Number(await resend(keys, [...facts, ...args]));
    },
    dropRemoved: async (tenant) => {
      const of = space.of(tenant);
      const [receiver] = await redis.srandmember(of.removedEndpoints, 1);
      if (receiver === undefined) return false;
      const places = [of.deliveries(receiver), of.dueDeliveries(receiver), of.arrivedDeliveries(receiver)];
      const found = await Promise.all(places.map((key) => redis.zrange(key, '0', String(STEP - 1))));
      const ids = [...new Set(found.flat())];
      const gone = redis.multi();
      if (ids.length) {
        gone.del(...ids.map((id) => of.delivery(id)));
        for (const key of places) gone.zrem(key, ...ids);
      } else {
        gone.del(of.receiverHealth(receiver)).zrem(of.readyReceivers, receiver).srem(of.removedEndpoints, receiver);
      }
      await gone.exec();
      return true;
    },
  };
}

function newArgs(delivery: Delivery): ScriptArg[] {
  const dueAt = delivery.type === 'webhook_endpoint.test' ? FIRST : delivery.nextAt;
  return [delivery.id, JSON.stringify(delivery), timeOfDelivery(delivery), dueAt ?? ''];
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
  const of = space.of(tenant);
  // What arrived lies apart, so that however much that is, nothing else leaves the list for it.
  const keys = [of.deliveries(receiver), of.arrivedDeliveries(receiver)];
  const lists = status ? [keys[status === 'delivered' ? 1 : 0] ?? ''] : keys;
  const found: Delivery[] = [];
  for (let at = before; found.length < limit; ) {
    const pages = await Promise.all(lists.map((key) => pageOf(redis, key, at)));
    const ids = pages
      .flat()
      .toSorted((a, b) => (a < b ? 1 : -1))
      .slice(0, STEP);
    const deliveries = await readDeliveries(redis, space, tenant, ids);
    found.push(...deliveries.flatMap((one) => (one && (!status || one.status === status) ? [one] : [])));
    if (ids.length < STEP) break;
    at = ids.at(-1);
  }
  return found.slice(0, limit);
}

/** Up to `STEP` ids before one, the newest first. */
async function pageOf(redis: Redis, key: string, before: DeliveryId | undefined): Promise<DeliveryId[]> {
  const max = before === undefined ? '+inf' : timeOfId(before);
  const page: DeliveryId[] = [];
  for (let offset = 0; page.length < STEP; offset += STEP) {
    const ids = await redis.zrevrangebyscore(key, max, '-inf', 'LIMIT', offset, STEP);
    page.push(...ids.filter((id) => before === undefined || id < before));
    if (ids.length < STEP) break;
  }
  return page.slice(0, STEP);
}
