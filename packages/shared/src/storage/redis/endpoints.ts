import type { Redis } from 'ioredis';
import { type Endpoint, eventId, type OwnGenerations, type ReceiverHealth, type Tenant } from '../../domain/index.ts';
import type { Endpoints } from '../../ports/index.ts';
import { parsePlace } from './events.ts';
import { keySpace } from './keys.ts';
import { createNonces } from './nonces.ts';
import { loadScript } from './scripts.ts';

/** Most endpoints of one tenant. */
const ENDPOINTS_MAX = 50;

/** Endpoints in Redis. Every method but `tell` may be sent twice. @see Endpoints */
export function createRedisEndpoints({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Endpoints {
  const space = keySpace(prefix);
  const newNonce = createNonces();
  const create = loadScript(redis, 'create-endpoint');
  const write = loadScript(redis, 'write-endpoint', 'await-receiver');
  const writeOwn = loadScript(redis, 'write-own-secrets');
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
    ownSecrets: async (tenant) => parseGenerations(await redis.hget(space.of(tenant).ownSecret, 'b')),
    writeOwnSecrets: async (tenant, generations) => {
      const args = [generations[0].generation, newNonce(), JSON.stringify(generations)];
      return (await writeOwn([space.of(tenant).ownSecret], args)) === 1;
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

/** As `parseEndpoint`; before the first rotation there is no record. */
function parseGenerations(text: string | null): OwnGenerations {
  return text === null ? [{ generation: 0 }] : (JSON.parse(text) as OwnGenerations);
}
