import type { Redis } from 'ioredis';
import { type Endpoint, eventId, type ReceiverHealth, type Tenant } from '../../domain/index.ts';
import type { Endpoints } from '../../ports/index.ts';
import { parsePlace } from './events.ts';
import { keySpace } from './keys.ts';
import { createNonces } from './nonces.ts';
import { loadScript } from './scripts.ts';

/** Most endpoints of one tenant. */
const ENDPOINTS_MAX = 50;

/** Endpoints in Redis. Every method but `tell` and `rotateOwnSecret` may be sent twice. @see Endpoints */
export function createRedisEndpoints({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Endpoints {
  const space = keySpace(prefix);
  const newNonce = createNonces();
  const create = loadScript(redis, 'create-endpoint');
  const write = loadScript(redis, 'write-endpoint', 'await-receiver');
  const read = async (tenant: Tenant, id: string) =>
    parseEndpoint(await redis.hget(space.of(tenant).endpoint(id), 'b'));
  return {
    create: async (endpoint) => {
      const { id, tenant, createdAt } = endpoint;
      const of = space.of(tenant);
      const keys = [of.endpoint(id), of.endpoints, of.removedEndpoints];
      const answer = await create(keys, [id, JSON.stringify(endpoint), createdAt, newNonce(), ENDPOINTS_MAX]);
      return answer as 'created' | 'full';
    },
    read,
    list: async (tenant) => {
      const ids = await redis.zrevrange(space.of(tenant).endpoints, 0, -1);
      const endpoints = await Promise.all(ids.map((id) => read(tenant, id)));
      return endpoints.filter((endpoint) => endpoint !== undefined);
    },
    write: async (endpoint, news) => {
      const { id, tenant, version, disabled } = endpoint;
      const of = space.of(tenant);
      const keys = [of.endpoint(id), of.events, of.readyReceivers, of.dueDeliveries(id), of.receiverHealth(id)];
      const record = JSON.stringify(endpoint);
      const args = [id, version, newNonce(), record, disabled ? '1' : '', news ?? '', space.changes, `${tenant} ${id}`];
      return (await write(keys, args)) === 1;
    },
    remove: async (tenant, id) => {
      const of = space.of(tenant);
      const gone = redis.multi().del(of.endpoint(id)).zrem(of.endpoints, id).zrem(of.readyReceivers, id);
      await gone.sadd(of.removedEndpoints, id).exec();
    },
    tell: async (tenant, id, news) => {
      const place = await redis.xadd(space.of(tenant).events, '*', 't', news, 'e', id);
      await redis.publish(space.changes, `${tenant} ${id}`);
      return eventId(tenant, parsePlace(place ?? ''));
    },
    health: (tenant, ids) =>
      Promise.all(
        ids.map(async (id) => {
          const of = space.of(tenant);
          const [known, waiting, [, dueAt]] = await Promise.all([
            redis.hmget(of.receiverHealth(id), 'f', 's', 'o'),
            redis.zcard(of.dueDeliveries(id)),
            redis.zrange(of.dueDeliveries(id), '0', '0', 'WITHSCORES'),
          ]);
          return { ...parseHealth(known), waiting, ...(dueAt !== undefined && { dueAt: Number(dueAt) }) };
        }),
      ),
    ownSecret: async (tenant) => {
      const [generation, until] = await redis.hmget(space.of(tenant).ownSecret, 'g', 'u');
      return { generation: Number(generation ?? 0), ...(until && { previousUntil: Number(until) }) };
    },
    rotateOwnSecret: async (tenant, previousUntil) => {
      const key = space.of(tenant).ownSecret;
      const [rotated] = (await redis.multi().hincrby(key, 'g', 1).hset(key, 'u', previousUntil).exec()) ?? [];
      return { generation: Number(rotated?.[1]), previousUntil };
    },
  };
}

/** As the scripts have it: failures in a row, since when, paused until. */
export function parseHealth([failures, since, until]: (string | number | null)[]): ReceiverHealth {
  return {
    failures: Number(failures ?? 0),
    ...(since && { failingSince: Number(since) }),
    ...(until && { openUntil: Number(until) }),
  };
}

/** Written by this program from this very type; the record is not an edge. */
function parseEndpoint(text: string | null): Endpoint | undefined {
  return text === null ? undefined : (JSON.parse(text) as Endpoint);
}
