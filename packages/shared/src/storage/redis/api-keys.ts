import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { ApiKeys, Caller } from '../../ports/index.ts';
import type { Scope } from '../../schemas/index.ts';
import { createKeyIndex } from './api-key-index.ts';
import { keySpace } from './keys.ts';

/** Ids in Redis go without it: keys that were issued before ids had a prefix are stored by the same names. */
const PREFIX = 'key_';

/**
 * API keys, stored only as HMAC-SHA256 under the installation's secret.
 *
 * A key is found by 64 bits of an HMAC of its own, and proved by a constant-time comparison of another: ids are logged,
 * and without the secret neither they nor Redis are anything to try guessed keys on. Verified keys are remembered for a
 * second, in memory by their SHA-256, so a revoked one works no longer than that.
 */
export function createApiKeys(options: { redis: Redis; prefix?: string; pepper: Buffer; now: () => number }): ApiKeys {
  const { redis, prefix = '', pepper, now } = options;
  const space = keySpace(prefix);
  const index = createKeyIndex(redis, space);
  const verified = new Map<string, { caller: Caller; until: number }>();
  const nameOf = (secret: string) => hash('sha256', secret, 'hex');
  const mac = (use: 'id' | 'proof', secret: string) =>
    createHmac('sha256', pepper).update(`${use}\0${secret}`).digest();
  const storedIdOf = (secret: string) => mac('id', secret).toString('hex', 0, 8);
  const proofOf = (secret: string) => mac('proof', secret);

  return {
    authenticate: async (secret) => {
      const name = nameOf(secret);
      const remembered = verified.get(name);
      if (remembered && remembered.until > now()) return remembered.caller;
      const proof = proofOf(secret);
      const id = storedIdOf(secret);
      const stored = await redis.hgetall(space.apiKey(id));
      const known = Buffer.from(stored['proof'] ?? '', 'base64');
      const matches = timingSafeEqual(proof, known.length === proof.length ? known : Buffer.alloc(proof.length));
      const caller = matches ? callerOf(id, stored) : undefined;
      if (!caller) {
        verified.delete(name);
        return undefined;
      }
      if (verified.size > 10_000) verified.clear();
      verified.set(name, { caller, until: now() + 1_000 });
      return caller;
    },
    isFamiliar: (secret) => verified.has(nameOf(secret)),
    register: async (secret, { tenant, scopes }) => {
      const id = storedIdOf(secret);
      const proof = proofOf(secret).toString('base64');
      await redis.sadd(space.tenants, tenant);
      const [known, at = null] = await redis.hmget(space.apiKey(id), 'proof', 'at');
      const since = known ? at : String(now());
      await index.add(id, since);
      await redis.hset(space.apiKey(id), { proof, tenant, scopes: scopes.join(','), ...(since && { at: since }) });
      return { keyId: `${PREFIX}${id}`, tenant, scopes, ...(since && { createdAt: Number(since) }) };
    },
    list: async ({ limit, after }) => {
      const page = await index.page(limit, after);
      const keys = page.rows.flatMap(({ id, stored }) => {
        const caller = callerOf(id, stored);
        return caller ? [{ ...caller, ...(stored['at'] && { createdAt: Number(stored['at']) }) }] : [];
      });
      return { keys, ...(page.nextCursor && { nextCursor: page.nextCursor }) };
    },
    revoke: async (keyId) => {
      const id = keyId.startsWith(PREFIX) ? keyId.slice(PREFIX.length) : keyId;
      const at = await redis.hget(space.apiKey(id), 'at');
      await redis.del(space.apiKey(id));
      await index.remove(id, at);
    },
  };
}

function callerOf(id: string, stored: Readonly<Record<string, string>>): Caller | undefined {
  const { tenant, scopes = '' } = stored;
  return tenant ? { keyId: `${PREFIX}${id}`, tenant, scopes: scopes.split(',') as Scope[] } : undefined;
}
